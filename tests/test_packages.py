"""The promises of the checks of what would be published: a flaw in it is found.

Each flaw is put into a package that is right otherwise. scripts/python-package checks the real ones.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import lock_file
import packages
import pytest
from packages import FlawError

pytestmark = pytest.mark.checkout

VERSION = packages.version()
INFORMATION = f"elasticq-{VERSION}.dist-info"
MODULE = "elasticq/_core.cpython-311-x86_64-linux-gnu.so"
NAME = f"elasticq-{VERSION}-cp311-cp311-linux_x86_64.whl"


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Compiles a module with options of the compiler."""

    def compiled(*options: str) -> bytes:
        folder = tmp_path_factory.mktemp("module")
        source = folder / "module.c"
        source.write_text("int answer(void) { return 42; }\n")
        made = folder / "module.so"
        command = [os.environ.get("CC", "cc"), "-shared", "-fPIC", *options, "-o", str(made), str(source)]
        subprocess.run(command, check=True)
        return made.read_bytes()

    return compiled


@pytest.fixture
def wheel(tmp_path: Path, module: Callable[..., bytes]) -> Callable[..., Path]:
    """Makes a wheel, with some files changed, or left out where None is given."""
    usual = {
        MODULE: module("-s"),
        "elasticq/_core.pyi": b"",
        "elasticq/py.typed": b"",
        f"{INFORMATION}/METADATA": b"Requires-Dist: rich ; extra == 'demo'\nProvides-Extra: demo\n",
        f"{INFORMATION}/WHEEL": b"Tag: cp311-cp311-linux_x86_64\n",
        f"{INFORMATION}/licenses/LICENSE": b"MIT",
    }

    def made(changed: dict[str, bytes | None] | None = None, name: str = NAME) -> Path:
        file = tmp_path / name
        with zipfile.ZipFile(file, "w") as packed:
            for inner, content in {**usual, **(changed or {})}.items():
                if content is not None:
                    packed.writestr(inner, content)
        return file

    return made


def test_a_wheel_that_is_right_passes(wheel: Callable[..., Path]) -> None:
    file = wheel()
    assert packages.tagged(file, "cp311") == "cp311-cp311-linux_x86_64"
    assert packages.stripped(file).startswith(MODULE)
    assert packages.packed(file) == "6 files"
    found = packages.metadata(packages.information(file, "METADATA"))
    assert packages.needs_nothing(found) == "extras demo"


@pytest.mark.parametrize(
    ("name", "inside", "tag"),
    [
        (NAME.replace("cp311-cp311", "cp311-abi3"), "cp311-abi3-linux_x86_64", "cp311"),
        (NAME, "cp311-abi3-linux_x86_64", "cp311"),
        (NAME, "cp311-cp311-linux_x86_64", "cp312"),
        (NAME.replace("cp311", "cp313"), "cp313-cp313-linux_x86_64", "cp313t"),
    ],
)
def test_a_tag_that_is_not_the_interpreters_is_a_flaw(
    wheel: Callable[..., Path], name: str, inside: str, tag: str
) -> None:
    file = wheel({f"{INFORMATION}/WHEEL": f"Tag: {inside}\n".encode()}, name)
    with pytest.raises(FlawError, match=f"both have to be {tag.rstrip('t')}-{tag}-linux_x86_64"):
        packages.tagged(file, tag)


@pytest.mark.parametrize(("options", "left"), [([], r"\.symtab"), (["-g"], r"\.debug_info")])
def test_symbols_and_debug_information_are_a_flaw(
    wheel: Callable[..., Path], module: Callable[..., bytes], options: list[str], left: str
) -> None:
    with pytest.raises(FlawError, match=f"still has.*{left}"):
        packages.stripped(wheel({MODULE: module(*options)}))


def test_a_wheel_without_a_module_or_with_two_is_a_flaw(wheel: Callable[..., Path]) -> None:
    for changed in ({MODULE: None}, {"elasticq/other.so": b""}):
        with pytest.raises(FlawError, match="one compiled module is wanted"):
            packages.stripped(wheel(changed))


def test_a_requirement_without_an_extra_is_a_flaw(wheel: Callable[..., Path]) -> None:
    text = b"Requires-Dist: rich ; extra == 'demo'\nRequires-Dist: attrs>=20\n"
    with pytest.raises(FlawError, match="attrs>=20"):
        packages.needs_nothing(packages.metadata(text))


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"tests/__init__.py": b""}, "tests/__init__.py"),
        ({"elasticq/__pycache__/a.pyc": b""}, "a.pyc"),
        ({f"{INFORMATION}/licenses/LICENSE": None}, "missing, 1: .*LICENSE"),
        ({"elasticq/py.typed": None}, "missing, 1: elasticq/py.typed"),
    ],
)
def test_a_file_too_much_or_too_few_in_a_wheel_is_a_flaw(
    wheel: Callable[..., Path], changed: dict[str, bytes | None], complaint: str
) -> None:
    with pytest.raises(FlawError, match=complaint):
        packages.packed(wheel(changed))


def test_a_package_of_two_megabytes_is_a_flaw(tmp_path: Path) -> None:
    file = tmp_path / NAME
    file.write_bytes(bytes(packages.LARGEST))
    with pytest.raises(FlawError, match="2,000,000 bytes"):
        packages.small(file)
    file.write_bytes(bytes(packages.LARGEST - 1))
    assert packages.small(file) == "1,999,999 bytes"


def test_wheels_that_differ_in_more_than_the_compiled_module_are_a_flaw(wheel: Callable[..., Path]) -> None:
    file = wheel()
    other = wheel({MODULE: b"compiled elsewhere"}, "other.whl")
    assert packages.alike(file, other) == "6 files"
    for changed in ({"elasticq/py.typed": b"partial"}, {"elasticq/more.py": b""}):
        with pytest.raises(FlawError, match=next(iter(changed))):
            packages.alike(file, wheel(changed, "other.whl"))


def test_a_wheel_that_auditwheel_knows_no_policy_for_is_a_flaw(wheel: Callable[..., Path]) -> None:
    with pytest.raises(FlawError, match="auditwheel names no policy"):
        packages.audited(wheel({MODULE: b"no module"}))


def sdist(folder: Path, files: dict[str, str]) -> Path:
    made = folder / "made.tar.gz"
    with tarfile.open(made, "w:gz") as packed:
        for name, text in files.items():
            member = tarfile.TarInfo(f"elasticq-{VERSION}/{name}")
            member.size = len(text)
            packed.addfile(member, io.BytesIO(text.encode()))
    return made


WANTED = ("LICENSE", "PKG-INFO", "README.md", "Cargo.lock", "python/elasticq/py.typed", packages.LOCKS[1])
KNOWN = {name for name in WANTED if name != "PKG-INFO"}


@pytest.mark.parametrize(
    ("added", "left_out", "complaint"),
    [
        ("tests/test_a.py", "", "not for the Python package, 1: tests/test_a.py"),
        ("python/elasticq/_core.so", "", "not known to git, 1: python/elasticq/_core.so"),
        ("", "rust-3.13t/Cargo.lock", "missing, 1: rust-3.13t/Cargo.lock"),
        ("", "LICENSE", "missing, 1: LICENSE"),
    ],
)
def test_a_file_too_much_or_too_few_in_a_source_distribution_is_a_flaw(
    tmp_path: Path, added: str, left_out: str, complaint: str
) -> None:
    assert packages.belongs(sdist(tmp_path, dict.fromkeys(WANTED, "")), KNOWN) == "6 files"
    names = {name for name in (*WANTED, added) if name and name != left_out}
    with pytest.raises(FlawError, match=complaint):
        packages.belongs(sdist(tmp_path, dict.fromkeys(names, "")), KNOWN)


PACKAGE = '[package]\nname = "{}"\nversion = "1.0.0"\nedition = "2024"\n'
WORKSPACE = {
    "Cargo.toml": '[workspace]\nresolver = "3"\nmembers = ["a"]\n',
    "a/Cargo.toml": PACKAGE.format("a"),
    "a/src/lib.rs": "",
    "rust-3.13t/Cargo.toml": PACKAGE.format("b") + "[workspace]\n",
    "rust-3.13t/src/lib.rs": "",
    "rust-3.13t/Cargo.lock": 'version = 4\n\n[[package]]\nname = "b"\nversion = "1.0.0"\n',
}
LONG_LOCK = """version = 4

[[package]]
name = "a"
version = "1.0.0"

[[package]]
name = "only-for-benchmarks"
version = "2.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "0000000000000000000000000000000000000000000000000000000000000000"
"""


def test_a_lock_file_that_names_more_than_there_is_is_a_flaw_until_it_is_shortened(tmp_path: Path) -> None:
    """cargo refuses it with --locked. All other files stay as they were."""
    file = sdist(tmp_path, {**WORKSPACE, "Cargo.lock": LONG_LOCK})
    with pytest.raises(FlawError, match=r"Cargo\.lock.*--locked"):
        packages.locked(file)
    before = packages.sources(file)
    lock_file.shorten(file)
    assert packages.locked(file) == "Cargo.lock (1 packages) and rust-3.13t/Cargo.lock (1 packages)"
    after = packages.sources(file)
    assert list(after) == list(before)
    assert {name for name in after if after[name] != before[name]} == {"Cargo.lock"}


FAKE_PYTHON = """#!/usr/bin/env bash
case "$*" in
    "-m build "*) mkdir -p target/package/dist; touch target/package/dist/elasticq-0.tar.gz ;;
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; [[ $FAILS != venv ]] ;;
    "-m pip "*) [[ $FAILS != pip ]] ;;
    *smoke.py*) [[ $FAILS != smoke ]] ;;
    *"packages.py sdist"*) [[ $FAILS != sdist ]] ;;
    *"packages.py wheel"*) [[ $FAILS != wheel ]] ;;
    -c*) echo cp311 ;;
esac
"""


@pytest.mark.parametrize("fails", ["nothing", "venv", "pip", "smoke", "sdist", "wheel"])
def test_whatever_fails_for_a_package_fails_the_script(fails: str, tmp_path: Path) -> None:
    """It goes on with the other versions, and its own status tells."""
    for folder in ("scripts", ".venv/bin", ".venv/wheel"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(Path(__file__).parent.parent / "scripts" / "python-package", tmp_path / "scripts")
    (tmp_path / ".venv/wheel/elasticq-0-cp311.whl").touch()
    python = tmp_path / ".venv/bin/python"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
    environment = {**inherited, "PYTHON": str(python), "FAILS": fails}
    command = [str(tmp_path / "scripts" / "python-package"), "--built"]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == (fails != "nothing"), done.stderr
