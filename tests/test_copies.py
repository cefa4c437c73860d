"""Weak references to a queue, cycles through it, and copies, which are refused, for every class."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from kinds import BOUNDED, CLASSES, KINDS, Kind

from elasticq import Queue

each = pytest.mark.parametrize("cls", CLASSES)


@each
def test_a_weak_reference_does_not_keep_a_queue_and_tells_its_end(cls: Any) -> None:
    ended: list[str] = []
    queue = cls()
    queue._offer(queue)  # only the garbage collector can free it now
    references = [weakref.ref(queue, lambda _: ended.append("first")), weakref.ref(queue)]
    weakref.finalize(queue, ended.append, "finalized")
    assert references[0]() is queue
    registry = weakref.WeakValueDictionary({"queue": queue})
    del queue
    gc.collect()
    assert [reference() for reference in references] == [None, None]
    assert sorted(ended) == ["finalized", "first"]
    assert not registry


@each
def test_weak_references_to_items_end_when_the_items_leave(cls: Any) -> None:
    class Item:
        pass

    queue = cls()
    item = Item()
    reference = weakref.ref(item, lambda _: queue._offer("its end was seen"))
    queue._offer(item)
    del item
    assert reference() is queue.peek()
    queue.drain()
    gc.collect()
    assert list(queue) == ["its end was seen"]


@each
def test_a_cycle_through_a_subclass_is_collected(cls: Any) -> None:
    """Through its attributes and its bound methods."""

    class Named(cls):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name, self.itself, self.method = name, self, self.peek

    queue = Named("orders")
    queue._offer(queue.method)
    gone = weakref.ref(queue)
    assert queue.peek() == queue.method() == queue.method
    del queue
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("kind", "waits_for"), [*((kind, "item") for kind in KINDS), *((kind, "room") for kind in BOUNDED)]
)
def test_a_cycle_through_waiting_tasks_is_collected(kind: Kind, waits_for: str) -> None:
    """A cycle: the queue holds the future, which holds the task, the coroutine and again the queue."""
    queue = kind.make(2)
    loop = asyncio.new_event_loop()

    async def use(queue: Any) -> None:
        await (queue.aget() if waits_for == "item" else queue.aput(queue))

    if waits_for == "room":
        while queue._offer("there"):
            pass
    tasks = [loop.create_task(use(queue)) for _ in range(3)]
    loop.run_until_complete(asyncio.sleep(0))
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    del task
    loop.close()
    gone = [weakref.ref(queue), weakref.ref(loop), *map(weakref.ref, tasks)]
    del queue, loop, tasks
    gc.collect()
    assert [reference() for reference in gone] == [None] * 5


COPIERS: dict[str, Callable[[Any], object]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {n}": partial(pickle.dumps, protocol=n) for n in range(pickle.HIGHEST_PROTOCOL + 1)},
}


@each
@pytest.mark.parametrize("copier", COPIERS.values(), ids=COPIERS)
def test_a_queue_cannot_be_copied(cls: Any, copier: Callable[[Any], object]) -> None:
    class Named(cls):  # type: ignore[misc]
        pass

    for copied in (cls, Named):
        queue = copied()
        queue._offer([1])
        with pytest.raises(TypeError) as error:
            copier(queue)
        assert f"cannot pickle '{copied.__name__}' object" in str(error.value)
        assert "list(queue)" in str(error.value)
        assert list(queue) == [[1]]


def test_a_subclass_may_say_what_its_copies_are() -> None:
    class Named(Queue[int]):
        def __getstate__(self) -> list[int]:  # type: ignore[override]
            return list(self)

        def __setstate__(self, items: list[int]) -> None:
            self.put_many(items)

    queue = Named()
    queue.put_many([1, 2])
    twin = copy.copy(queue)
    assert twin.get_many() == list(queue) == [1, 2]
