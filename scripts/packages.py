"""Checks of what would be published, each with its figure. scripts/python-package makes the files.

    python scripts/packages.py sdist FILE
    python scripts/packages.py wheel FILE TAG [OTHER]      TAG is the interpreter's, as cp311 or cp313t

OTHER is a second wheel, which must have the same files: one that was built from the source distribution. The
exit status is 1 if a check fails; the rest are still made.
"""

from __future__ import annotations

import email.message
import email.parser
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from turns import ROOT, git

LARGEST = 2_000_000
"""Bytes of a wheel or a source distribution."""

PACKAGE = "python/elasticq/"
FOLDERS = (PACKAGE, ".cargo/", "rust-3.13t/", "rust/elasticq/", "rust/elasticq-python/", "scripts/build/")
FILES = {"Cargo.lock", "Cargo.toml", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
LOCKS = ("Cargo.lock", "rust-3.13t/Cargo.lock")


class FlawError(Exception):
    """What is wrong with a package."""


def check(title: str, figure: Callable[[], str]) -> bool:
    """Print what a check found; false if that is a flaw."""
    try:
        found, outcome = figure(), "ok"
    except FlawError as flaw:
        found, outcome = str(flaw), "FLAW"
    print(f"{outcome:6}{title:22}{found}", flush=True)
    return outcome == "ok"


def some(names: Iterable[str]) -> str:
    """A few names, and how many there are."""
    names = sorted(names)
    return f"{len(names)}: {', '.join(names[:5])}"


def small(file: Path) -> str:
    size = file.stat().st_size
    if size >= LARGEST:
        raise FlawError(f"{file.name} has {size:,} bytes; less than {LARGEST:,} are allowed")
    return f"{size:,} bytes"


def version() -> str:
    """The version of the project: the only place where it stands is the workspace's manifest."""
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))
    return str(manifest["workspace"]["package"]["version"])


# --- Source distributions


def sources(file: Path) -> dict[str, bytes]:
    """The files in a source distribution, without the folder that they are all in."""
    with tarfile.open(file) as packed:
        members = [member for member in packed.getmembers() if member.isfile()]
        folders = {member.name.split("/")[0] for member in members}
        if folders != {f"elasticq-{version()}"}:
            raise FlawError(f"{file.name} unpacks to {some(folders)}; it has to be elasticq-{version()}")
        return {
            member.name.partition("/")[2]: opened.read()
            for member in members
            if (opened := packed.extractfile(member))
        }


def belongs(file: Path, known: set[str]) -> str:
    """`known` is what git knows. The crate's page stands beside its manifest, as in its own package."""
    names = set(sources(file))
    elsewhere = {name for name in names if name not in FILES and not name.startswith(FOLDERS)}
    if elsewhere:
        raise FlawError(f"not for the Python package, {some(elsewhere)}")
    crate = tomllib.loads((ROOT / "rust/elasticq/Cargo.toml").read_text(encoding="utf-8"))
    page = f"rust/elasticq/{Path(crate['package']['readme']).name}"
    if unknown := names - known - {"PKG-INFO", page}:
        raise FlawError(f"not known to git, {some(unknown)}")
    if missing := {"LICENSE", "README.md", "python/elasticq/py.typed", *LOCKS} - names:
        raise FlawError(f"missing, {some(missing)}")
    if missing := {name for name in known if name.startswith(PACKAGE)} - names:
        raise FlawError(f"missing, {some(missing)}")
    return f"{len(names)} files"


def locked(file: Path) -> str:
    """cargo accepts both lock files as they are, and asks no network."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in sources(file).items():
            place = Path(folder, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        packages = []
        for lock in LOCKS:
            manifest = Path(folder, lock).with_suffix(".toml")
            command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1"]
            ran = subprocess.run(
                [*command, "--manifest-path", manifest],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if ran.returncode:
                raise FlawError(f"{lock}: {ran.stderr.strip()}")
            packages.append(len(tomllib.loads(Path(folder, lock).read_text(encoding="utf-8"))["package"]))
    return " and ".join(f"{lock} ({count} packages)" for lock, count in zip(LOCKS, packages, strict=True))


def sdist(file: Path) -> list[bool]:
    known = set(git("ls-files", "-z", "--cached", "--others", "--exclude-standard"))
    return [
        check("size", lambda: small(file)),
        check("what is in it", lambda: belongs(file, known)),
        check("--locked", lambda: locked(file)),
        check("needs nothing", lambda: needs_nothing(metadata(sources(file)["PKG-INFO"]))),
    ]


# --- Wheels


def contents(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def metadata(text: bytes) -> email.message.Message:
    return email.parser.Parser().parsestr(text.decode())


def information(file: Path, name: str) -> bytes:
    """A file with information about the wheel."""
    try:
        return contents(file)[f"elasticq-{version()}.dist-info/{name}"]
    except KeyError:
        raise FlawError(f"{file.name} has no {name} of version {version()}") from None


def tagged(file: Path, tag: str) -> str:
    """Only the limited interface may be tagged abi3, and the binding uses more than that."""
    python = tag.rstrip("t")
    names = file.stem.split("-")
    written = metadata(information(file, "WHEEL")).get_all("Tag") or []
    wanted = f"{python}-{tag}-{names[-1]}"
    if "-".join(names[2:]) != wanted or written != [wanted]:
        raise FlawError(f"{file.name} says {', '.join(written)} inside; both have to be {wanted}")
    return wanted


def audited(file: Path) -> str:
    command = [sys.executable, "-m", "auditwheel", "show", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r'"(manylinux_\d+_\d+_\w+)"', ran.stdout)
    if ran.returncode or not found:
        raise FlawError(f"auditwheel names no policy: {ran.stdout} {ran.stderr}")
    return found[1]


def stripped(file: Path) -> str:
    """Neither symbols nor what a debugger reads; those for the loader stay."""
    modules = {name: content for name, content in contents(file).items() if name.endswith(".so")}
    if len(modules) != 1:
        raise FlawError(f"one compiled module is wanted, and there are {some(modules)}")
    (name, content), *_ = modules.items()
    with tempfile.NamedTemporaryFile() as module:
        module.write(content)
        module.flush()
        ran = subprocess.run(
            ["readelf", "--sections", "--wide", module.name], capture_output=True, text=True, check=False
        )
    sections = set(re.findall(r"^ *\[ *\d+\] (\.\S+)", ran.stdout, re.MULTILINE))
    if ran.returncode or ".dynsym" not in sections:
        raise FlawError(f"{name} is no module: {ran.stdout} {ran.stderr}")
    if left := {name for name in sections if re.match(r"\.(symtab|strtab|z?debug)", name)}:
        raise FlawError(f"{name} still has {some(left)}")
    return f"{name}, {len(content):,} bytes"


def needs_nothing(found: email.message.Message) -> str:
    """Whatever is required is required by an extra."""
    required = found.get_all("Requires-Dist") or []
    if always := [line for line in required if "extra ==" not in line]:
        raise FlawError(f"required without an extra, {some(always)}")
    return f"extras {', '.join(found.get_all('Provides-Extra') or [])}"


def packed(file: Path) -> str:
    """The package, and nothing beside it; the licence is in the metadata."""
    names = set(contents(file))
    information = f"elasticq-{version()}.dist-info/"
    if elsewhere := {name for name in names if not name.startswith(("elasticq/", information))}:
        raise FlawError(f"not of the package, {some(elsewhere)}")
    if cached := {name for name in names if "__pycache__" in name}:
        raise FlawError(f"caches, {some(cached)}")
    wanted = {f"{information}licenses/LICENSE", "elasticq/py.typed", "elasticq/_core.pyi"}
    if missing := wanted - names:
        raise FlawError(f"missing, {some(missing)}")
    return f"{len(names)} files"


def alike(file: Path, other: Path) -> str:
    """The compiled module and what is told about the build may differ: they name the folder of the build."""

    def kept(file: Path) -> dict[str, bytes]:
        varying = re.compile(r"elasticq/_core\..*\.so|.*\.dist-info/(RECORD|sboms/.*)")
        return {name: b"" if varying.fullmatch(name) else content for name, content in contents(file).items()}

    one, two = kept(file), kept(other)
    if differing := {name for name in one.keys() | two.keys() if one.get(name) != two.get(name)}:
        raise FlawError(f"different from {other.name}, {some(differing)}")
    return f"{len(one)} files"


def wheel(file: Path, tag: str, other: Path | None = None) -> list[bool]:
    checks = [
        check("tag", lambda: tagged(file, tag)),
        check("size", lambda: small(file)),
        check("stripped", lambda: stripped(file)),
        check("auditwheel", lambda: audited(file)),
        check("what is in it", lambda: packed(file)),
        check("needs nothing", lambda: needs_nothing(metadata(information(file, "METADATA")))),
    ]
    if other:
        checks.append(check("as from the sdist", lambda: alike(file, other)))
    return checks


def main(arguments: list[str]) -> int:
    match arguments:
        case ["sdist", file]:
            checks = sdist(Path(file))
        case ["wheel", file, tag, *others] if len(others) < 2:
            checks = wheel(Path(file), tag, *map(Path, others))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0 if all(checks) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
