"""The loops of producers and consumers, in threads and in tasks. The consumer adds up the items."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


def put_range(put: Callable[[int], object], first: int, count: int) -> None:
    """Puts consecutive numbers, in a thread."""
    for number in range(first, first + count):
        put(number)


def get_sum(get: Callable[[], int], count: int) -> int:
    """Takes this many numbers, in a thread."""
    total = 0
    for _ in range(count):
        total += get()
    return total


def put_and_get(put: Callable[[int], object], get: Callable[[], int], items: int) -> int:
    """Each item goes in and comes out before the next one."""
    item = -1
    for number in range(items):
        put(number)
        item = get()
    return item


async def aput_range(put: Callable[[int], Awaitable[object]], first: int, count: int) -> None:
    """Puts consecutive numbers, in a task."""
    for number in range(first, first + count):
        await put(number)


async def aget_sum(get: Callable[[], Awaitable[int]], count: int) -> int:
    """Takes this many numbers, in a task."""
    total = 0
    for _ in range(count):
        total += await get()
    return total
