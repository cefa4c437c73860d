"""Eight threads call every public method at random: no item is broken, lost, doubled or kept.

With ELASTICQ_SOAK=60 this goes on for that many seconds per class. ELASTICQ_SEED repeats a run.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
from kinds import KINDS
from support import Threads, moved, wait_until

import elasticq
from elasticq import Empty, Full, InvalidOperation, ShutDown

THREADS = 8
CALLS = 400
SOAK = float(os.environ.get("ELASTICQ_SOAK", "0"))


BRIEF = 0.001

MAKES: dict[str, Callable[[], Any]] = {
    **{kind.name: partial(kind.make, None, BRIEF) for kind in KINDS},
    "Queue(3)": lambda: elasticq.Queue(3),
    "Queue(3, overflow='drop_oldest')": lambda: elasticq.Queue(3, overflow="drop_oldest"),
    "Queue(max_weight=9)": lambda: elasticq.Queue(max_weight=9, weigh=lambda item: 2 if item else 0),
    "moved Queue(3)": lambda: moved(elasticq.Queue(3)),
    "moved Queue(3, overflow='drop_oldest')": lambda: moved(elasticq.Queue(3, overflow="drop_oldest")),
    "PriorityCircularBuffer(max_consecutive=2)": lambda: elasticq.PriorityCircularBuffer(
        max_consecutive=2, push_timeout=BRIEF, pop_timeout=BRIEF
    ),
    "PriorityCircularBuffer(level_capacities=...)": lambda: elasticq.PriorityCircularBuffer(
        levels=4,
        level_capacities={0: 1, 2: 2},
        max_wait=0.01,
        age_statistics=True,
        initial_capacity=5,
        min_capacity=5,
        max_capacity=5,
    ),
}
"""The kinds of queues, and those where calls are often refused, or drop what is there."""

each = pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)


class Item:
    """An item that one thread makes, and that the last thread to hold it drops."""

    __slots__ = ("__weakref__", "number")

    def __init__(self, number: int) -> None:
        self.number = number

    def __lt__(self, other: Item) -> bool:
        return self.number < other.number


class Player:
    """One thread's ledger: the items that it knows it has put, and those that it took."""

    def __init__(self, queue: Any, me: int, seed: int) -> None:
        self.queue, self.random = queue, random.Random(seed)
        self.numbers = iter(range(me, 1 << 62, THREADS))
        self.added: list[int] = []
        self.taken: list[int] = []
        self.gone = 0
        """How many items were dropped inside the queue."""

    def new(self, count: int) -> list[Item]:
        """Items that no other thread has."""
        return [Item(next(self.numbers)) for _ in range(count)]

    def add_one(self, add: Callable[[Item], object]) -> None:
        """Puts an item, or is refused."""
        (item,) = self.new(1)
        if add(item) is not False:
            self.added.append(item.number)

    def add_many(self, add: Callable[[Iterable[Item]], object]) -> None:
        """Puts several items. If some are refused, the exception says which; otherwise all are."""
        items = self.new(self.random.randrange(5))
        kinds: list[Callable[[Any], Iterable[Item]]] = [list, tuple, iter]
        try:
            add(self.random.choice(kinds)(items))
            refused: set[Item] = set()
        except (Full, ShutDown) as error:
            refused = set(getattr(error, "remaining", items))
        self.added += [item.number for item in items if item not in refused]

    def take(self, items: Iterable[Any]) -> None:
        """Notes what was taken."""
        self.taken += [item.number for item in items if item is not None]

    def look(self, items: Iterable[Item]) -> None:
        """Checks that items that are only looked at are whole."""
        for item in items:
            assert item.number >= 0

    def call_any_of(self, view: Any, methods: dict[str, Call]) -> None:
        """Calls one of the methods of a view."""
        name = self.random.choice(sorted(public_methods(view) - AT_THE_END))
        methods[name](self, view)

    def call(self, name: str) -> None:
        """Calls a method as the table says."""
        try:
            METHODS[name](self, self.queue)
        except (Empty, Full, InvalidOperation, elasticq.Timeout):
            pass
        except ValueError as error:
            if "task_done" not in str(error):
                raise


def few(player: Player) -> int:
    return player.random.randrange(1, 6)


def level(player: Player) -> int:
    """A priority, now and then one that has no level."""
    return player.random.randrange(4)


Call = Callable[[Player, Any], object]

METHODS: dict[str, Call] = {
    "__len__": lambda p, q: len(q),
    "__iter__": lambda p, q: p.look(q),
    "__bool__": lambda p, q: bool(q),
    "capacity": lambda p, q: q.capacity,
    "max_capacity": lambda p, q: q.max_capacity,
    "maxsize": lambda p, q: q.maxsize,
    "overflow": lambda p, q: q.overflow,
    "max_weight": lambda p, q: q.max_weight,
    "weight": lambda p, q: q.weight,
    "is_shutdown": lambda p, q: q.is_shutdown,
    "is_closed": lambda p, q: q.is_closed,
    "is_empty": lambda p, q: q.is_empty(),
    "unfinished_tasks": lambda p, q: q.unfinished_tasks,
    "qsize": lambda p, q: q.qsize(),
    "empty": lambda p, q: q.empty(),
    "full": lambda p, q: q.full(),
    "stats": lambda p, q: q.stats(),
    "waiters": lambda p, q: q.waiters(),
    "peek": lambda p, q: p.look([q.peek(p.random.random() < 0.5, 0.001)]),
    "apeek": lambda p, q: p.look([step(q.apeek())] if len(q) > 50 else []),
    "iter": lambda p, q: p.look(q.iter()),
    "drain": lambda p, q: p.take(q.drain()),
    "consume": lambda p, q: p.take([next(q.consume())] if len(q) > 50 else []),
    "clear": lambda p, q: setattr(p, "gone", p.gone + q.clear()),
    "put": lambda p, q: p.add_one(lambda item: q.put(item, p.random.random() < 0.5, 0.001)),
    "put_nowait": lambda p, q: p.add_one(q.put_nowait),
    "push": lambda p, q: p.add_one(q.push),
    "try_enqueue": lambda p, q: p.add_one(q.try_enqueue),
    "send": lambda p, q: p.add_one(lambda item: q.send(item, 0.001)),
    "try_send": lambda p, q: p.add_one(q.try_send),
    "send_many": lambda p, q: p.add_many(lambda items: q.send_many(items, 0.001)),
    "recv": lambda p, q: p.take([q.recv(0.001)]),
    "try_recv": lambda p, q: p.take([q.try_recv()]),
    "recv_many": lambda p, q: p.take(q.recv_many(few(p), 0.001)),
    "asend": lambda p, q: p.add_one(lambda item: step(q.asend(item)) is None),
    "asend_many": lambda p, q: p.add_many(lambda items: batch(q.asend_many(items))),
    "arecv": lambda p, q: p.take([step(q.arecv())] if len(q) > 50 else []),
    "arecv_many": lambda p, q: p.take(step(q.arecv_many(few(p))) if len(q) > 50 else []),
    "put_many": lambda p, q: p.add_many(lambda items: q.put_many(items, True, 0.001)),
    "push_batch": lambda p, q: p.add_many(all_or_nothing(q.push_batch)),
    "enqueue_batch": lambda p, q: p.add_many(all_or_nothing(q.enqueue_batch)),
    "get": lambda p, q: p.take([q.get(p.random.random() < 0.5, 0.001)]),
    "get_nowait": lambda p, q: p.take([q.get_nowait()]),
    "pop": lambda p, q: p.take([q.pop()]),
    "try_dequeue": lambda p, q: p.take([q.try_dequeue()]),
    "get_many": lambda p, q: p.take(q.get_many(few(p), True, 0.001)),
    "pop_batch": lambda p, q: p.take(q.pop_batch(few(p))),
    "dequeue_batch": lambda p, q: p.take(q.dequeue_batch(few(p))),
    "task_done": lambda p, q: q.task_done(),
    "aget": lambda p, q: p.take([step(q.aget())] if len(q) > 50 else []),
    "aget_many": lambda p, q: p.take(step(q.aget_many(few(p))) if len(q) > 50 else []),
    "aput": lambda p, q: p.add_one(lambda item: step(q.aput(item)) is None),
    "aput_many": lambda p, q: p.add_many(lambda items: batch(q.aput_many(items))),
    "priority_levels": lambda p, q: q.priority_levels,
    "len_at_priority": lambda p, q: q.len_at_priority(level(p)),
    "capacity_at_priority": lambda p, q: q.capacity_at_priority(level(p)),
    "push_with_priority": lambda p, q: p.add_one(lambda item: q.push_with_priority(item, level(p))),
    "push_batch_with_priority": lambda p, q: p.add_many(
        all_or_nothing(lambda items: q.push_batch_with_priority(items, level(p)))
    ),
    "pop_from_priority": lambda p, q: p.take([q.pop_from_priority(level(p))]),
    "aput_with_priority": lambda p, q: p.add_one(
        lambda item: step(q.aput_with_priority(item, level(p))) is None
    ),
    "aput_many_with_priority": lambda p, q: p.add_many(
        lambda items: batch(q.aput_many_with_priority(items, level(p)))
    ),
    "ajoin": lambda p, q: step(q.ajoin()),
    "async_q": lambda p, q: p.call_any_of(q.async_q, ASYNC_METHODS),
    "sync_q": lambda p, q: (
        p.take([q.get_nowait()]) if q.sync_q is q else p.call_any_of(q.sync_q, SYNC_METHODS)
    ),
    "closed": lambda p, q: q.closed,
    "_poll": lambda p, q: p.take([q._poll(None)]),
    "_offer": lambda p, q: p.add_one(q._offer),
    "mutex": lambda p, q: q.mutex.acquire() and q.mutex.release(),
    "not_empty": lambda p, q: notify(q.not_empty),
    "not_full": lambda p, q: notify(q.not_full),
    "all_tasks_done": lambda p, q: notify(q.all_tasks_done),
    "queue": lambda p, q: len(q.queue),
}
"""How each method is called. A method of a new class that is missing fails `test_the_table_is_complete`."""

SYNC_METHODS: dict[str, Call] = {
    **METHODS,
    "put": lambda p, q: p.add_one(
        lambda item: q.put(item, p.random.random() < 0.5, 0.001, priority=level(p))
    ),
    "put_nowait": lambda p, q: p.add_one(lambda item: q.put_nowait(item, priority=level(p))),
    "put_many": lambda p, q: p.add_many(lambda items: q.put_many(items, True, 0.001, priority=level(p))),
}
"""The same for `sync_q` of a buffer with levels, which is a view."""

ASYNC_METHODS: dict[str, Call] = {
    **METHODS,
    "put": lambda p, q: p.add_one(lambda item: step(q.put(item)) is None),
    "get": lambda p, q: p.take([step(q.get())] if q.qsize() > 50 else []),
}
"""The same for `async_q`."""

AT_THE_END = {"shutdown", "close", "join", "aclose", "wait_closed"}
"""Methods that end a queue, or wait for its end. They are called when all others are done."""

MOVING = {"mutex", "not_empty", "not_full", "all_tasks_done", "queue"}
"""Attributes that move a queue to the standard locks for good. They are so rare that some queues stay."""


def notify(condition: threading.Condition) -> None:
    with condition:
        condition.notify()


def all_or_nothing(add: Callable[[Iterable[Item]], object]) -> Callable[[Iterable[Item]], object]:
    """Turns every refusal into one without `remaining`."""

    def adding(items: Iterable[Item]) -> None:
        try:
            add(items)
        except (elasticq.Timeout, InvalidOperation) as error:
            raise Full from error

    return adding


def step(coroutine: Any) -> Any:
    """Runs a coroutine outside of any event loop. If it would have to wait, it has done nothing."""
    try:
        coroutine.send(None)
        coroutine.close()  # it gives way to other tasks first
    except StopIteration as end:
        return end.value
    except RuntimeError as error:
        if isinstance(error, InvalidOperation):
            raise
        raise Empty from error
    coroutine.close()  # it has given way, and would look again later
    raise Empty


def batch(coroutine: Any) -> None:
    """Runs a batch up to where it would wait. Cut short there, its exception has what remains."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    except RuntimeError as error:  # it would wait at once, but there is no loop to wait in
        if isinstance(error, InvalidOperation):
            raise
        full = Full("cut short")
        full.remaining = error.remaining  # type: ignore[attr-defined]
        raise full from error
    coroutine.throw(Full("cut short"))


def public_methods(queue: Any) -> set[str]:
    """The names of the methods that a user of the class may call."""
    return {
        name
        for base in type(queue).__mro__
        if base.__module__.split(".")[0] == "elasticq"
        for name in vars(base)
        if not name.startswith("_")
    }


@each
def test_the_table_is_complete(make: Callable[[], Any]) -> None:
    queue = make()
    for seen in (queue, *(getattr(queue, view) for view in ("sync_q", "async_q") if hasattr(queue, view))):
        assert public_methods(seen) <= METHODS.keys() | AT_THE_END


@each
def test_at_random_from_eight_threads(
    make: Callable[[], Any], threads: Threads, seeded: random.Random
) -> None:
    queue = make()
    names = sorted(name for name in METHODS if hasattr(type(queue), name))
    # The rarer these calls are, the longer the queue gets.
    weights = [1 if name in ("clear", "drain") else 0.002 if name in MOVING else 6 for name in names]
    players = [Player(queue, me, seeded.randrange(1 << 32)) for me in range(THREADS)]
    deadline = time.monotonic() + SOAK

    def play(player: Player) -> None:
        rounds = 0
        while rounds < CALLS or time.monotonic() < deadline:
            rounds += 1
            for name in player.random.choices(names, weights, k=5):
                player.call(name)

    for player in players:
        threads.start(play, player)
    while any(thread.is_alive() for thread in threads.running) and not threads.errors:
        gc.collect()
        time.sleep(0.01)
    threads.join()

    left = queue.drain()
    added = [number for player in players for number in player.added]
    taken = [number for player in players for number in player.taken] + [item.number for item in left]
    gone = sum(player.gone for player in players)
    dropped = elasticq.Queue.stats(
        queue
    ).messages_dropped  # of the whole queue, even if levels have their own
    if getattr(queue, "overflow", "") == "drop_oldest":
        gone = dropped  # what was evicted, too
    assert len(set(added)) == len(added)
    assert len(set(taken)) == len(taken)
    assert set(taken) <= set(added)
    assert len(added) == len(taken) + gone
    stats = elasticq.Queue.stats(queue)
    assert (stats.messages_enqueued, stats.messages_dequeued) == (len(added), len(taken))
    assert stats.messages_dropped == gone
    assert len(queue) == 0
    end = getattr(queue, "shutdown", queue.close)
    end()
    with pytest.raises(ShutDown):
        queue._offer(None)


@each
def test_references_are_right_after_it(make: Callable[[], Any], threads: Threads) -> None:
    """One thread puts items, and other threads drop them. No thread keeps one."""
    queue = make()
    shared = Item(0)
    fresh: list[weakref.ref[Item]] = []
    before = sys.getrefcount(shared)
    stop = threading.Event()

    def fill() -> None:
        for _ in range(300):
            item = Item(1)
            fresh.append(weakref.ref(item))
            for add in (shared, item):
                while not offered(queue, add):
                    time.sleep(0)
        stop.set()

    def offered(queue: Any, item: Item) -> bool:
        try:
            return bool(queue._offer(item))
        except InvalidOperation:
            return False

    def empty() -> None:
        while not stop.is_set() or len(queue):
            try:
                queue._poll(None)
                list(queue)
                queue.peek()
            except (InvalidOperation, Empty):
                pass

    threads.start(fill)
    for _ in range(2):
        threads.start(empty)
    threads.join()
    gc.collect()
    wait_until(lambda: sys.getrefcount(shared) == before, "nobody keeps a reference")
    assert [reference for reference in fresh if reference() is not None] == []
