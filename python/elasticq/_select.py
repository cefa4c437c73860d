"""Waiting for several queues at once: `select` for threads, `aselect` for tasks."""

from __future__ import annotations

from . import _core
from ._typing import TYPE_CHECKING, T, overload

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta
    from typing import Any

    from ._protocols import Selected


# Only queues of the same items tell what the item is. For others there is the second signature.
@overload
def select(
    queues: Iterable[Selected[T]], timeout: float | timedelta | None = None, *, ordered: bool = False
) -> tuple[Any, T]: ...
@overload
def select(
    queues: Iterable[Selected[Any]], timeout: float | timedelta | None = None, *, ordered: bool = False
) -> tuple[Any, Any]: ...
def select(
    queues: Iterable[Any], timeout: float | timedelta | None = None, *, ordered: bool = False
) -> tuple[Any, Any]:
    """Take the next item of whichever queue has one, and block until one has.

    Exactly one item is taken, from one queue. A call that raises has taken none, also if a signal handler
    (Ctrl-C) has interrupted it. The queues may be of any class of this package, or views of them, in any
    mixture. A thread that waits is in the line of each, and takes no processor time.

    **Order.** If several queues have items, each gets its turns: no queue with items waits long, however busy
    the others are. With `ordered` the first one in `queues` that has an item gives it, so a control queue can
    go before a work queue.

    A queue that was shut down is passed over once it is empty. The items count for `join` like those that
    `get` takes. To look at the queues takes time linear in their number. A queue may be there twice. If one
    queue fails (say, its file is damaged), the error is raised if no other one has an item. Safe from any
    thread; in a coroutine use `aselect`.

    Args:
        queues: The queues, at least one.
        timeout: Seconds to wait at the most, not negative; None: for ever; 0: not at all.
        ordered: Whether to begin with the first queue each time.

    Returns:
        The queue, as it is in `queues`, and its item.

    Raises:
        Empty: No item came in time.
        ShutDown: All queues were shut down and are empty, before or meanwhile.
        TypeError: One of the queues is none of this package.
        ValueError: There are no queues, or `timeout` is negative.

    Example:
        >>> work, control = Queue(), SimpleQueue()
        >>> work.put("resize a.png")
        >>> control.put("stop")
        >>> queue, item = select([control, work], ordered=True)
        >>> queue is control, item
        (True, 'stop')
        >>> select([control, work])[1]
        'resize a.png'
        >>> select([control, work], timeout=0.01)
        Traceback (most recent call last):
        elasticq.Empty: none of the queues has an item
    """
    return _core._select(queues, timeout, ordered)


@overload
async def aselect(
    queues: Iterable[Selected[T]], timeout: float | timedelta | None = None, *, ordered: bool = False
) -> tuple[Any, T]: ...
@overload
async def aselect(
    queues: Iterable[Selected[Any]], timeout: float | timedelta | None = None, *, ordered: bool = False
) -> tuple[Any, Any]: ...
async def aselect(
    queues: Iterable[Any], timeout: float | timedelta | None = None, *, ordered: bool = False
) -> tuple[Any, Any]:
    """Take the next item of whichever queue has one, and wait for it in a coroutine: `select` for tasks.

    A task that is cancelled has taken nothing. If it was woken for an item, the next one in that queue's line
    is. The queues may be used in other threads and event loops meanwhile. Queues in files are read without
    waiting for the disk in the loop's thread. A task that always finds an item gives its event loop a turn
    now and then.

    Args:
        queues: The queues, at least one.
        timeout: Seconds to wait at the most, not negative; None: for ever; 0: not at all. Then an item that
            must be read from a file first does not count.
        ordered: Whether to begin with the first queue each time.

    Returns:
        The queue, as it is in `queues`, and its item.

    Raises:
        Empty: No item came in time.
        ShutDown: All queues were shut down and are empty, before or meanwhile.
        TypeError: One of the queues is none of this package.
        ValueError: There are no queues, or `timeout` is negative.

    Example:
        >>> import asyncio
        >>> async def main():
        ...     work, control = Queue(), Queue()
        ...     selecting = asyncio.create_task(aselect([control, work]))
        ...     await work.aput("resize a.png")
        ...     queue, item = await selecting
        ...     return queue is work, item
        >>> asyncio.run(main())
        (True, 'resize a.png')
    """
    return await _core._Selection(queues, timeout, ordered)
