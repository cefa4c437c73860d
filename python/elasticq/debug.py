"""For a program that hangs: every live queue of the process, how full it is, and who waits at it.

`python -c "import elasticq.debug"` does nothing by itself. Call `dump` from a debugger (`p
elasticq.debug.dump()`), or set a signal for it before:

    import signal, elasticq.debug
    signal.signal(signal.SIGUSR1, lambda *_: elasticq.debug.dump())

Windows has `signal.SIGBREAK` in its place, which Ctrl+Break sends.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from . import _core
from ._public import publish as _publish

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["dump", "queues"]


def queues() -> list[Any]:
    """Return every live queue of this process, those first at which somebody has waited longest.

    Linear in the number of Python objects that the garbage collector knows. Safe from any thread, from a
    signal handler and from a debugger; waits for no queue. Queues that `gc.freeze` has put out of its sight
    are not found.
    """
    return sorted(_core._live_queues(), key=_longest, reverse=True)


def dump(file: TextIO | None = None) -> None:
    """Write a line for every live queue: what it is, how much is inside, who waits and for how long.

    As safe as `queues`. No item is shown. A queue that can't tell something at this moment says so.

    Args:
        file: Where to write. None: to standard error, past Python's buffers, as `faulthandler` does.

    Example:
        >>> import sys
        >>> from elasticq import Queue, debug
        >>> jobs = Queue(maxsize=5)
        >>> jobs.put("resize a.png")
        >>> debug.dump(sys.stdout)  # doctest: +ELLIPSIS
        elasticq: ... live ...
        ...<elasticq.Queue 1 item, maxsize=5>...
    """
    found = queues()
    lines = [f"elasticq: {len(found)} live {'queue' if len(found) == 1 else 'queues'}, process {os.getpid()}"]
    lines += [f"  {hex(id(queue))} {_shown(queue)}" for queue in found]
    text = "\n".join(lines) + "\n"
    if file is not None:
        file.write(text)
        return
    left = text.encode("utf-8", "backslashreplace")
    try:
        number = sys.__stderr__.fileno() if sys.__stderr__ else 2
    except (OSError, ValueError):  # it is closed, or is no file
        number = 2
    try:
        while left:
            left = left[os.write(number, left) :]
    except OSError:  # nobody reads it any more, or it takes no more: a signal handler must not fail of that
        pass


def _waiters(queue: Any) -> _core.Waiters | None:
    try:
        return (
            _core.Elastic.waiters(queue)
            if isinstance(queue, _core.Elastic)
            else _core.Persistent.waiters(queue)
        )
    except Exception:  # not opened, or its own code has failed
        return None


def _longest(queue: Any) -> float:
    waiters = _waiters(queue)
    return max(waiters.item.longest or 0.0, waiters.room.longest or 0.0) if waiters else 0.0


def _shown(queue: Any) -> str:
    try:
        shown = repr(queue)
    except Exception as error:
        plain = object.__repr__(queue)  # runs no code of the class
        name = plain.split(" ")[0].lstrip("<").rsplit(".", 1)[-1]
        shown = f"<{name}, which can't be shown: {type(error).__name__}>"
    names = _names(queue)
    if names:
        shown += f" named {', '.join(map(repr, names))}"
    if (waiters := _waiters(queue)) is None:
        return shown
    for end, waiting in (("an item", waiters.item), ("room", waiters.room)):
        if waiting.threads or waiting.tasks:
            longest = "" if waiting.longest is None else f", {waiting.longest:.1f} s at the most"
            shown += (
                f"; for {end}: {_count(waiting.threads, 'thread')}, {_count(waiting.tasks, 'task')}{longest}"
            )
    return shown


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _names(queue: Any) -> list[str]:
    """Return the names under which the queue is instrumented. Waits for no lock."""
    metrics = sys.modules.get("elasticq.metrics")
    names_of = getattr(metrics, "names_of", None)  # None: it is just being imported
    return names_of(queue) if names_of else []


_publish(globals())
