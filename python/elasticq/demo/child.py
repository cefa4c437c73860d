"""A program of the demo that runs in a process of its own, as the demo sees it.

The program says `ready` on its standard output when it is. It is told things, and tells things, line by line.
Whatever happens, `stop` ends it: with SIGKILL, so no program can refuse. (On Windows with TerminateProcess.)
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import IO

from elasticq.demo import DemoError

READY = "ready"
_KILLED = 1 if sys.platform == "win32" else -signal.SIGKILL
"""The exit status of a process that was killed. On Windows it is one that programs have, too."""
_PATIENCE_SECONDS = 60.0


class ChildProcess:
    """A Python program that is started, told things, listened to, and always ended.

    `program` is what Python is to run: `("-m", module)`, or a file. `options` become its command line, with
    the number of this process as `--parent`. `hear` gets each line that it writes, in a thread. The program
    has the open files `inherited`, under their numbers.
    """

    def __init__(
        self,
        name: str,
        program: Sequence[str],
        options: Mapping[str, object],
        folder: Path,
        hear: Callable[[str], None],
        *,
        inherited: Collection[int] = (),
    ) -> None:
        self.name = name
        self._hear = hear
        self._ready = threading.Event()
        self._errors = folder / f"{name.replace(' ', '-')}.stderr"
        named = [f"--{option}={value}" for option, value in {**options, "parent": os.getpid()}.items()]
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *program, *named],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                pass_fds=tuple(inherited),
                text=True,
                encoding="utf-8",
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin: IO[str] = self._process.stdin
        self._stdout: IO[str] = self._process.stdout
        self._listener = threading.Thread(target=self._listen, name=f"listener of {name}", daemon=True)
        self._listener.start()

    def wait_until_ready(self) -> None:
        """Returns when the program has said that it is ready."""
        if not self._ready.wait(_PATIENCE_SECONDS) or self.finished():
            raise DemoError(f"{self.name} did not start: {self._complaint()}")

    def say(self, line: str) -> None:
        """Writes a line to the program's standard input. A program that has ended doesn't hear it."""
        with contextlib.suppress(OSError):  # of a closed pipe
            self._stdin.write(f"{line}\n")
            self._stdin.flush()

    def finished(self) -> bool:
        """Whether the program has ended, in whatever way, and everything that it said was heard."""
        return not self._listener.is_alive()

    def killed(self) -> bool:
        """Whether a SIGKILL has ended the program."""
        return self._process.poll() == _KILLED

    def failure(self) -> str | None:
        """What went wrong in the program. None if nothing did, or if it hasn't ended."""
        if not self.finished() or self._process.returncode == 0:
            return None
        return f"{self.name}: {self._complaint()}"

    def join(self, seconds: float) -> None:
        """Waits for the program's end, for so long at the most."""
        self._listener.join(seconds)

    def stop(self) -> None:
        """Kills the process if it still runs. What it said before has been heard when this returns."""
        if self._process.poll() is None:
            self._process.kill()
        self._listener.join()
        with contextlib.suppress(OSError):  # it ended before it had read everything
            self._stdin.close()
        self._stdout.close()

    def _listen(self) -> None:
        for line in self._stdout:
            if not line.endswith("\n"):  # cut off by the end of the process
                break
            if line.strip() == READY:
                self._ready.set()
            else:
                self._hear(line)
        self._process.wait()
        self._ready.set()

    def _complaint(self) -> str:
        return f"exit status {self._process.poll()}: {self._stderr() or 'nothing on its standard error'}"

    def _stderr(self) -> str:
        return self._errors.read_text(encoding="utf-8", errors="replace").strip()
