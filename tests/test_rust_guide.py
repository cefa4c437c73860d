"""What `docs/rust.md` says of the crate is so: its features, its errors, and the names with their signatures.

The names are those that `rust/elasticq/tests/first_contact.rs` calls. It compiles only if they are right.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "rust.md").read_text(encoding="utf-8")
CALLS = (ROOT / "rust" / "elasticq" / "tests" / "first_contact.rs").read_text(encoding="utf-8")
CRATE: dict[str, Any] = tomllib.loads((ROOT / "rust" / "elasticq" / "Cargo.toml").read_text(encoding="utf-8"))


def rows(header: str) -> list[list[str]]:
    """The cells of the table with this header."""
    table = re.search(rf"^\| {re.escape(header)} \|\n\|[-|]+\n((?:\|.*\n)+)", GUIDE, re.MULTILINE)
    assert table, header
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[1].splitlines()]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def dependencies() -> dict[str, dict[str, Any]]:
    """The dependencies of the crate on some system, by name, but for loom's."""
    tables = [CRATE, *(table for target, table in CRATE["target"].items() if target != "cfg(loom)")]
    found: dict[str, dict[str, Any]] = {}
    for table in tables:
        for name, what in table.get("dependencies", {}).items():
            found[name] = {} if isinstance(what, str) else what
    return found


def test_the_table_of_features_has_each_feature_and_its_dependencies() -> None:
    optional = {name for name, what in dependencies().items() if what.get("optional")}
    expected = {"(none)": dependencies().keys() - optional}
    for feature, enables in CRATE["features"].items():
        if feature != "default":
            expected[feature] = {name.removeprefix("dep:") for name in enables if name.startswith("dep:")}
    told = {cells[0].strip("`"): set(code(cells[2])) for cells in rows("feature | adds | its dependencies")}
    assert told == expected


def test_the_table_of_features_says_which_features_bring_others() -> None:
    features = CRATE["features"]
    for name, adds, _ in rows("feature | adds | its dependencies"):
        brought = [other for other in features.get(name.strip("`"), []) if other in features]
        assert re.findall(r"the feature `(\w+)`", adds) == brought


def test_the_crate_asks_for_the_rust_that_the_page_names() -> None:
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
    assert f"needs Rust {workspace['rust-version']} or newer" in GUIDE
    assert f'version = "{workspace["version"].rpartition(".")[0]}"' in GUIDE


def test_the_table_of_errors_has_each_kind() -> None:
    source = (ROOT / "rust" / "elasticq" / "src" / "error.rs").read_text()
    kinds = re.findall(r"Self::\w+(?:\(_\))? => \"(\w+)\",", source)
    retriable = re.search(r"True for (.*)\.\n", source)
    assert retriable
    told = {code(kind)[0]: again for kind, _, again in rows("error | when | retriable")}
    assert told == {kind: "yes" if kind in code(retriable[1]) else "no" for kind in kinds}


def plain(signature: str, item: str = "T") -> str:
    """A signature without the names of its arguments, for items of type `T`."""
    signature = re.sub(r"(\w+: )|(&self(?:, )?)", "", signature).split("`")[0]
    return re.sub(rf"\b{item}\b", "T", signature)


def called() -> dict[str, str]:
    """The signatures that the test of the calls insists on, by name."""
    found = {}
    for block in re.finditer(r"signatures! \{ (\w+)<(\w+)>:\n(.*?)\n    \}", CALLS, re.DOTALL):
        for name, rest in re.findall(r"^ +(\w+)(\(.*);$", block[3], re.MULTILINE):
            found[f"{block[1]}::{name}"] = plain(rest, block[2])
    return found


NAMES = {
    code(name)[0]: (code(signature)[0], feature.strip("`"), blocks)
    for name, signature, feature, blocks in rows("name | signature | feature | blocks")
}


def test_the_signatures_of_the_table_are_those_that_compile() -> None:
    signatures = called()
    assert len(signatures) > 30
    assert {name: plain(NAMES[name][0]) for name in signatures} == signatures


@pytest.mark.parametrize("name", NAMES)
def test_each_name_of_the_table_is_called(name: str) -> None:
    kind, method = name.split("::")
    assert re.search(rf"\b{kind}\b", CALLS)
    assert re.search(rf"(?:\.|::|\b){method}\(|{kind}::{method}\b", CALLS)


def test_a_name_is_awaited_where_it_says_so() -> None:
    for name, (signature, feature, blocks) in NAMES.items():
        assert signature.startswith("async ") == (blocks == "awaited"), name
        assert not feature or feature in CRATE["features"], name
