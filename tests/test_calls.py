"""The innermost calls have entries of their own. Off the fast path they behave like any other method."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import pytest
from kinds import CLASSES

import elasticq
from elasticq import Empty, PriorityCircularBuffer, Queue, ShutDown, SimpleQueue

SIGNATURES = {
    "put": "(self, /, item, block=True, timeout=None)",
    "put_nowait": "(self, /, item)",
    "get": "(self, /, block=True, timeout=None)",
    "get_nowait": "(self, /)",
    "push": "(self, /, item)",
    "push_with_priority": "(self, /, item, priority)",
    "pop": "(self, /)",
    "try_enqueue": "(self, /, item)",
    "try_dequeue": "(self, /, default=None)",
}
METHODS: list[tuple[type[Any], str]] = [
    (cls, name) for cls in CLASSES for name in SIGNATURES if hasattr(cls, name)
]


@pytest.mark.parametrize(("cls", "name"), METHODS)
def test_they_look_like_methods(cls: type[Any], name: str) -> None:
    method = getattr(cls, name)
    owner = next(base for base in cls.__mro__ if name in vars(base))
    assert inspect.ismethoddescriptor(method)
    assert method.__name__ == name
    assert method.__qualname__ == f"{owner.__name__}.{name}"
    assert str(inspect.signature(method)) == SIGNATURES[name]
    assert inspect.getdoc(method)


@pytest.mark.parametrize(("cls", "name"), METHODS)
def test_they_take_no_other_object(cls: type[Any], name: str) -> None:
    of_another_class: Any = elasticq.LockFreeMPSCQueue() if cls is SimpleQueue else SimpleQueue()
    for other in (object(), [], of_another_class, cls):
        with pytest.raises(TypeError):
            getattr(cls, name)(other, *[1 for given in ("item", "priority") if given in SIGNATURES[name]])
    with pytest.raises(TypeError):
        getattr(cls, name)()


CALLS: list[Callable[[Queue[Any]], object]] = [
    lambda q: q.put(1),
    lambda q: q.put(item=1),
    lambda q: q.put(1, True),
    lambda q: q.put(1, block=False),
    lambda q: q.put(1, timeout=1),
    lambda q: q.put(1, False, None),
    lambda q: q.put_nowait(1),
    lambda q: q.put_nowait(item=1),
    lambda q: Queue.put(q, 1),
    lambda q: Queue.put(q, item=1),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("moved", [False, True])
def test_arguments_may_be_given_in_any_way(number: int, size: int, moved: bool) -> None:
    q = Queue[Any](size)
    if moved:
        with q.mutex:
            pass
    assert CALLS[number](q) is None
    takes: list[Callable[[], object]] = [
        q.get,
        lambda: q.get(True),
        lambda: q.get(False, None),
        lambda: q.get(block=False),
        lambda: q.get(timeout=1),
        q.get_nowait,
        lambda: Queue.get(q),
        lambda: Queue.get_nowait(q),
    ]
    for take in takes:
        assert take() == 1
        with pytest.raises(Empty):
            q.get_nowait()
        q.put(1)


def test_wrong_arguments_are_refused_and_leave_no_trace() -> None:
    q = Queue[Any]()
    item = object()
    q.put(item)
    references = sys.getrefcount(item)
    call: Any = q
    wrong: list[Callable[[], object]] = [
        call.put,
        lambda: call.put(item, True, None, 1),
        lambda: call.put(item, thing=1),
        lambda: call.put(item, item=item),
        call.put_nowait,
        lambda: call.put_nowait(item, item),
        lambda: call.get(item, item, item),
        lambda: call.get(thing=item),
        lambda: call.get_nowait(item),
        lambda: call.get_nowait(thing=item),
    ]
    for refused in wrong:
        with pytest.raises(TypeError):
            refused()
    assert list(q) == [item]
    assert sys.getrefcount(item) == references


def test_a_level_may_be_given_in_any_way() -> None:
    buffer = PriorityCircularBuffer[Any]()
    item = object()
    references = sys.getrefcount(item)
    call: Any = buffer
    right: list[Callable[[], object]] = [
        lambda: call.push_with_priority(item, 1),
        lambda: call.push_with_priority(item, priority=1),
        lambda: call.push_with_priority(priority=1, item=item),
        lambda: call.push_with_priority(item, True),
        lambda: PriorityCircularBuffer.push_with_priority(call, item, 1),
        lambda: call.push(item=item),
        lambda: PriorityCircularBuffer.push(call, item),
    ]
    for push in right:
        assert push() is None
        assert buffer.len_at_priority(1) == 1
        assert buffer.pop() is item
    wrong: list[Callable[[], object]] = [
        call.push_with_priority,
        lambda: call.push_with_priority(item),
        lambda: call.push_with_priority(item, 1, 1),
        lambda: call.push_with_priority(item, 1, priority=1),
        lambda: call.push_with_priority(item, level=1),
        lambda: call.push(item, 1),
        lambda: call.pop(1),
    ]
    for refused in wrong:
        with pytest.raises(TypeError):
            refused()
    assert len(buffer) == 0
    assert sys.getrefcount(item) == references


def test_a_refused_item_is_not_held() -> None:
    q = Queue[Any](1)
    q.put(1)
    item = object()
    references = sys.getrefcount(item)
    for _ in range(10):
        with pytest.raises(elasticq.Full):
            q.put_nowait(item)
    q.shutdown()
    with pytest.raises(ShutDown):
        q.put(item)
    assert sys.getrefcount(item) == references


def test_items_are_counted_once() -> None:
    q = Queue[Any]()
    item = object()
    references = sys.getrefcount(item)
    for _ in range(100):
        q.put(item)
    assert sys.getrefcount(item) == references + 100
    for _ in range(100):
        assert q.get() is item
    assert sys.getrefcount(item) == references


def test_a_subclass_may_override_them() -> None:
    class Doubling(Queue[int]):
        def put(self, item: int, block: bool = True, timeout: float | None = None) -> None:
            super().put(item, block, timeout)
            super().put(item)

        def get(self, block: bool = True, timeout: float | None = None) -> int:
            return super().get() + super().get(block, timeout)

    q = Doubling()
    q.put(2)
    assert len(q) == 2
    assert q.get() == 4
    assert q.empty()


def test_a_bound_call_keeps_its_queue() -> None:
    put, get = (q := Queue[int]()).put, q.get
    del q
    put(1)
    assert get() == 1
