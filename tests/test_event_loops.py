"""Several event loops on one queue: whatever one of them does or fails to do doesn't affect the others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from kinds import BOUNDED, KINDS, Kind
from support import PATIENCE, Threads, settle, wait_until

from elasticq import LifoQueue, Queue

each = pytest.mark.parametrize("kind", KINDS)
# A LifoQueue that gets two items gives the second one to the first who comes.
each_in_order = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.cls is not LifoQueue])
# With weights no put passes another one: that is the price of the order.
each_that_is_passed = pytest.mark.parametrize("kind", [kind for kind in BOUNDED if kind.name != "Weighted"])


class Elsewhere:
    """An event loop in a thread of its own. It can be held in the middle of a callback."""

    def __init__(self, threads: Threads) -> None:
        self.threads = threads
        self.loop = asyncio.new_event_loop()
        self.go_on = threading.Event()
        self.thread = threads.start(self.loop.run_forever)

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Starts a task, and returns when it waits."""

        async def create() -> asyncio.Task[Any]:
            task = self.loop.create_task(coroutine)
            for _ in range(5):
                await asyncio.sleep(0)
            return task

        return asyncio.run_coroutine_threadsafe(create(), self.loop).result(PATIENCE)

    def hold(self, and_then: Callable[[], None] = lambda: None) -> None:
        """Blocks the loop in a callback until `release`. Returns when the loop is in the callback."""
        held = threading.Event()

        def callback() -> None:
            held.set()
            assert self.go_on.wait(PATIENCE)
            and_then()

        self.loop.call_soon_threadsafe(callback)
        assert held.wait(PATIENCE)

    def release(self) -> None:
        """Lets the callback end."""
        self.go_on.set()

    def stop(self) -> None:
        """Stops the loop, and waits until it has stopped."""
        self.go_on.set()
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)

    def close(self) -> None:
        """Ends the loop, and cancels the tasks that still wait."""
        self.stop()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(settle())
        self.loop.close()


@pytest.fixture
def elsewhere(threads: Threads) -> Iterator[Elsewhere]:
    """A loop that is closed at the end."""
    other = Elsewhere(threads)
    yield other
    other.close()


def offer_from_a_thread(q: Any, item: int, threads: Threads) -> None:
    """Puts an item in a thread, and waits for that thread."""
    thread = threads.start(lambda: q._offer(item))
    thread.join(PATIENCE)


@each_in_order
@pytest.mark.parametrize("busy_one_came_first", [True, False])
async def test_a_busy_loop_keeps_no_other_from_an_item(
    kind: Kind, busy_one_came_first: bool, elsewhere: Elsewhere, threads: Threads
) -> None:
    q = kind.make()
    if busy_one_came_first:
        busy = elsewhere.start(q.aget())
    here = asyncio.ensure_future(q.aget())
    await settle()
    if not busy_one_came_first:
        busy = elsewhere.start(q.aget())
    elsewhere.hold()
    offer_from_a_thread(q, 1, threads)
    assert await asyncio.wait_for(here, PATIENCE) == 1
    elsewhere.release()
    second = elsewhere.start(q.aget())
    assert not busy.done()
    for item in (2, 3):
        q._offer(item)
    wait_until(second.done, "both have their items")
    assert (busy.result(), second.result()) == (2, 3)  # the second one went back to its place in the line


@each
async def test_a_loop_that_stops_after_it_was_woken_keeps_no_other_from_an_item(
    kind: Kind, elsewhere: Elsewhere, threads: Threads
) -> None:
    q = kind.make()
    stopped = elsewhere.start(q.aget())
    here = asyncio.ensure_future(q.aget())
    await settle()
    elsewhere.hold(and_then=elsewhere.loop.stop)
    offer_from_a_thread(q, 1, threads)
    elsewhere.release()
    elsewhere.thread.join(PATIENCE)
    assert await asyncio.wait_for(here, PATIENCE) == 1
    assert not stopped.done()


@each
async def test_the_loop_that_is_free_gets_an_item_though_this_one_is_busy(
    kind: Kind, elsewhere: Elsewhere, threads: Threads
) -> None:
    q = kind.make()
    here = asyncio.ensure_future(q.aget())
    await settle()
    there = elsewhere.start(q.aget())
    offer_from_a_thread(q, 1, threads)
    wait_until(there.done, "the other loop has it while this one is blocked")
    await settle()
    assert (there.result(), here.done()) == (1, False)
    q._offer(2)
    assert await here == 2


@each_that_is_passed
async def test_a_busy_loop_keeps_no_other_from_room(kind: Kind, elsewhere: Elsewhere) -> None:
    q = kind.make(1)
    q._offer(0)
    busy = elsewhere.start(q.aput(1))
    here = asyncio.ensure_future(q.aput(2))
    await settle()
    elsewhere.hold()
    assert q._poll(None) == 0
    await asyncio.wait_for(here, PATIENCE)
    elsewhere.release()
    assert q._poll(None) == 2
    wait_until(busy.done, "it has room")
    assert q._poll(None) == 1


@pytest.mark.parametrize("kind", [kind for kind in KINDS if hasattr(kind.cls, "ajoin")])
async def test_a_busy_loop_keeps_no_other_from_joining(kind: Kind, elsewhere: Elsewhere) -> None:
    q = kind.make()
    q.put(1)
    busy = elsewhere.start(q.ajoin())
    here = asyncio.ensure_future(q.ajoin())
    await settle()
    elsewhere.hold()
    q.get()
    q.task_done()
    await asyncio.wait_for(here, PATIENCE)
    assert not busy.done()


async def test_each_of_many_items_wakes_somebody_in_each_loop(elsewhere: Elsewhere, threads: Threads) -> None:
    q: Queue[int] = Queue()
    busy = [elsewhere.start(q.aget()) for _ in range(3)]
    here = [asyncio.ensure_future(q.aget()) for _ in range(3)]
    await settle()
    elsewhere.hold()
    threads.start(q.put_many, [0, 1, 2]).join(PATIENCE)
    assert await asyncio.wait_for(asyncio.gather(*here), PATIENCE) == [0, 1, 2]
    elsewhere.release()
    assert not any(task.done() for task in busy)
    q.put_many([3, 4, 5])
    wait_until(lambda: all(task.done() for task in busy), "they have theirs")
    assert [task.result() for task in busy] == [3, 4, 5]


async def test_one_who_was_woken_and_cancelled_passes_it_on_to_its_own_loop_too(elsewhere: Elsewhere) -> None:
    q: Queue[int] = Queue()
    cancelled, next_one = (asyncio.ensure_future(q.aget()) for _ in range(2))
    await settle()
    busy = elsewhere.start(q.aget())
    elsewhere.hold()
    q.put(1)
    cancelled.cancel()
    assert await asyncio.wait_for(next_one, PATIENCE) == 1
    assert cancelled.cancelled()
    assert not busy.done()


def test_loops_that_take_turns_at_being_busy_lose_and_double_nothing(threads: Threads) -> None:
    q: Queue[int] = Queue(3)
    taken: Queue[int] = Queue()
    items = 600

    def run_a_loop(me: int) -> None:
        async def consume() -> None:
            async for number in q:
                taken.put(number)
                if number % 3 == me:
                    threading.Event().wait(0.0001)

        async def produce() -> None:
            for number in range(me, items, 3):
                await q.aput(number)

        async def main() -> None:
            await asyncio.gather(*(consume() for _ in range(4)), produce())

        asyncio.run(main())

    for me in range(3):
        threads.start(run_a_loop, me)
    wait_until(lambda: len(taken) == items, "everything is taken")
    q.shutdown()
    threads.join()
    assert sorted(taken) == list(range(items))
