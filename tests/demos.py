"""Running the demo as a user does, for its tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import linux_only

from elasticq.demo.cli import missing_requirements


def need_the_extra() -> None:
    """The extra `demo`: a developer may go without it, continuous integration may not."""
    missing = missing_requirements()
    if missing:
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse(f"not installed: {', '.join(missing)} (pip install 'elasticq[demo]')")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Starts the demo. Its temporary files are in `folder`, which also marks its processes."""
    return subprocess.Popen(
        [sys.executable, "-m", "elasticq", "demo", *arguments],
        env={**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


shows_processes = linux_only("a list of all processes with their environments")
"""For tests that look at what runs, or that something runs no more."""


def processes_of(folder: Path) -> list[int]:
    """The processes that run with this folder as TMPDIR. Only Linux tells; elsewhere none is found."""
    mark = b"\0TMPDIR=%s\0" % os.fsencode(folder)
    found = []
    for entry in Path("/proc").glob("*"):
        try:
            if entry.name.isdigit() and mark in b"\0" + (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:  # the process has ended meanwhile, or is not ours
            continue
    return found


def name_of(process: int) -> str:
    """The name of a process; empty if it has ended."""
    try:
        return (Path("/proc") / str(process) / "comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


class Finished:
    """A demo that has run to its end."""

    def __init__(self, folder: Path, *options: str) -> None:
        temporary = folder / "tmp"
        temporary.mkdir()
        ledger = folder / "ledger.json"
        process = start(temporary, "--payload=100", f"--json={ledger}", *options)
        self.output, self.errors = process.communicate()
        self.status = process.returncode
        self.left_behind = list(temporary.iterdir())
        self.still_running = processes_of(temporary)
        self.ledger: dict[str, Any] = json.loads(ledger.read_text(encoding="utf-8"))
