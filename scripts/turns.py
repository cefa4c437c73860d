"""Checks that take long are made by turns: at once for what was just changed, else every few commits."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

LAST_COMMITS = 5


def git(*arguments: str) -> list[str]:
    """What a command of git prints. The command must end each item with a zero byte."""
    command = ["git", *arguments]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    return [name.strip() for name in output.decode().split("\0") if name.strip()]


def just_changed() -> set[str]:
    """The files that the last commits touched, and those with changes that are not committed."""
    committed = git("log", f"-{LAST_COMMITS}", "--format=", "--name-only", "-z")
    others = git("ls-files", "-z", "--modified", "--others", "--exclude-standard")
    return {*committed, *others, *git("diff", "--cached", "--name-only", "-z")}


def turn() -> int:
    """A number that goes up by one with each commit."""
    return len(git("log", "--format=%H", "-z"))
