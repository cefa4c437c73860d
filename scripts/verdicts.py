"""What `make verify` keeps: the verdict of each check on one state of the tree, in a file of its own.

The state of the tree is the content of all files that git knows or would add, so building does not change it.
A part may name the files that it looks at; then only those count for its verdict. The compiler and its flags
are a part of the state, too. A verdict counts only for the state and the settings that it was reached with.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import turns

PASSED, FAILED, NOT_AVAILABLE = "passed", "failed", "not available"


@dataclass(frozen=True)
class Part:
    """A check of `make verify`."""

    name: str
    proves: str
    command: str
    """For bash. Exit status 0 is passed, 3 is not available on this machine, and all else is failed."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that say how thorough the check is. The caller's own values come first."""
    reads: tuple[str, ...] = ("",)
    """The files that its verdict depends on. A name that ends in "/" is that of a folder. By default all."""
    hours: float = 3
    """If it takes longer, it hangs, and has failed."""
    platform: str = ""
    """The interpreter or machine that it is about, if it is about one."""
    shows: str = "run"
    """What is so on that platform if it has passed: the tests were run there, or all was compiled for it."""
    shows_without: str = NOT_AVAILABLE
    """What is so if that platform is not available."""

    def chosen_settings(self) -> dict[str, str]:
        """The settings that hold for a run now."""
        return {name: os.environ.get(name) or usual for name, usual in self.settings.items()}


@dataclass(frozen=True)
class Verdict:
    """What a check said."""

    outcome: str
    """PASSED, FAILED or NOT_AVAILABLE."""
    seconds: float
    settings: dict[str, str]
    processor: str
    reason: str = ""


def _read(file: Path) -> Verdict | None:
    """The verdict in a file. None if the file is damaged: then the check has to be made again."""
    try:
        return Verdict(**json.loads(file.read_text()))
    except (ValueError, TypeError):
        return None


@dataclass(frozen=True)
class Notes:
    """The verdicts in a folder, or in none, where nothing is kept."""

    folder: Path | None

    def _file(self, name: str) -> Path | None:
        return self.folder and self.folder / f"{name}.json"

    def find(self, name: str, settings: Mapping[str, str]) -> Verdict | None:
        """The verdict of the check with this name, if it was reached with these settings."""
        file = self._file(name)
        verdict = _read(file) if file and file.is_file() else None
        return verdict if verdict and verdict.settings == settings else None

    def note(self, name: str, verdict: Verdict) -> None:
        """Keeps a verdict. The last step is a rename, so no file is incomplete, except after a power cut."""
        if file := self._file(name):
            file.parent.mkdir(parents=True, exist_ok=True)
            new = file.with_suffix(f".{os.getpid()}")
            new.write_text(json.dumps(asdict(verdict), indent=1) + "\n")
            new.replace(file)

    def forget(self, name: str) -> None:
        """Removes a verdict, if there is one."""
        if file := self._file(name):
            file.unlink(missing_ok=True)

    def all(self) -> Iterator[Verdict]:
        """All verdicts in the folder."""
        for file in sorted(self.folder.glob("*.json")) if self.folder else []:
            if verdict := _read(file):
                yield verdict


def processor() -> str:
    """The name of this machine's processor, and how many of them there are."""
    try:
        found = re.search(r"(?m)^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    name = found[1] if found else platform.processor() or platform.machine()
    return f"{os.cpu_count()} x {name}"


def tree() -> dict[str, str]:
    """The files of the tree, each with a hash of what is in it and whether it can be executed."""
    names = turns.git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    hashes = {}
    for name in sorted(set(names)):
        file = turns.ROOT / name
        if file.is_symlink():
            content, kind = os.readlink(file).encode(), "link"
        elif file.is_file():
            content, kind = file.read_bytes(), "program" if os.access(file, os.X_OK) else "file"
        else:  # deleted, and not committed yet
            continue
        hashes[name] = f"{kind} {hashlib.sha256(content).hexdigest()}"
    return hashes


def compiler() -> str:
    """The compiler and the flags that come from outside of the tree."""
    try:
        command = ["rustc", "--version", "--verbose"]
        version = subprocess.run(command, cwd=turns.ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        version = "none"
    return f"{version}{os.environ.get('RUSTFLAGS', '')}"


def is_read(file: str, reads: tuple[str, ...]) -> bool:
    """Whether `reads` names this file, or a folder in which it is."""
    return file in reads or file.startswith(tuple(name for name in reads if not name or name.endswith("/")))


def state(files: Mapping[str, str], built_by: str, reads: tuple[str, ...] = ("",)) -> str:
    """A short name for the state of those files that are read."""
    seen = {name: content for name, content in files.items() if is_read(name, reads)}
    lines = "".join(f"{name}\0{content}\n" for name, content in sorted(seen.items()))
    return hashlib.sha256(f"{built_by}\0{lines}".encode()).hexdigest()[:16]
