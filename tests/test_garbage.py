"""Items leave a queue exactly once, cycles through a queue are collected, and nothing stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from kinds import CLASSES, KINDS, Kind
from support import check_for_leaks, linux_only, python, settle

from elasticq import Full, LockFreeMPMCQueue, PriorityCircularBuffer, Queue, ShutDown

each = pytest.mark.parametrize("kind", KINDS)


class Comparable:
    """An item that a heap can hold."""

    def __lt__(self, other: object) -> bool:
        return id(self) < id(other)


class Item(Comparable):
    """An item that writes its number into a ledger when it is dropped."""

    def __init__(self, number: int, ledger: list[int]) -> None:
        self.number, self.ledger = number, ledger

    def __del__(self) -> None:
        self.ledger.append(self.number)


class Holder(Comparable):
    """An item that holds something."""

    def __init__(self, held: object) -> None:
        self.held = held


def filled(kind: Kind, ledger: list[int], count: int = 200) -> Any:
    """A queue of such items, whose ring has grown and is in a later lap."""
    q = kind.make()
    kind.put_many(q, [Comparable()] * 40)
    for _ in range(40):
        q._poll(None)
    kind.put_many(q, [Item(number, ledger) for number in range(count)])
    return q


def drop_the_queue(_kind: Kind, _q: Any) -> None:
    """Does nothing: only the caller holds the queue, and drops it afterwards."""


def clear(q: Any) -> object:
    """Drops all items. (A SimpleQueue has no method for that.)"""
    return q.clear() if hasattr(q, "clear") else q.drain()


def end(q: Any) -> None:
    """Closes the queue, and drops all items."""
    if isinstance(q, Queue):
        q.shutdown(immediate=True)
    else:
        q.close()
        clear(q)


EMPTYING: dict[str, Callable[[Kind, Any], object]] = {
    "clear": lambda _, q: clear(q),
    "drain": lambda _, q: q.drain(),
    "one by one": lambda _, q: [q._poll(None) for _ in range(200)],
    "batches": lambda kind, q: [kind.get_many(q, 7) for _ in range(29)],
    "shutdown": lambda _, q: end(q),
    "the end of the queue": drop_the_queue,
}


@each
@pytest.mark.parametrize("empty", EMPTYING.values(), ids=EMPTYING)
def test_each_item_is_dropped_exactly_once(kind: Kind, empty: Callable[[Kind, Any], object]) -> None:
    ledger: list[int] = []
    q = filled(kind, ledger)
    list(q)
    assert ledger == []
    empty(kind, q)
    del q
    gc.collect()
    assert sorted(ledger) == list(range(200))


@each
def test_looking_leaves_the_items_alone(kind: Kind) -> None:
    ledger: list[int] = []
    q = filled(kind, ledger)
    snapshot = iter(q)
    assert next(snapshot) is q.peek()
    assert len(list(q)) == 200
    q.drain()
    gc.collect()
    assert len(ledger) < 200  # the snapshot holds the rest
    del snapshot
    gc.collect()
    assert sorted(ledger) == list(range(200))


@each
def test_a_closed_queue_gives_up_what_it_refuses(kind: Kind) -> None:
    ledger: list[int] = []
    q = kind.make()
    q.close()
    with pytest.raises(ShutDown):
        kind.put(q, Item(0, ledger))
    with pytest.raises(ShutDown):
        kind.put_many(q, [Item(1, ledger), Item(2, ledger)])
    gc.collect()
    assert sorted(ledger) == [0, 1, 2]


def test_refused_items_are_given_up() -> None:
    ledger: list[int] = []
    q: Queue[Any] = Queue(1)
    q.put(None)
    refused: list[Callable[[], None]] = [
        lambda: q.put_nowait(Item(0, ledger)),
        lambda: q.put(Item(1, ledger), timeout=0.001),
        lambda: q.put_many([Item(2, ledger), Item(3, ledger)], block=False),
        lambda: q.put_many((Item(4, ledger), Item(5, ledger)), timeout=0.001),
        lambda: q.put_many(iter([Item(6, ledger)]), block=False),
    ]
    for put in refused:
        with pytest.raises(Full):
            put()
    q.shutdown()
    refused = [lambda: q.put(Item(7, ledger)), lambda: q.put_many([Item(8, ledger)])]
    for put in refused:
        with pytest.raises(ShutDown):
            put()
    gc.collect()
    assert sorted(ledger) == list(range(9))


@each
def test_a_cycle_through_the_items_is_collected(kind: Kind) -> None:
    q = kind.make()
    q._offer(Holder(q))
    for _ in range(100):
        q._offer(Holder([{"queue": q}, q.consume()]))
    kind.get_many(q, 10)
    gone = weakref.ref(q)
    gc.collect()
    assert len(q) == 91
    assert kind.standard or len(gc.get_referents(q)) >= 91
    del q
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("cls", CLASSES)
def test_a_cycle_through_attributes_and_a_consumer_is_collected(cls: Any) -> None:
    class Named(cls):  # type: ignore[misc]
        pass

    q = Named()
    q.itself = q
    q._offer(q.consume())
    gone = weakref.ref(q)
    del q
    gc.collect()
    assert gone() is None


@each
def test_a_cycle_through_a_waiting_task_is_collected(kind: Kind) -> None:
    q = kind.make()
    loop = asyncio.new_event_loop()
    task = loop.create_task(q.aget())
    loop.run_until_complete(asyncio.sleep(0))
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    kind.put(q, q)
    gone = [weakref.ref(q), weakref.ref(task), weakref.ref(loop)]
    del q, task, loop
    gc.collect()
    assert [reference() for reference in gone] == [None] * 3


def test_a_delivery_to_a_loop_that_never_runs_again_does_not_keep_it() -> None:
    q: Queue[int] = Queue()
    loop = asyncio.new_event_loop()
    task = loop.create_task(q.aget())
    loop.run_until_complete(settle())
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    q.put(1)  # the loop does not run, so a delivery is on its way
    loop.close()
    gone = weakref.ref(loop)
    del task, loop
    gc.collect()

    async def wait_and_be_woken() -> None:
        waiting = asyncio.ensure_future(q.aget())
        await settle()
        await asyncio.get_running_loop().run_in_executor(None, q.put, 3)
        await waiting

    assert q.get() == 1
    asyncio.run(wait_and_be_woken())
    gc.collect()
    assert gone() is None


WAITING: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "aget": (Queue, lambda q: q.aget()),
    "apeek": (Queue, lambda q: q.apeek()),
    "async for": (Queue, lambda q: q.__aiter__().__anext__()),
    "view": (Queue, lambda q: q.async_q.get()),
    "aput": (lambda: full(Queue(1)), lambda q: q.aput(1)),
    "aput_many": (lambda: full(Queue(1)), lambda q: q.aput_many([1, 2])),
    "by weight": (lambda: full(Queue(max_weight=1, weigh=lambda _: 1)), lambda q: q.aput(1)),
    "ajoin": (lambda: full(Queue()), lambda q: q.ajoin()),
    "levels": (PriorityCircularBuffer, lambda q: q.aget()),
    "no lock": (LockFreeMPMCQueue, lambda q: q.aget()),
}


def full(q: Any) -> Any:
    """The queue with an item in it."""
    q._offer(0)
    return q


@pytest.mark.parametrize("woken", [False, True], ids=["asleep", "woken"])
@pytest.mark.parametrize("which", WAITING)
def test_a_closed_loop_goes_although_its_tasks_wait_in_a_queue_that_lives(which: str, woken: bool) -> None:
    make, call = WAITING[which]
    q = make()
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(keep_waiting(call(q))) for _ in range(3)]
    loop.run_until_complete(settle())
    assert not any(task.done() for task in tasks)
    if woken and which != "ajoin":
        q._poll(None) if len(q) else q._offer(0)
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    futures = [task._fut_waiter for task in tasks]  # type: ignore[attr-defined]
    gone: list[weakref.ref[Any]] = [weakref.ref(thing) for thing in [*tasks, *futures, loop]]
    loop.close()
    del loop, task, tasks, futures
    gc.collect()
    assert [reference() for reference in gone] == [None] * 7
    assert len(q) < 2


async def keep_waiting(call: Any) -> None:
    """A coroutine with a frame between the task and the call."""
    await call


def test_a_loop_that_lives_keeps_tasks_that_nobody_else_knows() -> None:
    q: Queue[int] = Queue()
    taken: list[int] = []

    async def take() -> None:
        taken.append(await q.aget())

    async def main() -> None:
        asyncio.ensure_future(take())  # noqa: RUF006 - that is the point
        await settle()
        gc.collect()
        q.put(1)
        await settle()

    asyncio.run(main())
    assert taken == [1]


def test_tasks_that_wait_in_a_queue_that_nobody_knows_go_with_it() -> None:
    async def main() -> None:
        q: Queue[int] = Queue()
        task = asyncio.ensure_future(q.aget())
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        await settle()
        gone: list[weakref.ref[Any]] = [weakref.ref(q), weakref.ref(task)]
        del q, task
        gc.collect()
        assert [reference() for reference in gone] == [None] * 2

    asyncio.run(main())


class Thing:
    """An object that can have weak references."""


def an_end(how: str, q: Any, call: Any) -> None:
    """Ends a call that wants to put something, in one way or another."""
    if how == "closed before it began":
        call.close()
        return
    if how == "thrown at before it began":
        with pytest.raises(LookupError):
            call.throw(LookupError)
        return
    loop = asyncio.new_event_loop()
    try:
        task = loop.create_task(keep_waiting(call))
        loop.run_until_complete(settle())
        if how == "cancelled":
            task.cancel()
        elif how == "refused":
            q.shutdown()
        else:
            q._poll(None)
        with contextlib.suppress(asyncio.CancelledError, ShutDown):
            loop.run_until_complete(task)
        q.drain()
    finally:
        loop.close()


@pytest.mark.parametrize(
    "how", ["closed before it began", "thrown at before it began", "cancelled", "refused", "done"]
)
@pytest.mark.parametrize("make", [lambda: Queue(1), lambda: Queue(max_weight=1, weigh=lambda _: 1)])
@pytest.mark.parametrize("many", [False, True])
def test_a_put_that_has_ended_does_not_keep_its_item(how: str, make: Callable[[], Any], many: bool) -> None:
    q = full(make())
    item = Thing()
    gone = weakref.ref(item)
    call = q.aput_many([item]) if many else q.aput(item)
    del item
    an_end(how, q, call)
    gc.collect()
    assert gone() is None
    assert repr(call)  # the call is still alive


@pytest.mark.parametrize("how", ["at once", "later", "send", "next", "view", "async for"])
async def test_a_get_that_has_ended_does_not_keep_its_item(how: str) -> None:
    q: Queue[Thing] = Queue()
    item = Thing()
    gone = weakref.ref(item)
    call: Any = (
        q.async_q.get() if how == "view" else q.__aiter__().__anext__() if how == "async for" else q.aget()
    )
    if how == "later":
        task = asyncio.ensure_future(keep_result(call))
        await settle()
        q.put(item)
        await task
        del task
        await settle()  # the loop holds the last callback that it ran
    else:
        q.put(item)
        if how == "send":
            with pytest.raises(StopIteration):
                call.send(None)
        elif how == "next":
            with pytest.raises(StopIteration):
                next(call)
        else:
            await call
    del item
    gc.collect()
    assert gone() is None
    assert repr(call)  # the call is still alive


async def keep_result(call: Any) -> Any:
    """A coroutine with a frame between the task and the call."""
    return await call


def test_no_item_gets_into_an_exception_that_other_code_has_found() -> None:
    """A `StopIteration` is used again. Meanwhile the collector shows it to code that asks for all objects."""
    q: Queue[object] = Queue()
    item = object()
    found: list[StopIteration] = []

    async def take() -> None:
        assert await q.aget() is item

    for _ in range(2):
        q.put(item)
        asyncio.run(take())
        assert not any(stop.value is item for stop in found)
        found = [each for each in gc.get_objects() if type(each) is StopIteration]


class Reentrant(Comparable):
    """An item that uses the queue that drops it."""

    def __init__(self, q: Any, log: list[int]) -> None:
        self.q, self.log = q, log

    def __del__(self) -> None:
        q = self.q
        self.log.append(len(q))
        list(q)
        q.stats()
        q._poll(None)
        q._offer(Comparable())
        q.drain() if len(self.log) % 3 == 0 else clear(q)


@each
@pytest.mark.parametrize("empty", ["clear", "drain", "one by one"])
def test_an_item_may_use_the_queue_that_drops_it(kind: Kind, empty: str) -> None:
    q = kind.make()
    log: list[int] = []
    for _ in range(150):
        q._offer(Reentrant(q, log))
    EMPTYING[empty](kind, q)
    clear(q)
    gc.collect()
    assert len(log) == 150


def test_collecting_inside_every_call_disturbs_nothing() -> None:
    """An item whose end triggers a garbage collection, in the middle of a call."""
    gc.collect()
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        q: Queue[Any] = Queue()
        for number in range(200):
            q.put([number, q])
            q.put_many([[number], (number, {})])
            assert len(list(q)) == 3
            assert [item[0] for item in q.get_many(2)] == [number, number]
            assert q.drain()[0][0] == number
    finally:
        gc.set_threshold(*before)


@each
def test_no_call_leaves_references_behind(kind: Kind) -> None:
    item = Comparable()
    items = [item] * 100
    q = kind.make()
    check_for_leaks(
        item,
        [
            lambda: (q._offer(item), q._poll(None)),
            lambda: (kind.put(q, item), kind.get(q)),
            lambda: (kind.put_many(q, items), kind.get_many(q, 100)),
            lambda: (kind.put_many(q, tuple(items)), q.drain()),
            lambda: (kind.put_many(q, iter(items)), clear(q)),
            lambda: (kind.put_many(q, items), list(q), q.peek(), next(q.consume()), q.stats(), clear(q)),
        ],
    )


def test_waiting_tasks_leave_nothing_behind() -> None:
    q: Queue[int] = Queue(1)

    async def exchange(times: int) -> None:
        for _ in range(times):
            getter = asyncio.ensure_future(q.aget())
            cancelled = asyncio.ensure_future(q.aget())
            await asyncio.sleep(0)
            cancelled.cancel()
            await q.aput(1)
            await getter
            await asyncio.gather(cancelled, return_exceptions=True)

    asyncio.run(exchange(10))
    gc.collect()
    objects = len(gc.get_objects())
    asyncio.run(exchange(300))
    gc.collect()
    assert len(gc.get_objects()) <= objects + 20


@linux_only("/proc, which tells how much memory is used")
def test_the_memory_of_a_burst_goes_back() -> None:
    output = python(
        """
    import resource
    from elasticq import Queue

    def resident():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()

    q = Queue()
    q.put_many([None] * 1000)
    q.drain()
    before = resident()
    for _ in range(1_000_000):
        q.put(None)
    assert resident() >= before + 8_000_000
    assert q.stats().grown > 0
    for _ in range(1_000_000):
        q.get()
    assert q.capacity == 64
    print(resident() - before)
    """
    )
    assert int(output) < 4_000_000
