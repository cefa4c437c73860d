"""What the tools share: arguments, exit statuses, progress, and what goes wrong."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from elasticq._core import _Progress
from elasticq._errors import Corrupted, QueueError

FINE, DAMAGED, FAILED = 0, 1, 2
"""The exit statuses of all tools."""

_STATUSES = """exit status:
  0  all is well
  1  something is damaged, or can't be read
  2  it could not be done: wrong usage, no queue, in use, or the system has refused something"""

_T = TypeVar("_T")


def parser(program: str, purpose: str, more: str = "") -> argparse.ArgumentParser:
    """A parser of the arguments that every tool has: the path and --json."""
    epilog = f"{more}\n\n{_STATUSES}" if more else _STATUSES
    made = argparse.ArgumentParser(
        prog=program,
        description=purpose,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("path", metavar="PATH", help="the queue's directory")
    return made


def with_json(made: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The same with --json, for tools whose usual output is for people."""
    made.add_argument("--json", action="store_true", help="print JSON, for machines")
    return made


def run(program: str, work: Callable[[], int]) -> int:
    """Does the work of a tool; returns its exit status. What goes wrong is said in one line."""
    try:
        status = work()
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads wants no more. What is still to be flushed at the end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        say(f"{program}: interrupted")
        return 130
    except Corrupted as error:
        say(f"{program}: {error}")
        return DAMAGED
    except (QueueError, OSError) as error:
        # The text of the crate names the file; that of OSError would name it again.
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        say(f"{program}: {text}")
        return FAILED
    return status


def say(text: str) -> None:
    """Prints to stderr."""
    print(text, file=sys.stderr)


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def print_json(answer: object) -> None:
    """Prints one line of JSON."""
    sys.stdout.write(_encode(answer) + "\n")


class Watched(threading.Thread, Generic[_T]):
    """Work in a thread, so that the main thread can be interrupted, and shows how far it has come."""

    def __init__(self, work: Callable[[_Progress], _T]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._progress = _Progress()
        self._outcome: Sequence[_T] = ()
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._outcome = [self._work(self._progress)]
        except BaseException as error:
            self._error = error

    def result(self) -> _T:
        """Waits for the work and returns its result, or raises its exception."""
        self.start()
        shown = False
        while self.is_alive():
            self.join(0.5)
            done, expected = self._progress.bytes()
            if self.is_alive() and expected and sys.stderr.isatty():
                shown = True
                print(
                    f"\r{100 * done // expected:3} % of {size(expected)}", end="", file=sys.stderr, flush=True
                )
        if shown:
            say("\r" + " " * 40 + "\r")
        if self._error is not None:
            raise self._error
        return self._outcome[0]


def answer(work: Callable[[_Progress], str]) -> Any:
    """What a function of the crate answers; how far it has come is shown on a terminal."""
    return json.loads(Watched(work).result())


def size(count: float) -> str:
    """A number of bytes, for people."""
    if count < 1024:
        return f"{count:,.0f} bytes"
    for unit in ("KiB", "MiB"):
        count /= 1024
        if count < 1024:
            return f"{count:,.1f} {unit}"
    return f"{count / 1024:,.1f} GiB"
