"""What the tools for the files of durable queues share: their parsers, progress, and the crate's answers."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from elasticq._core import _Progress
from elasticq._errors import Corrupted, QueueError
from elasticq.cli.common import DAMAGED, CommandError, say, statuses
from elasticq.cli.manual import Manual, Place, Text

_DAMAGED = "something is damaged, or can't be read"
_REFUSED = "it could not be done: wrong usage, no queue, in use, another format, or the system has refused it"

_T = TypeVar("_T")


def parser(
    program: str,
    about: Sequence[Text],
    sections: Mapping[str, Sequence[Text]],
    *,
    has_json: bool = True,
    one: str = _DAMAGED,
) -> Manual:
    """A parser of the arguments that these tools have: the path, and --json if the output is for people."""
    made = Manual(program, about, {**sections, "exit status": statuses(one, two=_REFUSED)})
    made.path("path", completed=Place.FOLDER, metavar="PATH", help="the queue's directory")
    if has_json:
        made.add_argument("--json", action="store_true", help="print one line of JSON, for machines")
    return made


def guarded(work: Callable[[], int]) -> int:
    """Does the work of a tool. What the crate reports becomes a line for people."""
    try:
        return work()
    except Corrupted as error:
        raise CommandError(str(error), DAMAGED) from error
    except QueueError as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CommandError(text) from error


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
                say(f"\r{100 * done // expected:3} % of {size(expected)}", end="")
        if shown:
            say("\r" + " " * 40 + "\r", end="")
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
