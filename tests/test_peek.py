"""Looking at the next item: `peek`, which waits if told to, and `apeek`. It takes nothing from others."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Any

import pytest
from kinds import KINDS, Kind
from support import Threads, enter, wait_until

import elasticq
from elasticq import Empty, ShutDown

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param  # type: ignore[no-any-return]


def end(queue: Any) -> None:
    getattr(queue, "shutdown", queue.close)()


def until_waiting(queue: Any, threads: int = 0, tasks: int = 0) -> None:
    def wait_there() -> bool:
        item = queue.waiters().item
        return (item.threads, item.tasks) == (threads, tasks)

    wait_until(wait_there, f"{threads} threads and {tasks} tasks wait for an item")


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nobody tells of it
        await asyncio.sleep(0)


def test_a_plain_peek_answers_at_once(kind: Kind) -> None:
    queue = kind.make()
    for peek in (queue.peek, lambda: queue.peek(False, 5), lambda: queue.peek(block=True, timeout=0)):
        with pytest.raises(Empty):
            peek()
    kind.put(queue, 1)
    assert (queue.peek(), queue.peek(block=True), queue.peek(True, 0), len(queue)) == (1, 1, 1, 1)
    assert kind.get(queue) == 1
    with pytest.raises(ValueError, match="timeout"):
        queue.peek(block=True, timeout=-1)


def test_a_peek_waits_for_an_item_and_leaves_it(kind: Kind, threads: Threads) -> None:
    queue = kind.make()
    seen: list[Any] = []
    threads.start(lambda: seen.append(queue.peek(block=True)))
    until_waiting(queue, threads=1)
    kind.put(queue, 7)
    threads.join()
    assert (seen, len(queue), kind.get(queue)) == ([7], 1, 7)


def test_all_who_look_see_one_item(kind: Kind, threads: Threads) -> None:
    queue = kind.make()
    seen: list[Any] = []

    async def look() -> None:
        tasks = [asyncio.create_task(queue.apeek()) for _ in range(3)]
        seen.extend(await asyncio.gather(*tasks))

    for _ in range(3):
        threads.start(lambda: seen.append(queue.peek(True)))
    until_waiting(queue, threads=3)
    threads.start(asyncio.run, look())
    until_waiting(queue, threads=3, tasks=3)
    kind.put(queue, 7)
    threads.join()
    assert (seen, len(queue)) == ([7] * 6, 1)


def test_who_waits_to_take_gets_the_item_behind_those_who_look(kind: Kind, threads: Threads) -> None:
    queue = kind.make()
    for number in range(2):
        threads.start(lambda: queue.peek(True))
        until_waiting(queue, threads=number + 1)
    threads.start(kind.get, queue)
    until_waiting(queue, threads=3)
    kind.put(queue, 7)
    wait_until(lambda: len(queue) == 0, "the item is taken")
    kind.put(queue, 8)  # for those who came to look too late
    threads.join()
    assert kind.get(queue) == 8


def test_a_task_that_waits_to_take_gets_the_item_behind_tasks_that_look(kind: Kind) -> None:
    async def main() -> None:
        queue = kind.make()
        looking = [asyncio.create_task(queue.apeek()) for _ in range(2)]
        await until(lambda: queue.waiters().item.tasks == 2)
        taking = asyncio.create_task((queue.arecv if hasattr(queue, "arecv") else queue.aget)())
        await until(lambda: queue.waiters().item.tasks == 3)
        kind.put(queue, 7)
        assert await taking == 7
        kind.put(queue, 8)
        assert set(await asyncio.gather(*looking)) <= {7, 8}
        assert kind.get(queue) == 8

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_look_that_is_cancelled_after_it_was_woken_wakes_the_next(kind: Kind) -> None:
    async def main() -> None:
        queue = kind.make()
        looking = asyncio.create_task(queue.apeek())
        await until(lambda: queue.waiters().item.tasks == 1)
        taking = asyncio.create_task((queue.arecv if hasattr(queue, "arecv") else queue.aget)())
        await until(lambda: queue.waiters().item.tasks == 2)
        kind.put(queue, 7)
        looking.cancel()
        assert await taking == 7
        with pytest.raises(asyncio.CancelledError):
            await looking

    asyncio.run(asyncio.wait_for(main(), 60))


def test_the_end_comes_to_those_who_wait_to_look(kind: Kind, threads: Threads) -> None:
    queue = kind.make()
    errors: list[BaseException] = []

    def look() -> None:
        try:
            queue.peek(block=True)
        except ShutDown as error:
            errors.append(error)

    async def look_too() -> None:
        try:
            await queue.apeek()
        except ShutDown as error:
            errors.append(error)

    threads.start(look)
    threads.start(lambda: asyncio.run(look_too()))
    until_waiting(queue, threads=1, tasks=1)
    end(queue)
    threads.join()
    assert len(errors) == 2


def test_what_is_left_after_the_end_can_be_seen(kind: Kind) -> None:
    queue = kind.make()
    kind.put(queue, 7)
    end(queue)
    assert (queue.peek(), queue.peek(block=True), asyncio.run(queue.apeek())) == (7, 7, 7)
    kind.get(queue)
    for peek in (queue.peek, lambda: queue.peek(block=True), lambda: asyncio.run(queue.apeek())):
        with pytest.raises(ShutDown):
            peek()


def test_who_waits_to_look_moves_with_the_queue(threads: Threads) -> None:
    queue = elasticq.Queue[int]()
    seen: list[int] = []
    threads.start(lambda: seen.append(queue.peek(block=True)))
    threads.start(lambda: seen.append(asyncio.run(queue.apeek())))
    until_waiting(queue, threads=1, tasks=1)
    enter(queue.mutex)
    until_waiting(queue, threads=1, tasks=1)
    queue.put(7)
    threads.join()
    assert (seen, list(queue)) == ([7, 7], [7])


def test_a_subclass_that_cannot_tell_what_is_next_refuses_at_once() -> None:
    class Newest(elasticq.Queue[int]):
        def _get(self) -> int:
            item: int = self.queue.pop()
            return item

    queue = Newest()
    with pytest.raises(elasticq.InvalidOperation, match="_peek"):
        queue.peek(block=True)
    with pytest.raises(elasticq.InvalidOperation, match="_peek"):
        asyncio.run(queue.apeek())


def test_apeek_passes_for_a_coroutine_function() -> None:
    queue = elasticq.Queue[int]()
    assert inspect.iscoroutinefunction(queue.apeek)
    queue.put(1)
    look = queue.apeek()
    assert inspect.iscoroutine(look)
    assert (asyncio.run(look), len(queue)) == (1, 1)


def test_threads_that_look_and_threads_that_take_lose_nothing(threads: Threads) -> None:
    queue = elasticq.Queue[int](maxsize=3)
    taken: list[int] = []
    lock = threading.Lock()

    def look() -> None:
        try:
            while True:
                queue.peek(block=True)
        except ShutDown:
            pass

    def take() -> None:
        for item in queue.consume():
            with lock:
                taken.append(item)

    for run in (look, look, take, take):
        threads.start(run)
    for number in range(2_000):
        queue.put(number)
    queue.shutdown()
    threads.join()
    assert sorted(taken) == list(range(2_000))
