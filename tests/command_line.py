"""The command line for tests: as a process with pipes, or on a terminal of any size.

Windows has neither these terminals nor a Ctrl-C for one process: a test that needs one is skipped there.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from support import IS_UNIX, PATIENCE, need_unix

with contextlib.suppress(ImportError):  # Windows
    import pty
    import termios

ELASTICQ = (sys.executable, "-m", "elasticq")

# A process in the background of a shell ignores Ctrl-C, and so would those that it starts.
_INTERRUPTIBLE = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""

# A session of its own, whose terminal is stdin.
_ON_TERMINAL = """
import fcntl, os, signal, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def surroundings(**changes: str | None) -> dict[str, str]:
    """This process's environment with changes. None takes a variable away."""
    taken = {"COLUMNS": None, "LINES": None, "NO_COLOR": None, "FORCE_COLOR": None, **changes}
    kept = {name: value for name, value in os.environ.items() if name not in taken}
    return {**kept, **{name: value for name, value in taken.items() if value is not None}}


def elasticq(
    *arguments: object, cwd: Path | None = None, **changes: str | None
) -> subprocess.CompletedProcess[str]:
    """Runs a command in a process of its own, which shows no traceback."""
    done = subprocess.run(
        [*ELASTICQ, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=2 * PATIENCE,
        cwd=cwd,
        env=surroundings(**changes),
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@contextlib.contextmanager
def running(*arguments: object, **changes: str | None) -> Iterator[subprocess.Popen[str]]:
    """A command while it runs, with pipes. It is killed at the end, if it has not ended."""
    command = [*ELASTICQ, *map(str, arguments)]
    if IS_UNIX:  # Windows would start another process, and nobody would end that
        command = [sys.executable, "-c", _INTERRUPTIBLE, *command]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=surroundings(**changes),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Sends Ctrl-C; gives the status and what stderr says."""
    need_unix("Ctrl-C for one process")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, errors


class Terminal:
    """A program on a terminal of this size, and all that it has shown so far."""

    def __init__(self, command: Sequence[str], columns: int = 80, lines: int = 24, **changes: str) -> None:
        need_unix("terminals like these")
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (lines, columns))
        environment = surroundings(**{"TERM": "xterm", "PYTHONIOENCODING": "utf-8", **changes})
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _ON_TERMINAL, *command],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=environment,
            )
        finally:
            os.close(slave)
        self.shown = ""

    @property
    def plain(self) -> str:
        """What was shown as a person reads it: without colours, and without what was written over."""
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.shown)
        kept: list[str] = []
        for sign in text:
            if sign == "\b":
                del kept[-1:]
            else:
                kept.append(sign)
        return "".join(kept)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def type(self, text: str) -> None:
        """Presses these keys. After Ctrl-C the terminal drops what a program wrote and nobody has read."""
        os.write(self._master, text.encode())

    def wait_for(self, what: str | re.Pattern[str]) -> str:
        """Reads until this text, or one that fits this pattern, was shown. Gives all that was shown."""
        wanted = re.compile(re.escape(what)) if isinstance(what, str) else what
        deadline = time.monotonic() + PATIENCE
        while not wanted.search(self.plain):
            assert self._read(deadline), f"{wanted.pattern!r} was never shown: {self.shown!r}"
        return self.shown

    def wait_for_end(self) -> tuple[int, str]:
        """Reads to the end. Gives the status and all that was shown."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self.process.wait(PATIENCE), self.shown

    def _read(self, deadline: float) -> bool:
        """Reads what comes next. False at the end."""
        readable, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        assert readable, f"nothing more was shown: {self.shown!r}"
        try:
            some = os.read(self._master, 65536)
        except OSError:  # Linux says so when the last program has closed the terminal
            return False
        self.shown += some.decode("utf-8", "replace")
        return bool(some)
