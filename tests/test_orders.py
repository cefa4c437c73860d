"""LifoQueue, PriorityQueue and SimpleQueue keep their order, whatever is compared."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest
from support import moved

from elasticq import Empty, Full, LifoQueue, PriorityQueue, ShutDown, SimpleQueue, aselect, select


def test_a_stack_behaves_like_a_list_before_and_after_it_moves(seeded: random.Random) -> None:
    for limit in (0, 50):
        q: LifoQueue[int] = LifoQueue(limit)
        model: list[int] = []
        put = 0
        for number in range(4000):
            if number == 3000:
                assert q.queue == model, "oldest first, as in the standard library"
            if number % 300 < 150:  # it grows for a while, and then shrinks
                many = [put + more for more in range(seeded.randrange(1, 9))]
                try:
                    q.put_many(many, block=False)
                except Full:
                    assert len(model) + len(many) > limit > 0
                else:
                    model += many
                    put += len(many)
            elif model:
                expected = [model.pop() for _ in range(min(seeded.randrange(1, 9), len(model)))]
                taken = q.get_many(len(expected)) if number % 2 else [q.get() for _ in expected]
                assert taken == expected
            seen = list(q)
            assert (seen, q.qsize(), q.unfinished_tasks) == (model[::-1], len(model), put)
            if model:
                assert q.peek() == model[-1]
            stats = q.stats()
            assert (stats.messages_enqueued, stats.messages_dequeued) == (put, put - len(model))
        assert q.drain() == model[::-1]


WAYS_OUT: dict[str, Callable[[LifoQueue[int]], list[int]]] = {
    "get": lambda q: [q.get() for _ in range(3)],
    "get with a timeout": lambda q: [q.get(timeout=1) for _ in range(3)],
    "get_nowait": lambda q: [q.get_nowait() for _ in range(3)],
    "get_many": lambda q: q.get_many(2) + q.get_many(2),
    "drain": lambda q: q.drain(),
    "consume": lambda q: [next(consumer) for consumer in [q.consume()] for _ in range(3)],
    "select": lambda q: [select([q])[1] for _ in range(3)],
    "aget": lambda q: asyncio.run(gathered(q.aget, 3)),
    "aget_many": lambda q: [
        item for many in asyncio.run(gathered(lambda: q.aget_many(2), 2)) for item in many
    ],
    "aselect": lambda q: [taken[1] for taken in asyncio.run(gathered(lambda: aselect([q]), 3))],
    "async for": lambda q: asyncio.run(gathered(aiter(q).__anext__, 3)),
    "the view's get": lambda q: asyncio.run(gathered(q.async_q.get, 3)),
    "iter": list,
    "peek": lambda q: [item for _ in range(3) for item in (q.peek(), q.get())][::2],
    "apeek": lambda q: [item for _ in range(3) for item in (asyncio.run(gathered(q.apeek, 1))[0], q.get())][
        ::2
    ],
}


async def gathered(call: Callable[[], Any], times: int) -> list[Any]:
    """What a call gives, so many times."""
    return [await call() for _ in range(times)]


@pytest.mark.parametrize("finish", [lambda q: q, moved], ids=["compiled", "moved"])
@pytest.mark.parametrize("way", WAYS_OUT)
def test_every_way_out_of_a_stack_begins_with_the_newest(way: str, finish: Callable[[Any], Any]) -> None:
    q: LifoQueue[int] = finish(LifoQueue())
    q.put_many([1, 2, 3])
    assert WAYS_OUT[way](q) == [3, 2, 1]


@pytest.mark.parametrize("finish", [lambda q: q, moved], ids=["compiled", "moved"])
def test_a_full_stack_drops_what_would_be_taken_last(finish: Callable[[Any], Any]) -> None:
    q: LifoQueue[int] = finish(LifoQueue(2, overflow="drop_oldest"))
    for number in range(4):
        q.put(number)
    assert (list(q), q.stats().messages_dropped) == ([3, 2], 2)


@pytest.mark.parametrize("hook", ["_init", "_qsize", "_put", "_get", "_peek", "_in_order", "_evict"])
def test_a_stack_whose_subclass_overrides_a_hook_calls_it(hook: str) -> None:
    called: list[str] = []

    def override(q: Any, *arguments: Any) -> Any:
        called.append(hook)
        return getattr(super(changed, q), hook)(*arguments)

    changed: Any = type("Changed", (LifoQueue,), {hook: override})
    q = changed(2, overflow="drop_oldest")
    q.put_many([1, 2, 3])
    if hook != "_get":  # only that subclass would have to say how to look
        assert (q.peek(), list(q)) == (3, [3, 2])
    q.get()
    assert called


class Keyed:
    """An item that is compared by its key alone. The comparison raises when it is told to."""

    failing = 0

    def __init__(self, key: int) -> None:
        self.key = key

    def __lt__(self, other: Keyed) -> bool:
        if Keyed.failing:
            Keyed.failing -= 1
            if not Keyed.failing:
                raise ArithmeticError
        return self.key < other.key


def test_a_heap_is_arranged_as_heapq_does_it(seeded: random.Random) -> None:
    q: PriorityQueue[Keyed] = PriorityQueue()
    model: list[Keyed] = []
    for _ in range(5000):
        if model and seeded.random() < 0.45:
            assert q.get() is heapq.heappop(model)
        else:
            item = Keyed(seeded.randrange(20))
            q.put(item)
            heapq.heappush(model, item)
        if seeded.random() < 0.01:
            assert q.queue == model
    assert list(q) == [heapq.heappop(model) for _ in range(len(q))]


def test_a_comparison_that_raises_changes_nothing(seeded: random.Random) -> None:
    q: PriorityQueue[Keyed] = PriorityQueue()
    for _ in range(50):
        q.put(Keyed(seeded.randrange(10)))
    before = list(q.queue)
    raised = 0
    for comparison in range(1, 20):
        for call in (lambda: q.put(Keyed(-1)), q.get):
            Keyed.failing = comparison
            try:
                call()
            except ArithmeticError:
                raised += 1
                assert q.queue == before
                assert q.unfinished_tasks == 50
            else:
                q.queue[:] = before
                q.unfinished_tasks = 50
            finally:
                Keyed.failing = 0
    assert raised >= 6  # five levels down, and at least one up


def test_a_comparison_may_use_the_queue() -> None:
    """The items are then compared once more, with those that are there now."""
    q: PriorityQueue[Any] = PriorityQueue()

    class Meddler:
        def __lt__(self, other: object) -> bool:
            taken.append(q.get_nowait())
            return True

    taken: list[Meddler] = []
    first, second = Meddler(), Meddler()
    q.put(first)
    q.put(second)
    assert (taken, list(q), q.unfinished_tasks) == ([first], [second], 2)


@pytest.mark.parametrize("meddling", ["it puts", "it takes and puts"])
def test_what_a_comparison_puts_is_not_lost_and_keeps_its_place(meddling: str) -> None:
    q: PriorityQueue[Any] = PriorityQueue()

    class Meddler:
        def __init__(self, key: int) -> None:
            self.key = key

        def __lt__(self, other: Meddler) -> bool:
            if keys:
                key = keys.pop()
                if meddling == "it takes and puts":
                    taken.append(q.get_nowait())
                q.put(Meddler(key))
            return self.key < other.key

    keys: list[int] = []
    taken: list[Meddler] = []
    q.put(Meddler(1))
    keys.append(3)
    q.put(Meddler(2))
    left = [q.get().key for _ in range(q.qsize())]
    assert [item.key for item in taken] + left == [1, 2, 3]
    assert q.unfinished_tasks == 3


def test_tuples_are_compared_as_python_compares_them() -> None:
    nan = float("nan")
    items: list[Any] = [
        *((nan, 1), (nan, 0), (1, nan), (1, 2.5), (1,), (1, 2, 3), (0, "b"), (0, "a"), (True, 0), (2, b"a")),
        *((2, b""), (float("nan"), 5), (3, (1, 2)), (3, (1, 1)), (3, (1, None)), (4, None), (4, None, 1), ()),
    ]
    for first, second in itertools.permutations(items, 2):
        model: list[Any] = []
        q: PriorityQueue[Any] = PriorityQueue()
        try:
            heapq.heappush(model, first)
            heapq.heappush(model, second)
        except TypeError:
            q.put(first)
            with pytest.raises(TypeError):
                q.put(second)
        else:
            q.put(first)
            q.put(second)
            assert (q.get(), q.get()) == (heapq.heappop(model), heapq.heappop(model)), (first, second)


def test_items_that_cannot_be_compared() -> None:
    q: PriorityQueue[Any] = PriorityQueue()
    q.put(1)
    with pytest.raises(TypeError):
        q.put("1")
    assert (list(q), q.unfinished_tasks, q.get()) == ([1], 1, 1)


async def test_tasks_wait_for_every_order() -> None:
    for q, expected in ((LifoQueue[int](), [3, 2, 1]), (PriorityQueue[int](), [1, 2, 3])):
        for item in (1, 3, 2) if isinstance(q, PriorityQueue) else (1, 2, 3):
            await q.aput(item)
        q.shutdown()
        assert (list(q), q.peek()) == (expected, expected[0])
        assert [item async for item in q] == expected


async def test_the_simple_queue_serves_tasks_and_ends() -> None:
    q: SimpleQueue[int] = SimpleQueue()
    assert bool(q)
    q.put(1, False, -1)
    q.put(2, block=True, timeout=None)
    assert (await q.aget(), len(q), list(q)) == (1, 1, [2])
    q.close()
    with pytest.raises(ShutDown):
        q.put(3)
    assert list(q.consume()) == [2]
    with pytest.raises(ShutDown):
        q.get_nowait()


def test_bad_input_of_the_simple_queue() -> None:
    q: SimpleQueue[int] = SimpleQueue[int]()
    for timeout in (-1, -0.5):
        with pytest.raises(ValueError, match="timeout"):
            q.get(True, timeout)
    calls: list[Callable[[], object]] = [q.get_nowait, lambda: q.get(False, -1), lambda: q.get(timeout=0)]
    for call in calls:
        with pytest.raises(Empty):
            call()
    with pytest.raises(TypeError):
        SimpleQueue(1)  # type: ignore[call-arg]


def test_batches_of_a_simple_queue() -> None:
    q: SimpleQueue[int] = SimpleQueue()
    for batch in ([1, 2], (3,), iter([4, 5])):
        q.put_many(batch)
    assert (q.get_many(2), q.get_many(), q.qsize()) == ([1, 2], [3, 4, 5], 0)
    with pytest.raises(Empty):
        q.get_many(block=False)
    with pytest.raises(ValueError, match="'n' must be at least 1"):
        q.get_many(0)
    with pytest.raises(ZeroDivisionError):
        q.put_many(1 // number for number in (1, 0))
    q.close()
    with pytest.raises(ShutDown) as closed:
        q.put_many([6, 7])
    assert closed.value.remaining == [6, 7]
    with pytest.raises(ShutDown):
        q.get_many()
