"""A task that always finds what it wants still lets its event loop go on.

The documentation says how often: at the latest with the 64th call of a queue that comes a millisecond or
more after it last gave way. A batch counts as eight calls.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from kinds import ALL, Kind
from support import PATIENCE

from elasticq import PersistentCircularBuffer, PriorityCircularBuffer, Queue

CALLS = 64
BATCH = 8
INTERVAL = 0.001


def filled(q: Any) -> Any:
    """A queue with more items than any test takes."""
    for number in range(5 * CALLS):
        (q.push if isinstance(q, PersistentCircularBuffer) else q._offer)(number)
    return q


METHODS: dict[str, tuple[Callable[[Any], Awaitable[Any]], int]] = {
    "aget": (lambda q: q.aget(), CALLS),
    "aput": (lambda q: q.aput(1), CALLS),
    "async for": (lambda q: q.__aiter__().__anext__(), CALLS),
    "aget_many": (lambda q: q.aget_many(1), BATCH),
    "aput_many": (lambda q: q.aput_many([1]), BATCH),
}
OTHERS: dict[str, tuple[Callable[[], Any], Callable[[Any], Awaitable[Any]], int]] = {
    "view's get": (Queue, lambda q: q.async_q.get(), CALLS),
    "view's put": (Queue, lambda q: q.async_q.put(1), CALLS),
    "ajoin": (Queue, lambda q: q.ajoin(), CALLS),
    "with priority": (PriorityCircularBuffer, lambda q: q.aput_with_priority(1, 0), CALLS),
    "many with priority": (PriorityCircularBuffer, lambda q: q.aput_many_with_priority([1], 0), BATCH),
    "priority view's put": (PriorityCircularBuffer, lambda q: q.async_q.put(1, priority=2), CALLS),
    "priority view's get": (PriorityCircularBuffer, lambda q: q.async_q.get(), CALLS),
}


async def most_in_a_row(call: Callable[[], Awaitable[Any]], times: int, work: float) -> int:
    """Awaits a call again and again, with work after each. Returns the most calls between two turns."""
    loop = asyncio.get_running_loop()
    in_a_row = most = 0

    def turn() -> None:
        nonlocal in_a_row
        in_a_row = 0
        loop.call_soon(turn)

    loop.call_soon(turn)
    for _ in range(times):
        await call()
        in_a_row += 1
        most = max(most, in_a_row)
        time.sleep(work)  # noqa: ASYNC251 - this is work, which keeps the loop busy
    return most


@pytest.mark.parametrize("which", METHODS)
@pytest.mark.parametrize("kind", ALL)
async def test_who_is_always_served_at_once_lets_the_loop_go_on(kind: Kind, which: str) -> None:
    q = filled(kind.make())
    call, bound = METHODS[which]
    assert await most_in_a_row(lambda: call(q), 3 * bound, INTERVAL) <= bound


@pytest.mark.parametrize("which", OTHERS)
async def test_so_does_who_calls_it_by_another_name(which: str) -> None:
    make, call, bound = OTHERS[which]
    q = make() if which == "ajoin" else filled(make())
    assert await most_in_a_row(lambda: call(q), 3 * bound, INTERVAL) <= bound


async def test_the_turns_are_no_more_than_the_milliseconds() -> None:
    q: Queue[int] = Queue()
    turns = -1

    def turn() -> None:
        nonlocal turns
        turns += 1
        loop.call_soon(turn)

    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    loop.call_soon(turn)
    for number in range(50_000):
        await q.aput(number)
        await q.aget()
    elapsed = time.perf_counter() - began
    assert turns <= elapsed / INTERVAL + 1


async def test_a_timeout_ends_a_task_that_never_has_to_wait() -> None:
    q: Queue[int] = Queue()
    q.put(0)
    began = time.monotonic()

    async def consume() -> None:
        while time.monotonic() < began + PATIENCE:
            q.put(await q.aget())
            time.sleep(0.00003)  # noqa: ASYNC251 - it is work

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(consume(), 0.05)
    assert len(q) == 1


@pytest.mark.parametrize("which", METHODS)
def test_who_gives_way_has_taken_and_added_nothing(which: str) -> None:
    q = filled(Queue())
    call, bound = METHODS[which]
    for _ in itertools.repeat(None, 3):
        for _ in range(bound - 1):
            with pytest.raises(StopIteration):
                call(q).send(None)  # type: ignore[attr-defined]
        before = list(q)
        time.sleep(INTERVAL)
        giving_way: Any = call(q)
        assert giving_way.send(None) is None
        assert list(q) == before
        giving_way.close()
        assert list(q) == before
