"""The promise of docs/architecture.md: each layer of the Rust sources imports only those below it."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parent.parent


class House(NamedTuple):
    """A crate whose layers are files and folders of its `src`."""

    sources: Path
    layers: list[str]
    """The lowest first."""
    unsafe: set[str]
    """The modules that may contain `unsafe`, with all in their folders."""
    straight: bool
    """Whether its files have no circles, either."""


CRATE = House(
    ROOT / "rust/elasticq/src",
    [
        "sync",
        "effort",
        "error",
        "config",
        "stats",
        "wait",
        "buffer",
        "elasticity",
        "positions",
        "ring",
        "locked",
        "priority",
        "lock_free",
        "persistent",
        "tasks",
        "select",
        "streams",
        "metrics",
        "lib",
    ],
    {"ring", "lock_free", "persistent::files"},
    straight=False,
)
BINDING = House(
    ROOT / "rust/elasticq-python/src",
    [
        "raw",
        "errors",
        "arguments",
        "codec",
        "waiting",
        "room",
        "store",
        "standard",
        "quick",
        "durable",
        "classes",
        "select",
        "lifecycle",
        "lib",
    ],
    {"raw", "quick"},
    straight=True,
)

Module = tuple[str, ...]


def code(file: Path) -> str:
    """The code of a file, without comments, texts, and what is compiled for tests alone."""
    text = re.sub(r"//.*", "", file.read_text())
    text = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
    return re.sub(r"#\[cfg\(test\)\]\s*mod \w+ \{.*", "", text, flags=re.DOTALL)


def module_of(sources: Path, file: Path) -> Module:
    path = file.relative_to(sources).with_suffix("").parts
    return path[:-1] if path[-1] == "mod" else path


def modules(house: House) -> dict[Module, str]:
    def is_test(file: Path) -> bool:
        return file.name == "tests.rs" or "tests" in file.parts

    files = [file for file in house.sources.rglob("*.rs") if not is_test(file.relative_to(house.sources))]
    return {module_of(house.sources, file): code(file) for file in files}


def expanded(path: str) -> Iterator[str]:
    """The paths that a path with braces stands for."""
    before, brace, rest = path.partition("{")
    if not brace:
        yield path
        return
    depth, start = 1, 0
    for place, sign in enumerate(rest):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth == 0 or (depth == 1 and sign == ","):
            if part := rest[start:place].strip():
                yield from expanded(before + part)
            start = place + 1
        if depth == 0:
            return


def imports(module: Module, text: str) -> Iterator[Module]:
    """The paths that a module names in its own crate, in `use` and elsewhere, from the crate's root."""
    used = [
        path for use in re.findall(r"\buse\s+([^;]+);", text) for path in expanded(re.sub(r"\s+", "", use))
    ]
    named = re.findall(r"\b(?:crate|super|self)(?:::\w+)+", text)
    for path in used + named:
        start, *names = re.sub(r"\bas\w+$", "", path).split("::")
        base = module
        if start == "super":
            base = module[:-1]
            while names and names[0] == "super":
                base, names = base[:-1], names[1:]
        elif start == "crate":
            base = ()
        elif start != "self":
            continue
        yield (*base, *names)


def target(of: Module, known: dict[Module, str], exported: dict[str, str]) -> Module:
    """The module that a path leads to. What the root exports belongs to where it comes from."""
    if of and of[0] in exported:
        of = (exported[of[0]],)
    while of and of not in known:
        of = of[:-1]
    return of or ("lib",)


def exports(root: str) -> dict[str, str]:
    """What the root of a crate exports, and the layer that each name comes from."""
    found = {}
    for use in re.findall(r"\bpub use ([^;]+);", root):
        for path in expanded(re.sub(r"\s+", "", use)):
            layer, *_, name = path.split("::")
            found[name] = layer
    return found


def circle(graph: dict[Module, set[Module]]) -> list[Module]:
    """Modules of which each imports the next, and the last one the first; empty if there are none."""
    done: set[Module] = set()

    def search(module: Module, way: list[Module]) -> list[Module]:
        if module in way:
            return way[way.index(module) :]
        if module in done:
            return []
        for other in sorted(graph[module]):
            if found := search(other, [*way, module]):
                return found
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := search(module, []))), [])


def faults(house: House) -> Iterator[str]:
    """What is wrong with the layers of a crate."""
    known = modules(house)
    exported = exports(known["lib",])
    graph: dict[Module, set[Module]] = {module: set() for module in known}
    for module, text in sorted(known.items()):
        name = "::".join(module)
        if module[0] not in house.layers:
            yield f"{name}: not in the list of layers"
            continue
        may = any(f"{name}::".startswith(f"{place}::") for place in house.unsafe)
        if not may and re.search(r"\bunsafe\b", text):
            yield f"{name}: contains unsafe"
        for path in imports(module, text):
            other = target(path, known, exported)
            if other[0] not in house.layers or house.layers.index(other[0]) > house.layers.index(module[0]):
                yield f"{name}: imports {'::'.join(path)}, which is above"
            elif module not in (other, ("lib",)):
                graph[module].add(other)
    if house.straight and (found := circle(graph)):
        yield "a circle: " + " imports ".join("::".join(module) for module in [*found, found[0]])


@pytest.mark.parametrize("house", [CRATE, BINDING], ids=["crate", "binding"])
def test_each_layer_imports_only_those_below(house: House) -> None:
    """No layer imports one above; `unsafe` is where it belongs; the binding has no circle of files."""
    assert list(faults(house)) == []


@pytest.mark.parametrize("house", [CRATE, BINDING], ids=["crate", "binding"])
def test_every_layer_exists(house: House) -> None:
    """The list of layers names nothing else."""
    assert {module[0] for module in modules(house)} == set(house.layers)


@pytest.mark.parametrize(
    ("heading", "house"),
    [("## The crate's layers", CRATE), ("## The binding", BINDING)],
    ids=["crate", "binding"],
)
def test_the_page_names_the_layers_in_this_order(heading: str, house: House) -> None:
    """The table of docs/architecture.md has the same layers in the same order."""
    page = (ROOT / "docs/architecture.md").read_text()
    section = page.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE)
    named = [name.rstrip("/") for row in rows for name in re.findall(r"`([\w/]+)`", row)]
    assert [*named, "lib"] == house.layers


@pytest.mark.parametrize(
    ("file", "line", "fault"),
    [
        (
            "store/items.rs",
            "use crate::classes::queue::Queue;",
            "store::items: imports classes::queue::Queue, which is above",
        ),
        (
            "waiting/tasks.rs",
            "use super::super::store::{self, Store};",
            "waiting::tasks: imports store::self, which is above",
        ),
        (
            "room/weights.rs",
            "fn f() { crate::quick::step::step() }",
            "room::weights: imports quick::step::step, which is above",
        ),
        ("classes/queue.rs", "fn f() { unsafe { g() } }", "classes::queue: contains unsafe"),
        (
            "raw/lists.rs",
            "use super::detach::detached;\nuse crate::errors;",
            "raw::lists: imports errors, which is above",
        ),
        ("store/done.rs", "use super::Store;", "a circle: store imports store::done imports store"),
        ("more.rs", "", "more: not in the list of layers"),
    ],
)
def test_a_fault_is_found(file: str, line: str, fault: str, tmp_path: Path) -> None:
    """Each kind of fault is found in a copy of the binding that has it."""
    copy = tmp_path / "src"
    shutil.copytree(BINDING.sources, copy)
    with (copy / file).open("a") as source:
        source.write(f"\n{line}\n")
    assert fault in list(faults(BINDING._replace(sources=copy)))


def test_what_the_root_exports_belongs_to_its_layer(tmp_path: Path) -> None:
    """An import from the root of the crate counts as one of the layer that the name comes from."""
    copy = tmp_path / "src"
    shutil.copytree(CRATE.sources, copy)
    with (copy / "error.rs").open("a") as source:
        source.write("\nuse crate::{BufferError, Waiter};\n")
    found = list(faults(CRATE._replace(sources=copy)))
    assert found == ["error: imports Waiter, which is above"]


@pytest.mark.parametrize("word", ["without_fetch_max", "fetch_max"])
def test_what_a_sanitizer_does_not_know_is_in_one_file(word: str) -> None:
    """So the code under ThreadSanitizer is the code of every other build, but for one function."""
    texts = {file: re.sub(r"//.*", "", file.read_text()) for file in CRATE.sources.rglob("*.rs")}
    naming = {file for file, text in texts.items() if re.search(rf"\b{word}\b", text)}
    assert naming == {CRATE.sources / "sync/raise.rs"}
    assert len(re.findall(r"\bwithout_fetch_max\b", texts[CRATE.sources / "sync/raise.rs"])) == 1
