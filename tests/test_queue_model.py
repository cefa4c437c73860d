"""Any sequence of calls has the same effect on an elastic queue as on a plain list.

Hypothesis makes up the sequences: the same ones in each run. With ELASTICQ_SEARCH set they are new, and more.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from elasticq import (
    BufferError,  # noqa: A004
    Config,
    DynamicCircularBuffer,
    Empty,
    Full,
    MaxCapacityReached,
    Queue,
    QueueStats,
    ShutDown,
)

RUN = (
    settings(max_examples=5000, stateful_step_count=100, deadline=None, print_blob=True)
    if os.environ.get("ELASTICQ_SEARCH")
    else settings(max_examples=100, stateful_step_count=50, deadline=None, derandomize=True)
)

batches = st.integers(0, 200)
factors = st.sampled_from([1.01, 1.5, 2.0, 3.7, 100.0])
thresholds = st.sampled_from([0.01, 0.25, 0.5, 0.9, 0.99])


class Model:
    """What is in the queue, and what went through it."""

    def __init__(self, smallest: int, initial: int, largest: int | None) -> None:
        self.smallest, self.initial, self.largest = smallest, initial, largest
        self.items: list[int] = []
        self.next_item = self.put = self.taken = self.dropped = self.refused = self.peak = self.done = 0
        self.closed = self.emptied = False

    def new_items(self, count: int) -> list[int]:
        """Items that were never used before."""
        self.next_item += count
        return list(range(self.next_item - count, self.next_item))

    def room(self) -> float:
        """How many more items fit."""
        return float("inf") if self.largest is None else self.largest - len(self.items)

    def add(self, items: list[int]) -> None:
        """Notes that items were put."""
        self.items += items
        self.put += len(items)
        self.peak = max(self.peak, len(self.items))

    def refuse(self, items: list[int]) -> None:
        """Notes that items were refused."""
        self.refused += len(items)

    def take(self, count: int) -> list[int]:
        """The oldest items."""
        taken, self.items = self.items[:count], self.items[count:]
        self.taken += len(taken)
        self.emptied |= not self.items
        return taken

    def drop_all(self) -> int:
        """Notes that everything was dropped. Returns how much that was."""
        dropped = len(self.take(len(self.items)))
        self.taken -= dropped
        self.dropped += dropped
        return dropped

    def check(self, stats: QueueStats, capacity: int) -> None:
        """Whether counters and capacity are what they should be."""
        assert (stats.messages_enqueued, stats.messages_dequeued) == (self.put, self.taken)
        assert (stats.messages_dropped, stats.messages_refused) == (self.dropped, self.refused)
        assert (stats.current_size, stats.peak_size) == (len(self.items), self.peak)
        assert stats.current_capacity == capacity
        assert self.smallest <= capacity
        assert capacity >= len(self.items)
        assert self.largest is None or capacity <= self.largest
        if self.put == 0 and not self.emptied:
            assert (capacity, stats.grown, stats.shrunk) == (self.initial, 0, 0)
        elif self.emptied and not self.items:
            assert capacity == self.smallest


class Machine(RuleBasedStateMachine):
    """What both classes have in common."""

    model: Model
    queue: Queue[int] | DynamicCircularBuffer[int]

    def put(self, items: list[int], call: Callable[[], object], error: type[Exception] | None) -> None:
        """Makes a call that puts items, or is refused with an error."""
        if error is None:
            call()
            self.model.add(items)
        else:
            with pytest.raises(error):
                call()
            self.model.refuse(items)

    def take(self, call: Callable[[], object], count: int, nothing: type[Exception] | None) -> None:
        """Makes a call that takes up to `count` items, or raises an error if there is nothing."""
        if self.model.items:
            assert call() == self.model.take(count)
        elif nothing is None:
            assert call() == []
        else:
            with pytest.raises(nothing):
                call()

    def nothing(self) -> type[Exception]:
        """The error of a call that finds nothing to take."""
        return ShutDown if self.model.closed else Empty

    @rule()
    def drain(self) -> None:
        assert self.queue.drain() == self.model.take(len(self.model.items))

    @rule()
    def peek(self) -> None:
        if self.model.items:
            assert self.queue.peek() == self.model.items[0]
        else:
            with pytest.raises(self.nothing()):
                self.queue.peek()

    @rule()
    @precondition(lambda self: len(self.model.items) > 0)
    def empty_one_by_one(self) -> None:
        default: Any = object()
        while self.model.items:
            assert self.queue._poll(default) == self.model.take(1)[0]

    @invariant()
    @precondition(lambda self: hasattr(self, "model"))
    def same_items_and_counters(self) -> None:
        assert list(self.queue) == self.model.items
        assert len(self.queue) == len(self.model.items)
        assert self.queue.is_shutdown == self.model.closed
        self.model.check(self.queue.stats(), self.queue.capacity)


class QueueMachine(Machine):
    """`Queue`, bounded or not."""

    queue: Queue[int]

    @initialize(
        maxsize=st.sampled_from([-1, 0, 1, 2, 63, 64, 65, 100, 500]),
        smallest=st.none() | st.integers(1, 100),
        ahead=st.integers(0, 300),
        growth=factors,
        shrink=thresholds,
    )
    def make(self, maxsize: int, smallest: int | None, ahead: int, growth: float, shrink: float) -> None:
        largest = maxsize if maxsize > 0 else None
        most = 10_000 if largest is None else largest
        settings: dict[str, Any] = {"growth_factor": growth, "shrink_threshold": shrink}
        low = initial = min(64, most)
        if smallest is not None:
            low = settings["min_capacity"] = min(smallest, most)
            initial = settings["initial_capacity"] = min(low + ahead, most)
        self.queue = Queue(maxsize, **settings)
        self.model = Model(low, initial, largest)

    def full(self, count: int) -> type[Exception] | None:
        """The error of a call that puts `count` items."""
        if self.model.closed:
            return ShutDown
        return None if count <= self.model.room() else Full

    @rule(how=st.sampled_from(["put", "put_nowait", "offer"]))
    def put_one(self, how: str) -> None:
        items = self.model.new_items(1)
        error = self.full(1)
        if how == "put":
            self.put(items, lambda: self.queue.put(items[0], timeout=0), error)
        elif how == "put_nowait":
            self.put(items, lambda: self.queue.put_nowait(items[0]), error)
        elif error is Full:
            assert not self.queue._offer(items[0])
        else:
            self.put(items, lambda: self.queue._offer(items[0]), error)

    @rule(count=batches, kind=st.sampled_from([list, tuple, iter]))
    def put_all_or_none(self, count: int, kind: Callable[[list[int]], Any]) -> None:
        items = self.model.new_items(count)
        self.put(items, lambda: self.queue.put_many(kind(items), block=False), self.full(count))

    @rule(count=batches, kind=st.sampled_from([list, tuple, iter]))
    def put_as_many_as_fit(self, count: int, kind: Callable[[list[int]], Any]) -> None:
        items = self.model.new_items(count)
        error = self.full(count)
        if error is not Full:
            self.put(items, lambda: self.queue.put_many(kind(items), timeout=0), error)
            return
        with pytest.raises(Full) as raised:
            self.queue.put_many(kind(items), timeout=0)
        room = int(self.model.room())
        assert raised.value.remaining == items[room:]
        self.model.add(items[:room])
        self.model.refuse(items[room:])

    @rule(how=st.sampled_from(["get", "get_nowait"]))
    def get_one(self, how: str) -> None:
        get = self.queue.get_nowait if how == "get_nowait" else lambda: self.queue.get(timeout=0)
        self.take(lambda: [get()], 1, self.nothing())

    @rule(count=st.integers(1, 200))
    def get_many(self, count: int) -> None:
        self.take(lambda: self.queue.get_many(count, block=False), count, self.nothing())

    @rule()
    def clear(self) -> None:
        cleared = self.model.drop_all()
        assert self.queue.clear() == cleared
        self.model.done = min(self.model.done + cleared, self.model.put)

    @rule()
    def task_done(self) -> None:
        if self.model.done < self.model.put:
            self.queue.task_done()
            self.model.done += 1
        else:
            with pytest.raises(ValueError, match="too many times"):
                self.queue.task_done()

    @rule(closes=st.integers(0, 19).map(lambda number: number == 0))
    def shut_down(self, closes: bool) -> None:
        if closes:
            self.queue.shutdown()
            self.model.closed = True

    @invariant()
    @precondition(lambda self: hasattr(self, "model"))
    def same_answers(self) -> None:
        items, largest = self.model.items, self.model.largest
        assert self.queue.qsize() == len(items)
        assert self.queue.empty() == (not items)
        assert self.queue.full() == (largest is not None and len(items) >= largest)
        assert self.queue.unfinished_tasks == self.model.put - self.model.done
        assert bool(self.queue)


class BufferMachine(Machine):
    """`DynamicCircularBuffer`, whose plain calls never wait here."""

    queue: DynamicCircularBuffer[int]

    @initialize(
        capacities=st.tuples(*[st.integers(1, 400)] * 3).map(sorted),
        growth=factors,
        shrink=thresholds,
    )
    def make(self, capacities: list[int], growth: float, shrink: float) -> None:
        smallest, initial, largest = capacities
        config = (
            Config()
            .with_min_capacity(smallest)
            .with_initial_capacity(initial)
            .with_max_capacity(largest)
            .with_growth_factor(growth)
            .with_shrink_threshold(shrink)
        )
        self.queue = DynamicCircularBuffer(config)
        self.model = Model(smallest, initial, largest)

    def full(self, count: int) -> type[BufferError] | None:
        """The error of a call that puts `count` items."""
        if self.model.closed:
            return ShutDown
        if count <= self.model.room():
            return None
        assert self.model.largest is not None
        return MaxCapacityReached if self.model.room() == 0 or count > self.model.largest else Full

    @rule()
    def push(self) -> None:
        items = self.model.new_items(1)
        self.put(items, lambda: self.queue.push(items[0]), self.full(1))

    @rule(count=batches | st.just(401), kind=st.sampled_from([list, tuple, iter]))
    def push_batch(self, count: int, kind: Callable[[list[int]], Any]) -> None:
        items = self.model.new_items(count)
        self.put(items, lambda: self.queue.push_batch(kind(items)), self.full(count))

    @rule()
    def pop(self) -> None:
        self.take(lambda: [self.queue.pop()], 1, self.nothing())

    @rule(count=batches)
    def pop_batch(self, count: int) -> None:
        closed = ShutDown if self.model.closed and count > 0 else None
        self.take(lambda: self.queue.pop_batch(count), count, closed)

    @rule()
    def clear(self) -> None:
        assert self.queue.clear() == self.model.drop_all()

    @rule(closes=st.integers(0, 19).map(lambda number: number == 0))
    def close(self, closes: bool) -> None:
        if closes:
            self.queue.close()
            self.model.closed = True

    @invariant()
    @precondition(lambda self: hasattr(self, "model"))
    def same_answers(self) -> None:
        assert self.queue.is_empty() == (not self.model.items)
        assert bool(self.queue) == bool(self.model.items)
        assert self.queue.is_closed == self.model.closed
        assert self.queue.max_capacity == self.model.largest
        assert list(self.queue.iter()) == self.model.items


TestQueue = QueueMachine.TestCase
TestQueue.settings = RUN
TestBuffer = BufferMachine.TestCase
TestBuffer.settings = RUN
