"""`AsyncQueue(maxsize)` and the classes of `elasticq.asyncio`: made, subclassed and used as asyncio's are."""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from collections import deque
from typing import Any

import pytest
from support import PATIENCE, Threads, public, python

import elasticq
import elasticq.asyncio as ours
from elasticq import AsyncQueue, _core

CLASSES: list[type[AsyncQueue[Any]]] = [AsyncQueue, ours.Queue, ours.LifoQueue, ours.PriorityQueue]
each = pytest.mark.parametrize("cls", CLASSES)
ORDERS = {
    AsyncQueue: [3, 1, 2],
    ours.Queue: [3, 1, 2],
    ours.LifoQueue: [2, 1, 3],
    ours.PriorityQueue: [1, 2, 3],
}


class Newest(ours.Queue[int]):
    """Overrides one hook."""

    def _get(self) -> int:
        item: int = self._queue.pop()
        return item


class Listed(AsyncQueue[int]):
    """Overrides all hooks."""

    def _init(self, maxsize: int) -> None:
        self.limit = maxsize
        self._queue: list[int] = []

    def _put(self, item: int) -> None:
        self._queue.insert(0, item)

    def _get(self) -> int:
        return self._queue.pop()


def test_the_module_has_asyncios_names() -> None:
    names = ["LifoQueue", "PriorityQueue", "Queue", "QueueEmpty", "QueueFull", "QueueShutDown"]
    assert ours.__all__ == names
    assert ours.QueueEmpty is asyncio.QueueEmpty
    assert ours.QueueFull is asyncio.QueueFull
    assert ours.QueueShutDown is getattr(asyncio, "QueueShutDown", elasticq.ShutDown)
    for name in names[:3]:
        cls = getattr(ours, name)
        assert (cls.__module__, cls.__name__) == ("elasticq.asyncio", name)
        assert public(getattr(asyncio, name)) | {"shutdown"} <= public(cls)


@each
def test_a_queue_of_its_own_keeps_its_order_and_its_limit(cls: type[AsyncQueue[int]]) -> None:
    async def main() -> list[int]:
        queue = cls(maxsize=3)
        for number in (3, 1, 2):
            await queue.put(number)
        assert (queue.maxsize, queue.qsize(), queue.full(), queue.empty()) == (3, 3, True, False)
        with pytest.raises(ours.QueueFull):
            queue.put_nowait(4)
        return [await queue.get() for _ in range(3)]

    assert asyncio.run(main()) == ORDERS[cls]


@each
def test_its_errors_are_asyncios_and_elasticqs(cls: type[AsyncQueue[int]]) -> None:
    queue = cls(1)
    empty: list[type[Exception]] = [asyncio.QueueEmpty, elasticq.Empty]
    for family in empty:
        with pytest.raises(family):
            queue.get_nowait()
    queue.put_nowait(1)
    full: list[type[Exception]] = [asyncio.QueueFull, elasticq.Full]
    for family in full:
        with pytest.raises(family):
            queue.put_nowait(2)
    queue.shutdown()
    assert queue.get_nowait() == 1
    shut_down: list[type[Exception]] = [ours.QueueShutDown, elasticq.ShutDown]
    for family in shut_down:
        with pytest.raises(family):
            queue.put_nowait(2)
        with pytest.raises(family):
            asyncio.run(queue.get())


@each
def test_what_is_awaited_is_a_coroutine_method(cls: type[AsyncQueue[int]]) -> None:
    for name in ("put", "get", "join"):
        assert inspect.iscoroutinefunction(getattr(cls, name))
        assert inspect.iscoroutinefunction(getattr(cls(), name))


@each
def test_awaiting_runs_no_frame_of_pythons(cls: type[AsyncQueue[int]]) -> None:
    """They are compiled, so they cost what `aput` and `aget` cost."""
    for name in ("put", "get", "join"):
        assert type(vars(_core.TaskView)[name]) is type(vars(_core.Elastic)["aput"])
        assert getattr(cls, name) is getattr(_core.TaskView, name)


@each
def test_several_loops_and_threads_share_a_queue(cls: type[AsyncQueue[int]], threads: Threads) -> None:
    queue = cls(2)

    async def put() -> None:
        for number in range(100):
            await queue.put(number)

    async def get() -> int:
        total = 0
        for _ in range(100):
            total += await queue.get()
            queue.task_done()
        await queue.join()
        return total

    threads.start(lambda: asyncio.run(put()))
    assert asyncio.run(get()) == sum(range(100))
    threads.join()


def test_hooks_keep_the_order_of_the_subclass() -> None:
    async def main() -> None:
        newest, listed = Newest(3), Listed(maxsize=3)
        assert listed.limit == 3
        for number in (1, 2, 3):
            await newest.put(number)
            await listed.put(number)
        assert newest._queue == deque([1, 2, 3])
        assert listed._queue == [3, 2, 1]
        assert (listed.qsize(), listed.full()) == (3, True)
        waiting = asyncio.create_task(newest.put(4))
        await asyncio.sleep(0)
        assert [await newest.get(), listed.get_nowait()] == [3, 1]
        await waiting
        assert [await newest.get() for _ in range(3)] == [4, 2, 1]

    asyncio.run(main())


def test_hooks_of_a_subclass_of_a_subclass_are_called() -> None:
    class Counted(Newest):
        count = 0

        def _put(self, item: int) -> None:
            self.count += 1
            super()._put(item)

    queue = Counted()
    queue.put_nowait(1)
    queue.put_nowait(2)
    assert (queue.count, queue.get_nowait(), queue.get_nowait()) == (2, 2, 1)


@pytest.mark.parametrize("cls", [Newest, Listed])
def test_a_hook_that_raises_leaves_the_queue_as_it_was(cls: type[AsyncQueue[int]]) -> None:
    class Failing(cls):  # type: ignore[valid-type, misc]
        def _put(self, item: int) -> None:
            if item == 2:
                raise LookupError
            super()._put(item)

    async def main() -> None:
        queue = Failing(2)
        await queue.put(1)
        with pytest.raises(LookupError):
            await queue.put(2)
        assert (queue.qsize(), queue.unfinished_tasks) == (1, 1)
        await queue.put(3)
        assert queue.full()

    asyncio.run(main())


async def test_a_subclass_may_keep_the_items_where_it_likes_if_it_counts_them() -> None:
    """As in asyncio, it then has to override `qsize` and `empty`, too."""

    class Elsewhere(ours.Queue[int]):
        def _init(self, maxsize: int) -> None:
            self.items: list[int] = []

        def qsize(self) -> int:
            return len(self.items)

        def empty(self) -> bool:
            return not self.items

        def _put(self, item: int) -> None:
            self.items.append(item)

        def _get(self) -> int:
            return self.items.pop()

    queue = Elsewhere(2)
    await queue.put(1)
    queue.put_nowait(2)
    assert (queue.full(), queue.qsize(), str(queue)) == (True, 2, "<Elsewhere maxsize=2 tasks=2>")
    with pytest.raises(asyncio.QueueFull):
        queue.put_nowait(3)
    putter = asyncio.create_task(queue.put(3))
    await asyncio.sleep(0)
    assert await queue.get() == 2
    await asyncio.wait_for(putter, PATIENCE)
    assert [queue.get_nowait(), await queue.get()] == [3, 1]
    queue.shutdown(immediate=True)
    with pytest.raises(ours.QueueShutDown):
        await queue.get()


def test_the_container_is_there_without_hooks() -> None:
    queue = ours.Queue[int]()
    queue.put_nowait(1)
    queue.put_nowait(2)
    assert queue._queue[0] == 1
    queue._queue.clear()
    assert queue.empty()
    heap = ours.PriorityQueue[int]()
    heap.put_nowait(2)
    heap.put_nowait(1)
    assert heap._queue[0] == 1
    assert heap.get_nowait() == 1


def test_a_subclass_may_use_the_names_that_asyncio_does_not_have() -> None:
    class Named(ours.Queue[int]):
        def __init__(self) -> None:
            self.buffer = self._buffer = self._viewed = 1
            super().__init__(3)
            self.__dict__.update(queue=2, mutex=3)
            setattr(self, "closed", "never")  # noqa: B010 - its type is another
            setattr(self, "unfinished_tasks", None)  # noqa: B010

    queue: Any = Named()
    queue.put_nowait(1)
    assert (queue.closed, queue.unfinished_tasks, queue._buffer, queue._viewed) == ("never", None, 1, 1)
    assert str(queue) == "<Named maxsize=3 _queue=[1] tasks=1>"
    assert queue.get_nowait() == 1


@pytest.mark.parametrize("cls", [Newest, Listed])
def test_a_subclass_with_hooks_is_no_view(cls: Any) -> None:
    with pytest.raises(TypeError, match="overrides _init, _put or _get"):
        AsyncQueue.__init__(cls.__new__(cls), elasticq.Queue[int]())


@pytest.mark.parametrize("wrong", ["3", [1], object()])
def test_what_is_neither_a_number_nor_a_queue_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError):
        AsyncQueue(wrong)


def test_what_was_not_made_by_init_says_so() -> None:
    class Unmade(AsyncQueue[int]):
        def __init__(self) -> None:
            """Does not call that of AsyncQueue."""

    for call in (lambda: Unmade().get(), lambda: Unmade().put(1), lambda: Unmade().join()):
        with pytest.raises(elasticq.InvalidOperation, match="__init__"):
            call()
    queue = AsyncQueue[int](1)
    with pytest.raises(elasticq.InvalidOperation, match="more than once"):
        queue.__init__(2)  # type: ignore[misc]


def test_select_takes_from_it() -> None:
    queue, hooked = ours.Queue[int](), Newest()
    hooked.put_nowait(1)
    hooked.put_nowait(2)
    assert elasticq.select([queue, hooked]) == (hooked, 2)


def test_a_queue_goes_with_its_last_reference_and_one_with_hooks_with_the_collector() -> None:
    for cls in CLASSES:
        queue = cls()
        gone = weakref.ref(queue)
        inner = weakref.ref(queue.__elasticq__())
        del queue
        assert gone() is None
        assert inner() is None
    hooked = Newest()
    hooked.put_nowait(1)
    gone = weakref.ref(hooked)
    del hooked
    gc.collect()
    assert gone() is None


async def test_a_view_that_is_not_kept_lives_as_long_as_what_is_awaited() -> None:
    def filled() -> Newest:
        queue = Newest()
        queue.put_nowait(1)
        return queue

    getter = filled().get()
    gc.collect()
    assert await getter == 1


@pytest.mark.parametrize("cls", [ours.LifoQueue, ours.PriorityQueue])
def test_its_repr_shows_the_container_as_asyncios_does(cls: Any) -> None:
    queue, theirs = cls(), getattr(asyncio, cls.__name__)()
    for item in (2, 1, 3):
        queue.put_nowait(item)
        theirs.put_nowait(item)
    assert str(queue) == str(theirs)


async def test_its_repr_says_what_asyncios_says() -> None:
    queue = ours.Queue[int](maxsize=1)
    assert str(queue) == "<Queue maxsize=1>"
    queue.put_nowait(1)
    putter = asyncio.create_task(queue.put(2))
    for _ in range(2):  # the first time it gives way
        await asyncio.sleep(0)
    assert repr(queue) == f"<Queue at {id(queue):#x} maxsize=1 _queue=[1] _putters[1] tasks=1>"
    queue.get_nowait()
    await putter
    queue.shutdown(immediate=True)
    assert str(queue) == "<Queue maxsize=1 tasks=1 shutdown>"


def test_generic_aliases_make_queues() -> None:
    classes: list[Any] = list(CLASSES)
    for cls in classes:
        alias = cls[int]
        assert alias.__args__ == (int,)
        assert type(alias(3)) is cls


def test_elasticq_alone_does_not_import_asyncio() -> None:
    output = python(
        "import sys, elasticq\nelasticq.AsyncQueue(1).put_nowait(1)\nprint('asyncio' in sys.modules)"
    )
    assert output == "False\n"
