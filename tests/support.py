"""What the tests share: threads that are always joined, waiting for conditions, and interpreters."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE = 60.0
"""Seconds after which a test gives up waiting. Far more than any machine needs."""


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Returns when a condition holds, and fails after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE} s: {what}")
        time.sleep(0.001)


def wait_until_asleep(thread: threading.Thread) -> None:
    """Returns when the system says ten times in a row that a thread sleeps.

    If the thread has only one call left to do, it is blocked in that call. No test's outcome depends on this.
    Without this, a test would only check the case in which no thread has to wait. So a thread that has ended
    is as good. On a busy machine that may happen to a thread that waits only for a short time.
    """
    # Before Python 3.12, a forked child's `native_id` is that of the parent's thread.
    number = os.getpid() if thread is threading.main_thread() else thread.native_id
    _wait_until_sleeps(Path(f"/proc/self/task/{number}/stat"), lambda: not thread.is_alive())


def wait_until_process_sleeps(process: int) -> None:
    """Returns when the system says ten times in a row that the main thread of a process sleeps."""
    _wait_until_sleeps(Path(f"/proc/{process}/stat"), lambda: False)


def _wait_until_sleeps(stat: Path, has_ended: Callable[[], bool]) -> None:
    asleep = 0

    def sleeps() -> bool:
        nonlocal asleep
        if has_ended():
            return True
        try:
            text = stat.read_text(encoding="utf-8")
        except (FileNotFoundError, ProcessLookupError):
            if has_ended():
                return True
            raise
        state = text.rpartition(")")[2].split()[0]
        asleep = asleep + 1 if state == "S" else 0
        return asleep >= 10

    wait_until(sleeps, f"{stat} says that the thread sleeps")


class Threads:
    """The threads of one test."""

    def __init__(self) -> None:
        self.running: list[threading.Thread] = []
        self.errors: list[BaseException] = []

    def start(self, run: Callable[..., Any], *arguments: Any) -> threading.Thread:
        """Runs a function in a thread of its own."""

        def guarded() -> None:
            try:
                run(*arguments)
            except BaseException as error:
                self.errors.append(error)

        name = getattr(run, "__name__", str(run))
        thread = threading.Thread(target=guarded, name=f"{name}{arguments}", daemon=True)
        self.running.append(thread)
        thread.start()
        return thread

    def join(self) -> None:
        """Waits for all threads. Raises a thread's error at once, since the others may never end then."""
        deadline = time.monotonic() + PATIENCE
        for thread in self.running:
            while thread.is_alive() and not self.errors:
                if time.monotonic() > deadline:
                    raise AssertionError(f"still running after {PATIENCE} s: {thread.name}")
                thread.join(0.05)
        self.running.clear()
        if self.errors:
            raise self.errors[0]


def python(code: str, *options: str) -> str:
    """Runs code in a fresh interpreter and returns what it prints. Output on stderr is a failure, too."""
    finished = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=2 * PATIENCE,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, ""), finished
    return finished.stdout
