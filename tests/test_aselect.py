"""`aselect`: a task waits for several queues at once, of all kinds in any mixture."""

from __future__ import annotations

import asyncio
import gc
import os
import queue as standard
import random
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kinds import ALL, IN_FILES, KINDS, Kind
from support import (
    PATIENCE,
    Threads,
    background,
    check_for_leaks,
    moved,
    settle,
    wait_until_asleep,
)

import elasticq
from elasticq import Empty, Queue, ShutDown, SimpleQueue, aselect, select

each = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)


def _fail() -> None:
    raise LookupError("it cannot be read")


class Unreadable:
    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return _fail, ()


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(main(), PATIENCE))


@each
def test_the_item_of_whichever_queue_has_one_is_taken(kind: Kind) -> None:
    async def main() -> None:
        queues = [kind.make() for _ in range(3)]
        for chosen in (1, 0, 2):
            kind.put(queues[chosen], chosen)
            queue, item = await aselect(queues)
            assert queue is queues[chosen]
            assert item == chosen
        assert [len(queue) for queue in queues] == [0, 0, 0]

    run(main)


@each
@pytest.mark.parametrize("by", ["this loop", "another thread"])
def test_a_task_that_waits_is_woken_by_any_of_its_queues(kind: Kind, by: str) -> None:
    async def main() -> None:
        queues = [SimpleQueue[int](), kind.make(), kind.make()]
        for chosen in (2, 1, 0):
            selecting = asyncio.create_task(aselect(queues))
            await settle()
            queue: Any = queues[chosen]
            if by == "this loop":
                await queue.aput(7)
            else:
                await asyncio.to_thread(lambda: asyncio.run(queue.aput(7)))  # noqa: B023
            found, item = await selecting
            assert found is queue
            assert item == 7

    run(main)


def test_queues_of_all_kinds_may_be_mixed() -> None:
    async def main() -> None:
        queues = [kind.make() for kind in ALL]
        for number in random.Random(2).sample(range(len(queues)), len(queues)):
            selecting = asyncio.create_task(aselect(queues))
            await settle()
            ALL[number].put(queues[number], number)
            queue, item = await selecting
            assert (queues.index(queue), item) == (number, number)

    run(main)


def test_busy_queues_take_turns_and_in_order_the_first_is_preferred() -> None:
    async def main() -> None:
        queues = [Queue[int]() for _ in range(3)]
        for queue in queues:
            queue.put_many(range(1000))
        counts = Counter([queues.index((await aselect(queues))[0]) for _ in range(300)])
        assert min(counts[index] for index in range(3)) >= 90
        for _ in range(300):
            assert (await aselect(queues, ordered=True))[0] is queues[0]

    run(main)


def test_a_queue_whose_takes_are_synced_gets_its_turns_beside_a_busy_one(tmp_path: Path) -> None:
    """Its item has left it before the sync, and is not given back because another queue is faster."""
    files = elasticq.PersistentCircularBuffer[int](path=tmp_path / "queue", sync_mode="every_write")
    mine = Queue[int]()
    files.push_batch(range(20))
    mine.put_many(range(200))

    async def main() -> None:
        counts = Counter([id((await aselect([mine, files]))[0]) for _ in range(60)])
        assert counts[id(files)] == 20
        assert counts[id(mine)] == 40

    run(main)
    files.close()


def test_who_waits_for_a_sync_passes_on_each_wake_up(tmp_path: Path) -> None:
    files = elasticq.PersistentCircularBuffer[int](path=tmp_path / "queue", sync_mode="every_write")

    async def main() -> None:
        for number in range(50):
            mine = Queue[int]()
            selecting = asyncio.create_task(aselect([mine, files]))
            await settle()
            getting = [asyncio.create_task(mine.aget()) for _ in range(3)]
            await settle()
            files.push(number)
            while len(files):  # noqa: ASYNC110
                await asyncio.sleep(0)
            for item in range(3):
                mine.put(item)  # wakes the first one, which mostly still waits for the disk
                await settle()
            assert await asyncio.gather(*getting) == [0, 1, 2]
            assert (await selecting)[1] == number

    run(main)
    files.close()


def test_who_waits_for_a_sync_leaves_the_items_of_other_queues_to_others(tmp_path: Path) -> None:
    files = elasticq.PersistentCircularBuffer[int](path=tmp_path / "queue", sync_mode="every_write")

    async def main() -> None:
        for number in range(50):
            mine = Queue[int]()
            selecting = asyncio.create_task(aselect([mine, files]))
            await settle()
            getting = asyncio.create_task(mine.aget())
            await settle()
            files.push(number)
            mine.put(-1)  # wakes the first one, which may be waiting for the disk by now, or take this item
            first = (await selecting)[1]
            if first == -1:
                mine.put(-1)
            assert await asyncio.wait_for(getting, PATIENCE) == -1
            if first == -1:
                assert files.pop() == number

    run(main)
    files.close()


def test_an_item_that_cannot_be_read_is_told_after_its_sync(tmp_path: Path) -> None:
    with elasticq.PersistentCircularBuffer[Any](path=tmp_path / "queue", codec="pickle") as writing:
        writing.push(Unreadable())
    files = elasticq.PersistentCircularBuffer[Any](
        path=tmp_path / "queue", codec="pickle", sync_mode="every_write"
    )

    async def main() -> None:
        mine = Queue[int]()
        mine.put(1)
        with pytest.raises(LookupError, match="cannot be read"):
            await aselect([files])
        assert await aselect([files, mine], ordered=True) == (mine, 1)
        with pytest.raises(LookupError, match="cannot be read"):
            await aselect([mine, files])
        assert len(files) == 1

    run(main)
    files.close()


@each
def test_a_task_that_is_cancelled_has_taken_nothing(kind: Kind) -> None:
    async def main() -> None:
        a, b = kind.make(), kind.make()
        selecting = asyncio.create_task(aselect([a, b]))
        await settle()
        selecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await selecting
        kind.put(b, 1)
        assert len(b) == 1
        assert (await aselect([a, b]))[1] == 1

    run(main)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_task_that_is_cancelled_when_it_was_woken_wakes_the_next(kind: Kind) -> None:
    async def main() -> None:
        a, b = kind.make(), kind.make()
        first = asyncio.create_task(aselect([a, b]))
        await settle()
        second = asyncio.create_task(aselect([b, a]))
        third = asyncio.create_task(a.aget())
        await settle()
        kind.put(a, 1)  # wakes the first
        first.cancel()
        kind.put(a, 2)
        assert sorted([(await second)[1], await third]) == [1, 2]
        with pytest.raises(asyncio.CancelledError):
            await first

    run(main)


def test_a_task_that_was_woken_for_another_queue_wakes_the_next_there() -> None:
    async def main() -> None:
        a, b = Queue[int](), Queue[int]()
        selecting = asyncio.create_task(aselect([b, a], ordered=True))
        await settle()
        getting = asyncio.create_task(a.aget())
        await settle()
        a.put(1)  # wakes the one that selects
        b.put(2)  # which takes this one
        assert await selecting == (b, 2)
        assert await asyncio.wait_for(getting, PATIENCE) == 1

    run(main)


def test_a_call_that_fails_stands_in_no_line() -> None:
    files, mine = IN_FILES.make(), Queue[int]()
    selecting = aselect([files, mine])
    with pytest.raises(RuntimeError, match="no running event loop") as raised:
        selecting.send(None)
    threads = Threads()
    got: list[int] = []
    wait_until_asleep(threads.start(lambda: got.append(files.sync_q.get(timeout=PATIENCE))))
    files.push(1)
    threads.join()
    assert got == [1]
    assert raised.value.__traceback__ is not None  # which holds what the call had


def test_a_call_that_has_ended_stands_in_no_line_though_something_keeps_it() -> None:
    async def main() -> None:
        files, mine, other = IN_FILES.make(), Queue[int](), Queue[int]()
        for ends in (lambda call: call.close(), lambda call: call.throw(GeneratorExit), lambda _: None):
            call: Any = elasticq._core._Selection([mine, files, other], None, True)
            next(call)
            getting = [asyncio.create_task(queue.aget()) for queue in (mine, files)]
            await settle()
            try:
                ends(call)
                other.put(0)
                next(call)
            except (GeneratorExit, StopIteration):
                pass
            mine.put(1)
            files.push(2)
            assert await asyncio.gather(*getting) == [1, 2]
            other.drain()

    run(main)


def test_a_get_that_a_subclass_overrides_is_not_called_in_a_task() -> None:
    class Blocking(Queue[int]):
        def get(self, block: bool = True, timeout: float | None = None) -> int:
            raise AssertionError("it might block")

    async def main() -> None:
        mine, other = Blocking(), Queue[int]()
        mine.put(1)
        assert await aselect([other, mine]) == (mine, 1)
        selecting = asyncio.create_task(aselect([other, mine]))
        await settle()
        mine.put(2)
        assert await selecting == (mine, 2)

    run(main)


def test_a_durable_queue_from_which_nothing_is_taken_tells_the_next() -> None:
    async def main() -> None:
        a, b = IN_FILES.make(), Queue[int]()
        selecting = asyncio.create_task(aselect([b, a], ordered=True))
        await settle()
        getting = asyncio.create_task(a.aget())
        await settle()
        b.put(2)
        a.push(1)
        assert (await selecting)[1] == 2
        assert await asyncio.wait_for(getting, PATIENCE) == 1
        assert len(a) == 0

    run(main)


@each
def test_queues_that_are_shut_down_are_passed_over_until_all_are(kind: Kind) -> None:
    def shut_down(queue: Any) -> None:
        (getattr(queue, "shutdown", None) or queue.close)()

    async def main() -> None:
        a, b = kind.make(), kind.make()
        kind.put(a, 1)
        shut_down(a)
        assert (await aselect([a, b]))[1] == 1
        selecting = asyncio.create_task(aselect([a, b]))
        await settle()
        assert not selecting.done()
        kind.put(b, 2)
        assert (await selecting)[1] == 2
        selecting = asyncio.create_task(aselect([a, b]))
        await settle()
        shut_down(b)
        with pytest.raises(ShutDown, match="all of the queues were shut down"):
            await selecting
        with pytest.raises(ShutDown):
            await aselect([a, b])

    run(main)


@pytest.mark.parametrize("cls", [Queue, elasticq.LifoQueue, elasticq.PriorityQueue])
def test_a_queue_may_have_moved_or_move_meanwhile(cls: Any) -> None:
    async def main() -> None:
        mine, other = cls(), Queue[int]()
        selecting = asyncio.create_task(aselect([other, mine]))
        await settle()
        moved(mine)
        await settle()
        mine.put(1)
        assert await selecting == (mine, 1)

    run(main)


@pytest.mark.parametrize("timeout", [0, 0.0, 0.001, timedelta(milliseconds=1)])
def test_no_item_in_time_is_empty(timeout: Any) -> None:
    async def main() -> None:
        mine = Queue[int]()
        with pytest.raises(Empty, match="none of the queues has an item") as raised:
            await aselect([mine, IN_FILES.make()], timeout)
        assert isinstance(raised.value, standard.Empty)
        mine.put(1)
        assert await aselect([mine], timeout) == (mine, 1)

    run(main)


@pytest.mark.parametrize("timeout", [1e300, float("inf"), 10**400, timedelta.max])
def test_a_timeout_beyond_any_clock_is_none(timeout: Any) -> None:
    async def main() -> None:
        mine = Queue[int]()
        selecting = asyncio.create_task(aselect([mine], timeout))
        await settle()
        mine.put(1)
        assert await selecting == (mine, 1)

    run(main)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: aselect([]), ValueError, "at least one queue"),
        (lambda: aselect(Queue()), TypeError, "not a queue"),
        (lambda: aselect([Queue(), asyncio.Queue()]), TypeError, r"queues\[1\] must be a queue of elasticq"),  # type: ignore[arg-type]
        (lambda: aselect([Queue()], -1), ValueError, "'timeout' must be a non-negative number"),
        (lambda: aselect([Queue()], "soon"), TypeError, "'timeout' must be a number of seconds"),  # type: ignore[call-overload]
    ],
)
def test_bad_input_is_named(
    call: Callable[[], Coroutine[Any, Any, Any]], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        run(call)


def test_a_queue_may_be_there_twice() -> None:
    async def main() -> None:
        mine = Queue[int]()
        selecting = [asyncio.create_task(aselect([mine, mine])) for _ in range(2)]
        await settle()
        mine.put(1)
        mine.put(2)
        assert sorted(item for _, item in await asyncio.gather(*selecting)) == [1, 2]

    run(main)


def test_one_item_wakes_one_of_those_that_select() -> None:
    async def main() -> None:
        a, b = Queue[int](), Queue[int]()
        selecting = [asyncio.create_task(aselect([a, b])) for _ in range(5)]
        await settle()
        for number in range(5):
            (a if number % 2 else b).put(number)
            await settle()
            assert sum(task.done() for task in selecting) == number + 1
        assert sorted(item for _, item in await asyncio.gather(*selecting)) == [0, 1, 2, 3, 4]

    run(main)


def test_tasks_of_several_loops_and_threads_share_the_queues() -> None:
    queues = [Queue[int](), elasticq.LockFreeMPMCQueue[int](), moved(Queue[int]()), IN_FILES.make()]
    count = 1500
    taken: list[list[int]] = [[] for _ in range(4)]

    async def take(into: list[int]) -> None:
        while True:
            try:
                into.append((await aselect(queues))[1])
            except ShutDown:
                return

    async def two(into: list[int]) -> None:
        await asyncio.gather(take(into), take(into))

    def take_as_thread(into: list[int]) -> None:
        while True:
            try:
                into.append(select(queues)[1])
            except ShutDown:
                return

    threads = Threads()
    for into in taken[:2]:
        threads.start(lambda into: asyncio.run(two(into)), into)
    for into in taken[2:]:
        threads.start(take_as_thread, into)
    chance = random.Random(3)
    for number in range(count):
        queue: Any = chance.choice(queues)
        (getattr(queue, "put", None) or getattr(queue, "push"))(number)  # noqa: B009
    for queue in queues:
        (getattr(queue, "shutdown", None) or queue.close)()
    threads.join()
    assert sorted(number for into in taken for number in into) == list(range(count))


def test_tasks_that_are_cancelled_at_random_lose_nothing() -> None:
    seed = int(os.environ.get("ELASTICQ_SEED", random.randrange(1 << 32)))
    print("ELASTICQ_SEED =", seed)

    async def main() -> None:
        chance = random.Random(seed)
        queues = [Queue[int](), elasticq.LockFreeMPMCQueue[int](), IN_FILES.make(), moved(Queue[int]())]
        put, taken = 0, []
        waiting: set[asyncio.Task[tuple[Any, int]]] = set()
        for _ in range(10_000):
            match chance.randrange(4):
                case 0 if len(waiting) < 8:
                    chosen = chance.sample(queues, chance.randrange(1, 5))
                    waiting.add(asyncio.create_task(aselect(chosen, chance.choice([None, 0.0001]))))
                case 1 if waiting:
                    chance.choice(sorted(waiting, key=id)).cancel()
                case 2 if sum(map(len, queues)) < 8:
                    await chance.choice(queues).aput(put)
                    put += 1
                case _:
                    await asyncio.sleep(0)
            for task in [task for task in waiting if task.done()]:
                waiting.discard(task)
                if not task.cancelled() and not task.exception():
                    taken.append(task.result()[1])
        # Whoever waits now gets what is there.
        for queue in queues:
            (getattr(queue, "shutdown", None) or queue.close)()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        taken += [result[1] for result in results if not isinstance(result, BaseException)]
        for queue in queues:
            while len(queue):
                taken.append((await aselect([queue]))[1])
        assert sorted(taken) == list(range(put))

    run(main)


def test_a_task_that_always_finds_an_item_lets_its_loop_go_on() -> None:
    async def main() -> None:
        mine, other = Queue[int](), Queue[int]()
        mine.put_many(range(1_000_000))
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        while turns < 20:
            await aselect([mine, other])
        counting.cancel()

    run(main)


def test_nothing_is_kept_also_of_a_loop_that_was_closed() -> None:
    mine, files = Queue[object](), IN_FILES.make()
    item = object()

    async def take() -> None:
        selecting = asyncio.create_task(aselect([mine, files]))
        await settle()
        mine.put(item)
        await selecting

    check_for_leaks(item, [lambda: asyncio.run(take())])

    async def leave_one_waiting() -> Any:
        task = asyncio.get_running_loop().create_task(aselect([mine, files]))
        await settle()
        return weakref.ref(task)

    loop = asyncio.new_event_loop()
    task = loop.run_until_complete(leave_one_waiting())
    loop.close()
    gc.collect()
    gc.collect()
    assert task() is None
    mine.put(item)
    files.push(1)
    assert {select([mine, files])[1], select([mine, files])[1]} == {item, 1}


def test_an_item_that_another_thread_looks_at_is_found() -> None:
    """The one who looks has the consumers' end of the queue to itself for that moment."""
    mine = elasticq.LockFreeMPSCQueue[int]()

    async def main() -> None:
        for number in range(2000):
            selecting = asyncio.create_task(aselect([mine, Queue[int]()]))
            for _ in range(number % 4):
                await asyncio.sleep(0)
            await asyncio.to_thread(mine.put, number)
            assert (await selecting)[1] == number

    with background(lambda: [list(mine) for _ in range(100)]):
        run(main)


def test_a_loops_thread_does_not_wait_for_a_queue_that_another_thread_uses() -> None:
    mine = elasticq.LockFreeMPSCQueue[int]()
    done = threading.Event()
    count = 3000

    def put() -> None:
        for number in range(count):
            mine.put(number)
        done.set()

    async def main() -> list[int]:
        return [(await aselect([mine, Queue[int]()]))[1] for _ in range(count)]

    threads = Threads()
    threads.start(put)
    assert run(main) == list(range(count))
    threads.join()


def test_aselect_is_what_a_coroutine_awaits() -> None:
    async def main() -> Any:
        mine = Queue[int]()
        mine.put(1)
        return await aselect([mine]) == (mine, 1)

    assert asyncio.run(main())
