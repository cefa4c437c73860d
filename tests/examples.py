"""The programs of `examples/`, for their tests: as processes and as modules."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import IS_UNIX, PATIENCE

FOLDER = Path(__file__).parent.parent / "examples"


def start(example: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Starts an example as a user does. Warnings are errors."""
    return python("-W", "error", FOLDER / f"{example}.py", *arguments, **options)


def python(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Starts Python, by default with all outputs as pipes."""
    streams: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONUNBUFFERED": "1", **options.pop("env", {})},
        text=True,
        encoding="utf-8",
        **{**streams, **options},
    )


def ended(process: subprocess.Popen[str], stop: signal.Signals | None = None) -> tuple[str, str]:
    """What a process has printed, when it has ended well: by itself or by a signal.

    Windows has no signals that a program handles. There the process is killed, and may print no last words.
    """
    killed = stop is not None and not IS_UNIX
    if killed:
        process.kill()
    elif stop:
        process.send_signal(stop)
    try:
        output, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert killed or process.returncode == 0, errors
    return output, errors


@contextmanager
def killed_at_the_end(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Leaves no process behind, whatever a test does."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def load(example: str) -> Any:
    """An example as a module of its own, which a test may change."""
    spec = importlib.util.spec_from_file_location(f"example_{example}", FOLDER / f"{example}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
