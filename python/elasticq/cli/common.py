"""What all commands share: exit statuses, what is written to stderr, JSON lines, and what goes wrong.

`run` is around each command. Whatever goes wrong ends in one line on stderr and a documented status.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TextIO

from elasticq.cli.terminal import visible

FINE, DAMAGED, FAILED = 0, 1, 2
"""The exit statuses of the commands themselves. What 1 means, each command says."""
INTERRUPTED = 130
"""Ctrl-C, as shells count it."""
UNREAD = 141
"""Whoever read the output has gone, as shells count it."""

_COULD_NOT = "it could not be done, and stderr says why"


def statuses(one: str, *, two: str = _COULD_NOT, fine: str = "all is well") -> tuple[tuple[str, str], ...]:
    """The exit statuses of a command for its manual."""
    return (
        (str(FINE), fine),
        *(((str(DAMAGED), one),) if one else ()),
        (str(FAILED), two),
        (str(INTERRUPTED), "Ctrl-C has ended it"),
        (str(UNREAD), "whoever read its output has gone"),
    )


class CommandError(Exception):
    """A command can't do its work. The text is for a person, in one line."""

    def __init__(self, text: str, status: int = FAILED) -> None:
        super().__init__(text)
        self.status = status


def run(program: str, work: Callable[[], int]) -> int:
    """Does the work of a command; returns its exit status. What goes wrong is said in one line."""
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:  # it was closed before the start
            setattr(sys, stream, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path may be no text
    status = _guarded(program, work)
    flushed = _guarded(program, _flush)
    if flushed != FINE:
        _discard(sys.stdout)
    return status or flushed


def _guarded(program: str, work: Callable[[], int]) -> int:
    try:
        return work()
    except SystemExit as leaving:  # argparse's, and SIGTERM's
        return leaving.code if isinstance(leaving.code, int) else FINE if leaving.code is None else FAILED
    except KeyboardInterrupt:
        say(f"{program}: interrupted")
        return INTERRUPTED
    except CommandError as failure:
        say(f"{program}: {visible(str(failure))}")
        return failure.status
    except OSError as error:
        if _nobody_reads(error):
            return UNREAD
        say(f"{program}: {visible(text_of(error))}")
        return FAILED


def _nobody_reads(error: OSError) -> bool:
    """Whether a write has found its reader gone. On Windows that is an invalid argument."""
    invalid = sys.platform == "win32" and error.errno == errno.EINVAL and error.filename is None
    return invalid or isinstance(error, BrokenPipeError)


def text_of(error: OSError) -> str:
    """What the system says, with the file's name. The crate's texts have the name already."""
    text = error.strerror or str(error)
    name = "" if error.filename is None else os.fsdecode(error.filename)
    return text if name in text else f"{name}: {text}"


def _flush() -> int:
    sys.stdout.flush()
    return FINE


def _discard(stream: TextIO) -> None:
    """Lets what is still to be written go nowhere: the interpreter flushes once more at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def say(text: str, end: str = "\n") -> None:
    """Prints to stderr. Nobody may read it any more."""
    try:
        print(text, file=sys.stderr, end=end, flush=True)
    except OSError:
        _discard(sys.stderr)


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def print_json(answer: object) -> None:
    """Prints one line of JSON."""
    sys.stdout.write(_encode(answer) + "\n")


@contextlib.contextmanager
def terminated_as_exit() -> Iterator[None]:
    """Turns SIGTERM into SystemExit, so that everything is stopped and removed before the exit."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
