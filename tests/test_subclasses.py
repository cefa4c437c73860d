"""Subclasses of every class, with their own initialisers, names and methods."""

from __future__ import annotations

import asyncio
import inspect
import queue as standard
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from unittest import mock

import pytest
from kinds import CLASSES, DROP_INS, PLAIN
from support import FREE_THREADED, Threads

import elasticq
from elasticq import (
    BufferChannel,
    Config,
    DynamicCircularBuffer,
    Empty,
    InvalidConfiguration,
    InvalidOperation,
    LifoQueue,
    PriorityCircularBuffer,
    PriorityConfig,
    PriorityQueue,
    Queue,
    SimpleQueue,
)

QUEUES: list[Any] = [standard.Queue, standard.LifoQueue, standard.PriorityQueue]
SETTLED: list[Any] = [kind.cls for kind in PLAIN if kind.bounded and kind.cls not in DROP_INS]
"""The classes whose settings never change."""
BUFFERS: list[Any] = [kind.cls for kind in PLAIN if not kind.calls.take_timeouts]


# ---- an initialiser of their own


def settings(kind: Any, size: int) -> dict[str, Any]:
    """The settings for a queue of that size, which grows to it."""
    (plain,) = (plain for plain in PLAIN if plain.cls is kind)
    given = plain.settings(size, None)
    return given | {name: 1 for name in ("initial_capacity", "min_capacity") if name in given}


def fill(queue: Any, items: int) -> int:
    """Puts as many items as there is room for, and returns their number."""
    return sum(queue._offer(number) for number in range(items))


@pytest.mark.parametrize("kind", CLASSES)
def test_an_initialiser_takes_what_it_likes(kind: Any) -> None:
    class Named(kind):  # type: ignore[misc]
        def __init__(self, name: str, *, size: int) -> None:
            self.name = name
            super().__init__(**settings(kind, size))

    class Titled(Named):
        def __init__(self, title: str, /, *rest: str, **more: int) -> None:
            super().__init__(title.lower(), **more)
            self.rest = rest

    named: Any = Named
    for queue in (
        Named("a", size=2),
        Named(name="a", size=2),
        Titled("A", "b", size=2),
        named[int]("a", size=2),
    ):
        assert queue.name == "a"
        assert fill(queue, 4) == (4 if kind is SimpleQueue else 2)
    assert Titled("A", "b", "c", size=1).rest == ("b", "c")
    with pytest.raises(TypeError, match="size"):
        named("a")


@pytest.mark.parametrize("kind", CLASSES)
def test_a_mixin_may_stand_before_and_behind(kind: Any) -> None:
    class Before:
        def __init__(self, *arguments: Any, name: str, **keywords: Any) -> None:
            super().__init__(*arguments, **keywords)
            self.name = name

    class Behind:
        def shout(self) -> str:
            return f"{len(self)}!"  # type: ignore[arg-type]

    class Both(Before, kind, Behind):  # type: ignore[misc]
        pass

    queue = Both(name="a", **settings(kind, 1))
    assert (fill(queue, 1), queue.name, queue.shout()) == (1, "a", "1!")
    if kind is not SimpleQueue:
        assert not queue._offer(2)


@pytest.mark.parametrize("kind", SETTLED)
def test_a_configuration_may_come_from_the_initialiser(kind: Any) -> None:
    config: Any = Config(
        initial_capacity=1, min_capacity=1, max_capacity=3, push_timeout=0.0, pop_timeout=0.0
    )
    if kind is PriorityCircularBuffer:
        config = PriorityConfig().with_base_config(config).with_priority_levels(5)

    class Named(kind):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__(config)
            self.name = name

    queue = Named("a")
    assert (queue.max_capacity, fill(queue, 5)) == (3, 3)
    if kind in BUFFERS:
        with pytest.raises(elasticq.Timeout):
            queue.push(4)
        queue.clear()
        with pytest.raises(elasticq.Timeout):
            queue.pop()
    if kind is PriorityCircularBuffer:
        assert queue.priority_levels == 5
        queue.push_with_priority("high", 4)
        assert queue.len_at_priority(4) == 1
        with pytest.raises(InvalidOperation, match="from 0 to 4"):
            queue.push_with_priority("none", 5)


@pytest.mark.parametrize("kind", CLASSES)
def test_without_its_initialiser_a_queue_works_as_with_no_settings(kind: Any) -> None:
    class Forgetful(kind):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            self.name = name

    usual = kind()
    for queue in (Forgetful("a"), kind.__new__(kind), kind.__new__(kind, "anything", at="all")):
        if kind in SETTLED:
            assert queue.max_capacity == usual.max_capacity
            assert getattr(queue, "priority_levels", 0) == getattr(usual, "priority_levels", 0)
        if kind is PriorityQueue:  # before `__init__` it serves nothing
            with pytest.raises(elasticq.ShutDown):
                queue.put(1)
            continue
        assert fill(queue, 3000) == 3000
        assert queue.drain() == list(range(3000))[:: -1 if kind is LifoQueue else 1]
        with pytest.raises(Empty):
            queue.peek()


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind is not SimpleQueue])
def test_bad_settings_are_refused_as_they_are_without_a_subclass(kind: Any) -> None:
    class Named(kind):  # type: ignore[misc]
        def __init__(self, name: str, **settings: Any) -> None:
            super().__init__(**settings)

    bad: list[dict[str, Any]] = [{"unheard_of": 1}]
    if kind in SETTLED:
        if kind is not BufferChannel:  # there the smaller capacities follow
            bad += [{"max_capacity": 5}]
        bad += [
            {"min_capacity": 0},
            {"growth_factor": "1"},
            {"max_capacity": -1},
            {"config": 1},
        ]
    else:
        bad += [{"overflow": "explode"}, {"maxsize": "1"}]
    for wrong in bad:
        with pytest.raises((InvalidConfiguration, TypeError)) as plain:
            kind(**wrong)
        queue: Any = Named.__new__(Named)
        with pytest.raises(plain.type) as refused:
            queue.__init__("a", **wrong)
        assert str(refused.value) == str(plain.value)
        queue.__init__("a", **settings(kind, 2))  # allowed, as nothing has happened
        assert fill(queue, 3) == 2


def test_a_simple_queue_has_no_settings() -> None:
    with pytest.raises(TypeError):
        SimpleQueue(1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        SimpleQueue(maxsize=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", CLASSES)
def test_the_signature_is_shown(kind: Any) -> None:
    shown = str(inspect.signature(kind))
    assert "arguments" not in shown
    assert shown == "()" or "capacity" in shown or "overflow" in shown


@pytest.mark.parametrize("kind", SETTLED)
def test_settings_are_never_changed(kind: Any) -> None:
    queue = kind(**settings(kind, 2))
    for attempt in range(3):
        with pytest.raises(InvalidOperation, match="__init__ more than once"):
            queue.__init__(**settings(kind, 3))
        with pytest.raises(InvalidOperation, match="__init__ more than once"):
            queue.__init__()
        assert fill(queue, 5) == (0 if attempt else 2)
        assert (list(queue), queue.max_capacity) == ([0, 1], 2)


@pytest.mark.parametrize("kind", SETTLED)
@pytest.mark.parametrize("use", ["put", "put and taken", "closed"])
def test_what_was_used_before_its_initialiser_keeps_what_it_has(kind: Any, use: str) -> None:
    queue = kind.__new__(kind)
    if use == "closed":
        queue.close()
    else:
        queue._offer("early")
    if use == "put and taken":
        assert queue.drain() == ["early"]
    with pytest.raises(InvalidOperation, match="in use"):
        queue.__init__(**settings(kind, 3))
    assert list(queue) == (["early"] if use == "put" else [])
    assert queue.is_closed == (use == "closed")


def test_the_queues_of_the_standard_library_begin_anew_with_each_call() -> None:
    for kind in DROP_INS:
        queue = kind(1)
        queue.put(1)
        queue.__init__(2)
        assert (queue.maxsize, queue.qsize(), queue.unfinished_tasks, fill(queue, 3)) == (2, 0, 0, 2)
    simple: SimpleQueue[int] = SimpleQueue()
    simple.put(1)
    simple.__init__()  # type: ignore[misc]
    assert simple.get() == 1


@pytest.mark.parametrize("kind", CLASSES)
def test_an_initialiser_may_be_called_again_while_threads_are_inside(kind: Any, threads: Threads) -> None:
    """If `__init__` refuses, nothing is lost. If it begins anew, the items are dropped. No thread hangs."""
    queue = kind(**settings(kind, 8))
    added, taken, over = [0], [0], threading.Event()

    def put() -> None:
        while not over.is_set():
            with suppress(InvalidOperation):  # another thread is looking
                added[0] += queue._offer(1)

    def take() -> None:
        while not over.is_set():
            with suppress(InvalidOperation):
                taken[0] += queue._poll(None) is not None

    for run in (put, take):
        threads.start(run)
    try:
        for _ in range(300):
            if kind in SETTLED:
                with pytest.raises(InvalidOperation):
                    queue.__init__(**settings(kind, 8))
            else:
                queue.__init__(**settings(kind, 8))
            list(queue)
    finally:
        over.set()
    threads.join()
    left = len(queue.drain())
    if kind in SETTLED or kind is SimpleQueue:
        assert added[0] == taken[0] + left
    queue._offer(1)
    assert len(queue) == 1


@pytest.mark.parametrize("kind", SETTLED)
def test_an_initialiser_may_be_called_while_threads_use_what_is_not_ready(
    kind: Any, threads: Threads
) -> None:
    for _ in range(30):
        queue = kind.__new__(kind)

        def take(queue: Any = queue) -> None:
            with suppress(elasticq.ShutDown, InvalidOperation):
                while queue._poll(None) is None:
                    pass

        taker = threads.start(take)
        queue.__init__(**settings(kind, 3))
        while taker.is_alive():
            queue._offer(1)
        threads.join()
        assert queue.max_capacity == 3


@pytest.mark.parametrize("kind", SETTLED)
def test_what_is_added_while_the_initialiser_runs_is_kept_in_order(kind: Any, threads: Threads) -> None:
    """Either the put comes first, and the queue is in use, or the put finds that the queue was shut down."""
    rounds = 500 if FREE_THREADED else 20  # with a GIL, the two threads alternate every few milliseconds
    queues: list[Any] = [kind.__new__(kind) for _ in range(rounds)]
    added: list[list[int]] = [[] for _ in queues]
    begun: list[int] = []
    at = [-1, -1]

    def meet(me: int, index: int) -> None:
        """Waits busily. Otherwise one thread would come much later than the other."""
        at[me] = index
        while min(at) < index:
            pass

    def add() -> None:
        for index, (queue, mine) in enumerate(zip(queues, added, strict=True)):
            meet(0, index)
            for number in range(3):
                with suppress(elasticq.ShutDown):
                    if queue._offer(number):
                        mine.append(number)

    def begin() -> None:
        for index, queue in enumerate(queues):
            meet(1, index)
            with suppress(InvalidOperation):
                queue.__init__(**settings(kind, 1))
                begun.append(index)

    threads.start(add)
    threads.start(begin)
    threads.join()
    assert [queue.drain() for queue in queues] == added
    assert [index for index, queue in enumerate(queues) if queue.max_capacity == 1] == begun


# ---- names of their own

REPLACED: dict[Any, Any] = {
    Queue: standard.Queue,
    LifoQueue: standard.LifoQueue,
    PriorityQueue: standard.PriorityQueue,
    SimpleQueue: standard.SimpleQueue,
}
NOT_FREE = {"shutdown", "is_shutdown"}
"""Python 3.13 brought these names. Here every Python has them."""
HOOKS = {"_evict", "_peek", "_in_order"}
"""The hooks by which a subclass tells its order."""


def free_names(kind: Any) -> list[str]:
    """The names that our class has and the standard library's class does not have."""
    ours, theirs = set(dir(kind())), set(dir(REPLACED[kind]()))
    return sorted(
        name for name in ours - theirs - NOT_FREE - HOOKS if not name.startswith(("__", "_Hooks__"))
    )


FREE = [(kind, name) for kind in REPLACED for name in free_names(kind)]


def is_as_ever(queue: Any) -> None:
    """Checks the standard methods by name, and ours through the class, as our own code calls them."""
    ours: Any = Queue if isinstance(queue, Queue) else SimpleQueue
    queue.put(1)
    queue.put_nowait(2)
    ours.put_many(queue, [3, 4])
    assert (queue.qsize(), queue.empty(), len(queue), sorted(queue)) == (4, False, 4, [1, 2, 3, 4])
    ours.peek(queue)
    assert sorted([queue.get(), queue.get_nowait(), *ours.get_many(queue)]) == [1, 2, 3, 4]
    with pytest.raises(Empty):
        queue.get_nowait()

    async def use() -> None:
        await ours.aput(queue, 5)
        await ours.aput_many(queue, [6])
        assert sorted([await ours.aget(queue), *await ours.aget_many(queue)]) == [5, 6]
        if ours is SimpleQueue:
            return
        view = elasticq.AsyncQueue(queue)
        await view.put(7)
        view.put_nowait(8)
        assert sorted([await view.get(), view.get_nowait()]) == [7, 8]
        for _ in range(8):
            view.task_done()
        await view.join()
        await ours.ajoin(queue)
        assert (view.maxsize, view.qsize(), view.unfinished_tasks, view.full(), view.closed) == (
            9,
            0,
            0,
            False,
            False,
        )
        await ours.aclose(queue)
        await ours.wait_closed(queue)
        view.close()
        await view.aclose()
        assert view.closed

    asyncio.run(use())
    assert ours.stats(queue).current_size == 0
    if ours is Queue:
        assert (queue.unfinished_tasks, queue.maxsize, queue.is_shutdown) == (0, 9, True)
        queue.join()
        queue.shutdown(immediate=True)
        with pytest.raises(elasticq.ShutDown):
            queue.put(9)


@pytest.mark.parametrize(("kind", "name"), FREE)
def test_a_name_that_the_standard_library_leaves_free_is_free(kind: Any, name: str) -> None:
    mine = object()
    arguments = () if kind is SimpleQueue else (9,)

    class Late(kind):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(*arguments)
            setattr(self, name, mine)

    class Early(kind):  # type: ignore[misc]
        def __init__(self) -> None:
            setattr(self, name, mine)
            super().__init__(*arguments)

    def initialise(self: Any) -> None:
        kind.__init__(self, *arguments)

    makers: list[Callable[[], Any]] = [
        Late,
        Early,
        type("Attribute", (kind,), {"__init__": initialise, name: mine}),
        type("Property", (kind,), {"__init__": initialise, name: property(lambda _: mine)}),
        type("Slot", (Late,), {"__slots__": (name,)}),
    ]
    for make in makers:
        queue = make()
        assert getattr(queue, name) is mine
        is_as_ever(queue)
        assert getattr(queue, name) is mine
    method = type("Method", (kind,), {"__init__": initialise, name: lambda self: (self, mine)})()
    assert getattr(method, name)() == (method, mine)
    is_as_ever(method)
    for make in (Late, Early):
        queue = make()
        setattr(queue, name, 1)
        delattr(queue, name)
        ours, usual = getattr(queue, name), getattr(kind(*arguments), name)
        assert type(ours) is type(usual) or (isinstance(ours, kind) and isinstance(usual, kind))
        with pytest.raises(AttributeError):
            delattr(queue, name)


def test_the_list_of_free_names_is_not_empty() -> None:
    assert {"aget", "async_q", "capacity", "closed", "max_weight", "overflow", "weight"} <= set(
        free_names(Queue)
    )
    assert {"aget", "capacity", "close", "put_many"} <= set(free_names(SimpleQueue))


@pytest.mark.parametrize("kind", DROP_INS)
def test_an_instance_may_have_a_name_of_its_own(kind: Any) -> None:
    """The standard library's instances may, too. (A plain SimpleQueue has no attributes in either.)"""
    queue = kind(9)
    for name in free_names(kind):
        setattr(queue, name, name)
    assert vars(queue) == {name: name for name in free_names(kind)}
    is_as_ever(queue)
    with mock.patch.object(queue, "capacity", "patched"):
        assert queue.capacity == "patched"
    assert queue.capacity == "capacity"
    for name in free_names(kind):
        delattr(queue, name)
    assert (queue.closed, queue.capacity) == (True, kind(9).capacity)


def test_what_the_standard_library_lets_be_assigned_keeps_its_meaning() -> None:
    queue: Queue[int] = Queue(1)
    queue.maxsize = 2
    queue.unfinished_tasks = 3
    queue.is_shutdown = True
    assert (queue.maxsize, queue.unfinished_tasks, queue.closed, vars(queue)) == (2, 3, True, {})


def test_attributes_are_documented_where_they_stand() -> None:
    for kind, name in (
        (Queue, "capacity"),
        (Queue, "closed"),
        (Queue, "async_q"),
        (DynamicCircularBuffer, "max_capacity"),
    ):
        assert "(" in str(inspect.getdoc(getattr(kind, name)))


@pytest.mark.parametrize(("theirs", "ours"), list(zip(QUEUES, DROP_INS, strict=True)))
def test_the_initialiser_replaces_what_was_assigned_before_it(theirs: Any, ours: Any) -> None:
    def used(kind: Any) -> Any:
        class Early(kind):  # type: ignore[misc]
            def __init__(self) -> None:
                self.queue = ["early"]
                self.mutex = threading.Lock()
                self.not_empty = self.not_full = self.all_tasks_done = threading.Condition()
                self.unfinished_tasks = 7
                self.maxsize = 9
                super().__init__(2)

        queue = Early()
        queue.put(1)
        queue.put(2)
        with pytest.raises(standard.Full):
            queue.put(3, timeout=0.01)
        with queue.mutex, suppress(RuntimeError):
            queue.not_full.notify()
            queue.not_empty.notify()
            queue.all_tasks_done.notify()
            return queue.unfinished_tasks, queue.maxsize, sorted(queue.queue)

    assert used(ours) == used(theirs) == (2, 2, [1, 2])
