"""A limit by weight: the items inside never weigh more, and waiters for room are served in turn."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import threading
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import PATIENCE, Threads, background, python, wait_until, wait_until_asleep

from elasticq import Empty, Full, InvalidConfiguration, InvalidOperation, LifoQueue, Queue, ShutDown

RUN = settings(
    max_examples=20_000 if os.environ.get("ELASTICQ_SEARCH") else 500,
    deadline=None,
    derandomize=not os.environ.get("ELASTICQ_SEARCH"),
)


def itself(item: int) -> int:
    """The weight of a number."""
    return item


def test_the_length_is_the_weight_unless_said_otherwise() -> None:
    q: Queue[bytes] = Queue(max_weight=10)
    assert (q.max_weight, q.weight, q.maxsize) == (10, 0, 0)
    q.put(b"abc")
    q.put_many([b"", b"defgh"])
    assert (q.weight, len(q), q.full()) == (8, 3, False)
    with pytest.raises(Full, match="max_weight = 10"):
        q.put(b"ijk", block=False)
    q.put(b"ij")
    assert q.full()


def test_without_a_limit_nothing_weighs_anything() -> None:
    q: Queue[str] = Queue()
    q.put("abc")
    assert (q.max_weight, q.weight) == (None, 0)


def test_every_way_of_leaving_gives_the_weight_back() -> None:
    q: Queue[int] = Queue(max_weight=100, weigh=itself)
    ways: list[tuple[Callable[[], object], int]] = [
        (q.get, 9),
        (q.get_nowait, 7),
        (lambda: q.get_many(2), 4),
        (lambda: asyncio.run(q.aget()), 0),
    ]
    q.put_many([1, 2, 1, 2, 4])
    for take, left in ways:
        take()
        assert q.weight == left
    for take_all in (q.drain, q.clear, lambda: q.shutdown(immediate=True)):
        q.put_many([50, 50])
        assert q.weight == 100
        take_all()
        assert q.weight == 0
    assert q.stats().current_size == 0


def test_number_and_weight_may_both_be_limited() -> None:
    q: Queue[int] = Queue(2, max_weight=10, weigh=itself)
    q.put(1)
    with pytest.raises(Full):
        q.put_nowait(10)
    q.put(1)
    assert q.full()
    with pytest.raises(Full):
        q.put_nowait(0)


def test_what_weighs_nothing_fits_as_long_as_the_number_allows() -> None:
    q: Queue[int] = Queue(max_weight=1, weigh=itself)
    q.put(1)
    q.put_many([0] * 100)
    assert (len(q), q.weight) == (101, 1)


PUTS: dict[str, Callable[[Queue[Any], Any], object]] = {
    "put": lambda q, item: q.put(item),
    "put_nowait": lambda q, item: q.put_nowait(item),
    "put_many": lambda q, item: q.put_many([1, item]),
    "aput": lambda q, item: asyncio.run(q.aput(item)),
}


@pytest.mark.parametrize("overflow", ["block", "error", "drop_oldest", "drop_newest"])
@pytest.mark.parametrize("put", PUTS.values(), ids=PUTS)
@pytest.mark.parametrize(
    ("weight", "error", "text"),
    [
        (11, ValueError, "11.*max_weight = 10"),
        (1 << 100, ValueError, f"{1 << 100}.*max_weight = 10"),
        (-1, ValueError, "non-negative, not -1"),
        (-(1 << 100), ValueError, "non-negative"),
        (1.0, TypeError, "integer, not float"),
        (None, TypeError, "integer, not NoneType"),
        ("1", TypeError, "integer, not str"),
    ],
)
def test_a_weight_that_is_none_or_never_fits_is_refused_at_once(
    overflow: Any, put: Callable[[Queue[Any], Any], object], weight: Any, error: type[Exception], text: str
) -> None:
    q: Queue[Any] = Queue(max_weight=10, weigh=lambda item: item, overflow=overflow)
    q.put_many([3, 4])
    with pytest.raises(error, match=text):
        put(q, weight)
    assert (list(q), q.weight, q.unfinished_tasks) == ([3, 4], 7, 2)


@pytest.mark.parametrize("put", PUTS.values(), ids=PUTS)
def test_what_weigh_raises_comes_through_and_nothing_has_changed(
    put: Callable[[Queue[Any], Any], object],
) -> None:
    def weigh(item: object) -> int:
        if item == "bad":
            raise ZeroDivisionError("weighing")
        return 1

    q: Queue[Any] = Queue(max_weight=10, weigh=weigh)
    q.put("good")
    with pytest.raises(ZeroDivisionError, match="weighing"):
        put(q, "bad")
    assert (list(q), q.weight) == (["good"], 1)
    unsized: Queue[Any] = Queue(max_weight=10)
    with pytest.raises(TypeError, match="has no len"):
        unsized.put(5)


def test_each_item_is_weighed_once_however_long_it_waits(threads: Threads) -> None:
    weighed: list[int] = []

    def weigh(item: int) -> int:
        weighed.append(item)
        return item

    q: Queue[int] = Queue(max_weight=10, weigh=weigh)
    q.put_many([5, 5])
    for item in (6, 7):
        wait_until_asleep(threads.start(q.put, item))

    async def waiting() -> None:
        put = asyncio.ensure_future(q.aput(8))
        await asyncio.sleep(0)
        while len(q):
            q.get_nowait()
        while not put.done():
            await asyncio.sleep(0)
            q.get_many(block=False) if len(q) else None

    asyncio.run(waiting())
    threads.join()
    assert sorted(weighed) == [5, 5, 6, 7, 8]


def test_weigh_may_use_the_queue() -> None:
    q: Queue[int] = Queue(max_weight=10, weigh=lambda item: item + len(q) * 0 + q.weight * 0)
    q.put(3)
    q.put_many([3, 4])
    assert q.weight == 10


def test_the_first_to_wait_is_served_first_however_heavy(threads: Threads) -> None:
    q: Queue[int] = Queue(max_weight=10, weigh=itself)
    q.put_many([2, 2, 2, 2, 2])
    for item in (9, 1, 3):
        wait_until_asleep(threads.start(q.put, item))
    for _ in range(4):
        assert q.get() == 2
        with pytest.raises(Full):  # there is room for the item, but others came before
            q.put_nowait(1)
        assert set(q) == {2}
    assert [q.get() for _ in range(4)] == [2, 9, 1, 3]
    threads.join()


def test_tasks_and_threads_stand_in_one_line(threads: Threads) -> None:
    q: Queue[int] = Queue(max_weight=10, weigh=itself)
    q.put(10)
    order: list[int] = []

    async def main() -> None:
        tasks = [asyncio.ensure_future(q.aput(9))]
        await asyncio.sleep(0)
        wait_until_asleep(threads.start(q.put, 8))
        tasks.append(asyncio.ensure_future(q.aput(7)))
        await asyncio.sleep(0)
        wait_until_asleep(threads.start(q.put, 6))
        for _ in range(5):
            order.append(await q.aget())
        await asyncio.gather(*tasks)

    asyncio.run(main())
    threads.join()
    assert order == [10, 9, 8, 7, 6]


def test_who_gives_up_lets_those_behind_go(threads: Threads) -> None:
    q: Queue[int] = Queue(max_weight=10, weigh=itself)
    q.put(5)
    gave_up = threading.Event()

    def impatient() -> None:
        with pytest.raises(Full):
            q.put(9, timeout=0.2)
        gave_up.set()

    wait_until_asleep(threads.start(impatient))
    threads.start(q.put, 5)
    threads.join()
    assert gave_up.is_set()
    assert list(q) == [5, 5]


def test_a_cancelled_task_lets_those_behind_go() -> None:
    q: Queue[int] = Queue(max_weight=10, weigh=itself)
    q.put(5)

    async def main() -> None:
        heavy, light = (asyncio.ensure_future(q.aput(item)) for item in (9, 4))
        await asyncio.sleep(0)
        assert list(q) == [5]
        heavy.cancel()
        await light
        with pytest.raises(asyncio.CancelledError):
            await heavy

    asyncio.run(main())
    assert list(q) == [5, 4]


def test_an_abandoned_coroutine_leaves_no_place_behind() -> None:
    q: Queue[int] = Queue(max_weight=10, weigh=itself)
    q.put(5)

    async def main() -> None:
        coroutine = q.aput(9)
        coroutine.send(None)  # the put waits now
        with pytest.raises(Full):
            q.put_nowait(1)
        coroutine.close()
        q.put_nowait(1)
        q.aput(9).close()

    asyncio.run(main())
    assert list(q) == [5, 1]


def test_a_task_takes_without_suspending() -> None:
    q: Queue[int] = Queue(max_weight=10, weigh=itself)
    q.put_many([1, 2])
    with pytest.raises(StopIteration) as end:
        q.aget().send(None)
    assert end.value.value == 1


def test_a_batch_of_a_task_keeps_its_place_until_all_of_it_is_in(threads: Threads) -> None:
    q: Queue[int] = Queue(max_weight=10, weigh=itself)

    async def main() -> list[int]:
        batch = asyncio.ensure_future(q.aput_many([6, 3, 5, 7]))
        await asyncio.sleep(0)
        assert list(q) == [6, 3]
        threads.start(q.put, 1)
        with pytest.raises(Full):
            q.put_nowait(1)
        order = [await q.aget() for _ in range(4)]
        await batch
        return order

    assert asyncio.run(main()) == [6, 3, 5, 7]
    threads.join()
    assert q.drain() == [1]


def test_what_is_left_of_a_batch_that_is_cancelled() -> None:
    q: Queue[int] = Queue(max_weight=10, weigh=itself)

    async def main() -> None:
        batch = q.aput_many([6, 3, 5, 7])
        batch.send(None)
        with pytest.raises(asyncio.CancelledError) as cancelled:
            batch.throw(asyncio.CancelledError())
        assert cancelled.value.remaining == [5, 7]  # type: ignore[attr-defined]
        q.put_nowait(1)  # the place in the line is free
        batch = q.aput_many([5, 7])
        batch.send(None)
        q.shutdown()
        with pytest.raises(ShutDown) as shut_down:
            batch.send(None)
        assert shut_down.value.remaining == [5, 7]
        with pytest.raises(ShutDown) as shut_down:
            q.aput_many([1]).send(None)
        assert shut_down.value.remaining == [1]

    asyncio.run(main())
    assert q.drain() == [6, 3, 1]


def test_a_batch_of_which_an_item_can_not_be_weighed_changes_nothing() -> None:
    q: Queue[Any] = Queue(max_weight=10)
    with pytest.raises(TypeError):
        asyncio.run(q.aput_many(["a", 1]))
    with pytest.raises(ValueError, match="never fits"):
        asyncio.run(q.aput_many(["a", "b" * 11]))
    assert q.drain() == []


def test_what_weigh_raises_comes_through_the_view_as_it_is() -> None:
    raised = ValueError("no scales")

    def weigh(item: int) -> int:
        raise raised

    q: Queue[int] = Queue(max_weight=10, weigh=weigh)
    ways: list[Callable[[], None]] = [lambda: asyncio.run(q.async_q.put(1)), lambda: q.async_q.put_nowait(1)]
    for put in ways:
        with pytest.raises(ValueError, match="no scales") as caught:
            put()
        assert caught.value is raised


def test_a_loop_that_stopped_is_passed_by(threads: Threads) -> None:
    q: Queue[int] = Queue(max_weight=10, weigh=itself)
    q.put(10)
    loop = asyncio.new_event_loop()
    heavy = loop.create_task(q.aput(9))
    loop.run_until_complete(asyncio.sleep(0))
    light = threads.start(q.put, 4)
    wait_until_asleep(light)
    assert q.get() == 10
    threads.join()
    q.put_nowait(1)
    assert q.drain() == [4, 1]
    loop.run_until_complete(heavy)
    assert q.drain() == [9]
    heavy = loop.create_task(q.aput(9))
    q.put(10)
    loop.run_until_complete(asyncio.sleep(0))
    heavy.cancel()
    loop.run_until_complete(asyncio.gather(heavy, return_exceptions=True))
    loop.close()
    assert q.get() == 10
    q.put_nowait(10)


def test_a_thread_that_blocks_its_own_loop_goes_before_its_tasks(threads: Threads) -> None:
    q: Queue[int] = Queue(max_weight=10, weigh=itself)
    q.put(10)

    async def main() -> None:
        heavy = asyncio.ensure_future(q.aput(9))
        await asyncio.sleep(0)
        blocked = threading.current_thread()

        def take() -> None:
            wait_until_asleep(blocked)
            assert q.get() == 10

        threads.start(take)
        q.put(4)  # if it waited behind a task of the loop that it blocks, it would wait for ever
        assert await q.aget() == 4
        await heavy

    asyncio.run(main())
    threads.join()
    assert q.drain() == [9]


def test_shutdown_ends_all_waiting(threads: Threads) -> None:
    q: Queue[int] = Queue(max_weight=10, weigh=itself)
    q.put(10)
    ended: list[int] = []

    def wait(item: int) -> None:
        with pytest.raises(ShutDown):
            q.put(item)
        ended.append(item)

    for item in (9, 8, 7):
        wait_until_asleep(threads.start(wait, item))

    async def main() -> None:
        tasks = [asyncio.ensure_future(q.aput(item)) for item in (6, 5)]
        await asyncio.sleep(0)
        q.shutdown()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [ShutDown, ShutDown]

    asyncio.run(main())
    threads.join()
    assert sorted(ended) == [7, 8, 9]
    assert (q.drain(), q.weight) == ([10], 0)


def test_a_batch_goes_in_piece_by_piece_and_tells_what_remains(threads: Threads) -> None:
    q: Queue[int] = Queue(max_weight=10, weigh=itself)
    with pytest.raises(Full) as full:
        q.put_many([4, 4, 4, 1], timeout=0.01)
    assert full.value.remaining == [4, 1]
    assert q.drain() == [4, 4]
    with pytest.raises(Full) as full:
        q.put_many([4, 4, 4, 1], block=False)
    assert full.value.remaining == [4, 4, 4, 1]
    assert (len(q), q.weight) == (0, 0)

    remaining: list[int] = []

    def put_many() -> None:
        try:
            q.put_many(list(range(1, 10)))
        except ShutDown as shut_down:
            remaining.extend(shut_down.remaining)  # type: ignore[arg-type]

    producer = threads.start(put_many)
    taken = [q.get() for _ in range(5)]
    wait_until(lambda: list(q) == [6], "as much is in as fits")
    wait_until_asleep(producer)
    q.shutdown()
    threads.join()
    assert taken + q.drain() + remaining == list(range(1, 10))


@pytest.mark.parametrize("number", [None, 2])
def test_drop_oldest_evicts_as_many_as_need_be(number: int | None) -> None:
    q: Queue[int] = Queue(number or 0, max_weight=10, weigh=itself, overflow="drop_oldest")
    q.put_many([3, 3, 3])
    assert q.drain() == ([3, 3, 3] if number is None else [3, 3])
    q.put_many([4, 4])
    q.put(7)
    assert (list(q), q.weight) == ([7], 7)
    q.put(3)
    q.put(10)
    assert (list(q), q.weight) == ([10], 10)
    assert q.stats().messages_dropped == (4 if number is None else 5)


def test_drop_newest_drops_what_does_not_fit_and_only_that() -> None:
    q: Queue[int] = Queue(max_weight=10, weigh=itself, overflow="drop_newest")
    q.put_many([4, 7, 5, 2, 1])
    assert (list(q), q.weight, q.stats().messages_dropped) == ([4, 5, 1], 10, 2)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"max_weight": 0}, InvalidConfiguration, "max_weight = 0"),
        ({"max_weight": -5}, InvalidConfiguration, "max_weight = -5"),
        ({"max_weight": 1 << 70}, InvalidConfiguration, f"max_weight = {1 << 70}"),
        ({"max_weight": "1"}, TypeError, "max_weight must be an integer, not str"),
        ({"max_weight": 1.5}, TypeError, "max_weight must be an integer, not float"),
        ({"weigh": len}, InvalidConfiguration, "weigh without max_weight"),
        ({"max_weight": 1, "weigh": 5}, TypeError, "weigh must be callable, not int"),
    ],
)
def test_bad_settings_are_named(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Queue(**options)


def test_a_cycle_through_weigh_is_collected() -> None:
    class Scale:
        q: Queue[int]

        def weigh(self, item: int) -> int:
            return item

    scale = Scale()
    scale.q = Queue(max_weight=10, weigh=scale.weigh)
    scale.q.put(1)
    gone = weakref.ref(scale)
    del scale
    gc.collect()
    assert gone() is None


def test_a_waiting_task_is_collected_with_its_queue() -> None:
    class Thing:
        def __len__(self) -> int:
            return 9

    async def main() -> list[Any]:
        q: Queue[Any] = Queue(max_weight=10)
        q.put(b"12345")
        thing = Thing()
        coroutine = q.aput(thing)
        coroutine.send(None)
        cycle: list[Any] = [q, coroutine]
        cycle.append(cycle)
        return [weakref.ref(q), weakref.ref(thing)]

    gone = asyncio.run(main())
    gc.collect()
    assert [look() for look in gone] == [None, None]


class Model:
    """A queue with limits, in the simplest code."""

    def __init__(self, maxsize: int, max_weight: int, overflow: str) -> None:
        self.maxsize, self.max_weight, self.overflow = maxsize or float("inf"), max_weight, overflow
        self.items: list[int] = []
        self.dropped = self.refused = 0

    def fits(self, items: list[int]) -> bool:
        return len(items) <= self.maxsize and sum(items) <= self.max_weight

    def put(self, item: int) -> bool:
        """Puts an item. False if it is refused."""
        if not self.fits([*self.items, item]):
            if self.overflow in ("block", "error"):
                self.refused += 1
                return False
            if self.overflow == "drop_newest":
                self.dropped += 1
                return True
            while not self.fits([*self.items, item]):
                self.items.pop(0)
                self.dropped += 1
        self.items.append(item)
        return True

    def put_many(self, items: list[int]) -> bool:
        if self.overflow in ("block", "error") and not self.fits(self.items + items):
            self.refused += len(items)
            return False
        return [self.put(item) for item in items].count(False) == 0


weights = st.integers(0, 10)
steps = st.one_of(
    st.tuples(st.just("put"), weights),
    st.tuples(st.just("put_many"), st.lists(weights, max_size=12)),
    st.tuples(st.just("get"), st.none()),
    st.tuples(st.just("get_many"), st.integers(1, 5)),
    st.tuples(st.just("clear"), st.none()),
)


@RUN
@given(
    maxsize=st.integers(0, 6),
    max_weight=st.integers(10, 30),
    overflow=st.sampled_from(["block", "error", "drop_oldest", "drop_newest"]),
    kind=st.sampled_from([list, tuple, iter]),
    run=st.lists(steps, max_size=40),
)
def test_a_limited_queue_does_what_a_plain_one_does(
    maxsize: int,
    max_weight: int,
    overflow: Literal["block", "error", "drop_oldest", "drop_newest"],
    kind: Callable[[list[int]], Any],
    run: list[tuple[str, Any]],
) -> None:
    q: Queue[int] = Queue(maxsize, max_weight=max_weight, weigh=itself, overflow=overflow)
    model = Model(maxsize, max_weight, overflow)
    for step, value in run:
        if step in ("put", "put_many"):
            accepted = model.put(value) if step == "put" else model.put_many(value)
            with nullcontext() if accepted else pytest.raises(Full):
                if step == "put":
                    q.put(value, block=False)
                else:
                    q.put_many(kind(value), block=False)
        elif step == "clear":
            assert q.clear() == len(model.items)
            model.dropped += len(model.items)
            model.items.clear()
        else:
            count = value or 1
            expected, model.items = model.items[:count], model.items[count:]
            try:
                got = q.get_many(count, block=False) if step == "get_many" else [q.get(block=False)]
            except Empty:
                got = []
            assert got == expected
            for _ in got:
                q.task_done()
        assert list(q) == model.items
        assert q.weight == sum(model.items)
        assert q.full() == (len(q) == model.maxsize or q.weight == max_weight)
        assert q.unfinished_tasks == len(model.items)
        stats = q.stats()
        assert (stats.messages_dropped, stats.messages_refused) == (model.dropped, model.refused)
        assert stats.messages_enqueued == stats.messages_dequeued + stats.messages_dropped + len(q)


def take_batches(q: Queue[tuple[int, int, int]], into: list[tuple[int, int, int]]) -> None:
    """Takes batches until the queue is shut down and empty."""
    try:
        while True:
            into.extend(q.get_many(3))
    except ShutDown:
        pass


@pytest.mark.parametrize("overflow", ["block", "error", "drop_oldest", "drop_newest"])
def test_under_threads_and_tasks_nothing_is_lost_and_the_weight_never_exceeded(
    overflow: Any, threads: Threads, seeded: random.Random
) -> None:
    limit, producers, count = 50, 3, 1500
    q: Queue[tuple[int, int, int]] = Queue(max_weight=limit, weigh=lambda item: item[2], overflow=overflow)
    refused: list[Any] = []
    got: list[list[tuple[int, int, int]]] = [[], []]

    def produce(number: int, choices: random.Random) -> None:
        left = [(number, n, choices.choice([0, 1, 1, 2, 5, limit])) for n in range(count)]
        while left:
            size = choices.choice([1, 1, 1, 7])
            batch, left = left[:size], left[size:]
            try:
                if size == 1:
                    q.put(batch[0])
                else:
                    q.put_many(batch)
            except Full as full:
                refused.extend(getattr(full, "remaining", batch))

    def produce_in_tasks(number: int, choices: random.Random) -> None:
        async def main() -> None:
            async def one(part: int) -> None:
                for n in range(part, count, 5):
                    try:
                        await q.aput((number, n, choices.choice([0, 1, 2, limit])))
                    except Full:
                        refused.append(n)

            await asyncio.gather(*(one(part) for part in range(5)))

        asyncio.run(main())

    def consume(into: list[tuple[int, int, int]]) -> None:
        into.extend(q.consume())

    def look() -> None:
        assert 0 <= q.weight <= limit
        assert sum(weight for _, _, weight in q) <= limit

    threads.start(consume, got[0])
    threads.start(take_batches, q, got[1])
    with background(look):
        running = [threads.start(produce, n, random.Random(seeded.random())) for n in range(producers)]
        running += [threads.start(produce_in_tasks, n, random.Random(seeded.random())) for n in (3, 4)]
        for thread in running:
            thread.join(PATIENCE)
            assert not thread.is_alive()
    q.shutdown()
    threads.join()

    taken = [(number, n) for into in got for number, n, _ in into]
    dropped = q.stats().messages_dropped + q.stats().messages_refused
    assert len(set(taken)) == len(taken)
    assert len(taken) + dropped == 5 * count
    if overflow in ("block", "error"):
        assert dropped == len(refused)
    assert q.weight == 0
    assert q.unfinished_tasks == len(taken)


def test_control_c_ends_a_wait_in_line_and_leaves_the_place_to_others() -> None:
    output = python(
        """
    import os, signal, threading
    from elasticq import Queue

    q = Queue(max_weight=10)
    q.put("12345")

    def interrupt():
        while q.weight < 9:
            pass
        if os.name == "nt":  # there os.kill ends a process
            signal.raise_signal(signal.SIGINT)
        else:
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        q.put_many(["1234", "123456789", "1"])
    except KeyboardInterrupt as interrupted:
        print(interrupted.remaining, q.weight, list(q))
    thread.join()
    q.put("1", timeout=0)
    print(q.weight)
    """
    )
    assert output == "['123456789', '1'] 9 ['12345', '1234']\n10\n"


@pytest.mark.parametrize("name", ["mutex", "queue", "not_empty", "not_full", "all_tasks_done"])
def test_a_weighing_queue_keeps_its_own_lock(name: str) -> None:
    q: Queue[bytes] = Queue(max_weight=10)
    q.put(b"one")
    with pytest.raises(InvalidOperation, match="max_weight"):
        getattr(q, name)
    with pytest.raises(InvalidOperation, match="max_weight"):
        q.maxsize = 3
    assert (q.drain(), q.weight) == ([b"one"], 0)


def test_a_subclass_with_hooks_does_not_weigh() -> None:
    class Hooked(Queue[bytes]):
        def _put(self, item: bytes) -> None:
            super()._put(item)

    with pytest.raises(InvalidOperation, match="_put"):
        Hooked(max_weight=10)
    Hooked().put(b"one")


def test_a_stack_does_not_weigh() -> None:
    class Stack(LifoQueue[bytes]):
        def __init__(self) -> None:
            with pytest.raises(InvalidOperation, match="a stack together with max_weight"):
                Queue.__init__(self, max_weight=10)
            super().__init__()

    q = Stack()
    q.put_many([b"one", b"two"])
    assert q.get() == b"two"


def test_a_subclass_may_choose_the_weights_itself() -> None:
    class Letters(Queue[str]):
        def __init__(self, letters: int) -> None:
            super().__init__(max_weight=letters)

    q = Letters(5)
    q.put("four")
    with pytest.raises(Full):
        q.put_nowait("two")
    assert (q.max_weight, q.weight) == (5, 4)


def test_a_weighing_queue_begins_only_once() -> None:
    q: Queue[bytes] = Queue(max_weight=10)
    q.put(b"one")
    for max_weight in (None, 3):
        with pytest.raises(InvalidOperation, match="once"):
            q.__init__(5, max_weight=max_weight)  # type: ignore[misc]
    assert (q.drain(), q.max_weight, q.maxsize) == ([b"one"], 10, 0)
    plain: Queue[bytes] = Queue()
    plain.put(b"one")
    with pytest.raises(InvalidOperation, match="once"):
        plain.__init__(max_weight=10)  # type: ignore[misc]
    assert plain.drain() == [b"one"]
