"""Looking at a queue changes nothing and raises nothing, even if every attribute is read."""

from __future__ import annotations

import copy
import inspect
import io
import multiprocessing.managers
import pickle
import pprint
import pydoc
import threading
from collections import deque
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from kinds import KINDS, VIEWS, Kind, has_moved
from support import Threads, enter

from elasticq import InvalidOperation, LifoQueue, PriorityQueue, Queue, _core

INSIDE = ("mutex", "not_empty", "not_full", "all_tasks_done", "queue")
CONDITIONS = ("not_empty", "not_full", "all_tasks_done")


def reads(queue: Any) -> None:
    for name in dir(queue):
        hasattr(queue, name)


def spec(queue: Any) -> None:
    fake = mock.create_autospec(queue, instance=True)
    fake.put = None


def listens(queue: Any) -> None:
    multiprocessing.managers.public_methods(queue)  # type: ignore[attr-defined]


LOOKS: dict[str, Callable[[Any], object]] = {
    "hasattr": reads,
    "getmembers": inspect.getmembers,
    "getmembers_static": getattr(inspect, "getmembers_static", dir),  # from Python 3.11 on
    "autospec": spec,
    "managers": listens,
    "pprint": lambda queue: pprint.pprint(queue, stream=io.StringIO()),
    "help": pydoc.render_doc,
    "vars": lambda queue: getattr(queue, "__dict__", None),
    "repr of all": lambda queue: [repr(getattr(queue, name, None)) for name in dir(queue)],
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("kind", [*KINDS, *VIEWS])
def test_looking_at_everything_changes_nothing(kind: Kind, look: Callable[[Any], object]) -> None:
    queue = kind.make()
    add = next(getattr(queue, name) for name in ("put_nowait", "push", "put", "send") if hasattr(queue, name))
    add(1)
    before = has_moved(queue)
    look(queue)
    assert has_moved(queue) == before
    add(2)
    size = queue.qsize() if hasattr(queue, "qsize") else len(queue)
    assert size == 2
    assert has_moved(queue) == before == kind.standard


@pytest.mark.parametrize("name", INSIDE)
def test_a_queue_that_never_moves_has_no_such_attribute(name: str) -> None:
    q: Queue[bytes] = Queue(max_weight=10)
    assert not hasattr(q, name)
    assert getattr(q, name, None) is None
    with pytest.raises(InvalidOperation, match="max_weight"):
        getattr(q, name)
    with pytest.raises(AttributeError):
        getattr(q, name)
    with pytest.raises(InvalidOperation):
        setattr(q, name, None)
    q.put(b"")
    assert q.get() == b""


def test_an_attribute_is_taken_for_what_it_stands_for() -> None:
    q: Queue[int] = Queue()
    assert isinstance(q.mutex, type(threading.RLock()))
    assert isinstance(q.queue, deque)
    for name in CONDITIONS:
        assert isinstance(getattr(q, name), threading.Condition)
    assert _core._moved_of(q) is None


USES: dict[str, Callable[[Queue[Any]], object]] = {
    "mutex.acquire": lambda q: q.mutex.acquire(),
    "with mutex": lambda q: enter(q.mutex),
    "with condition": lambda q: enter(q.not_full),
    "condition.acquire": lambda q: q.not_empty.acquire(),
    "len": lambda q: len(q.queue),
    "bool": lambda q: bool(q.queue),
    "iter": lambda q: list(q.queue),
    "index": lambda q: q.queue[0],
    "append": lambda q: q.queue.append(3),
    "==": lambda q: q.queue == deque([1, 2]),
    "in": lambda q: 1 in q.queue,
    "copy": lambda q: copy.copy(q.queue).append(3),
    "pickle": lambda q: pickle.loads(pickle.dumps(q.queue)),
    "extend": lambda q: q.queue.extend([3]),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_using_an_attribute_moves_the_queue(use: Callable[[Queue[Any]], object]) -> None:
    q: Queue[int] = Queue()
    q.put_many([1, 2])
    use(q)
    assert _core._moved_of(q) is not None
    assert (type(q.queue), type(q.mutex)) == (deque, type(threading.RLock()))
    assert list(q)[:2] == q.get_many(2) == [1, 2]


def test_what_was_kept_from_before_the_move_goes_on_working(threads: Threads) -> None:
    q: Queue[int] = Queue(2)
    mutex, queue, not_empty, not_full = q.mutex, q.queue, q.not_empty, q.not_full
    own = threading.Condition(q.mutex)
    assert "not used yet" in repr(queue)
    with mutex:
        queue.append(1)
        assert (list(queue), queue[0], len(queue), queue == deque([1])) == ([1], 1, 1, True)
        not_empty.notify()
        own.notify_all()
    assert _core._moved_of(q) is not None
    assert "deque([1])" in repr(queue)
    assert q.get() == 1

    def wait() -> None:
        with not_full:
            waits.set()
            not_full.wait_for(lambda: not len(queue))

    waits = threading.Event()
    q.put(2)
    threads.start(wait)
    assert waits.wait(60)
    assert q.get() == 2
    threads.join()
    with pytest.raises(TypeError):
        hash(queue)
    q.queue += [3]
    assert (type(q.queue), q.get()) == (deque, 3)
    with pytest.raises(RuntimeError):
        q.not_empty.notify()


class Backwards(Queue[int]):
    """Takes the newest item first, and has no hooks for looking."""

    def _get(self) -> int:
        item: int = self.queue.pop()
        return item


class OwnStorage(Queue[int]):
    """Keeps its items in an attribute of its own."""

    def _init(self, maxsize: int) -> None:
        self.numbers: list[int] = []

    def _qsize(self) -> int:
        return len(self.numbers)

    def _put(self, item: int) -> None:
        self.numbers.append(item)

    def _get(self) -> int:
        return self.numbers.pop()


class SeenBackwards(Backwards):
    """The same with hooks for looking."""

    def _peek(self) -> int:
        item: int = self.queue[-1]
        return item

    def _in_order(self, items: list[int]) -> list[int]:
        return items[::-1]


class SeenStorage(OwnStorage):
    """The same with hooks for looking."""

    def _peek(self) -> int:
        return self.numbers[-1]

    def _in_order(self, _: list[int]) -> list[int]:
        return self.numbers[::-1]


class PutOnly(Queue[int]):
    """Changes the items that go in. `_get` takes the changed ones."""

    def _put(self, item: int) -> None:
        super()._put(-item)


class PutLast(LifoQueue[int]):
    """The same in another order."""

    def _put(self, item: int) -> None:
        self.queue.insert(0, item)


class Unwrapped(PriorityQueue[Any]):
    """The recipe for items with a priority."""

    def _put(self, item: Any) -> None:
        super()._put((item % 3, item))

    def _get(self) -> Any:
        return super()._get()[1]


@pytest.mark.parametrize("make", [Backwards, OwnStorage, Unwrapped])
def test_who_overrides_get_alone_is_told_that_nobody_can_look(make: Callable[[], Queue[int]]) -> None:
    q = make()
    q.put_many([1, 2, 3])
    for call, hook in ((q.peek, "_peek"), (lambda: list(q), "_in_order"), (lambda: 1 in q, "_in_order")):
        with pytest.raises(InvalidOperation, match=f"overrides _get and not {hook}"):
            call()
    assert (len(q), q.qsize(), bool(q), q.empty(), q.full()) == (3, 3, True, False, False)
    assert q.get_many(2) == [3, 2 if make is not Unwrapped else 1]
    assert len(q.drain()) == 1


@pytest.mark.parametrize("make", [SeenBackwards, SeenStorage, PutOnly, PutLast, LifoQueue, PriorityQueue])
def test_what_can_be_seen_is_what_is_taken(make: Callable[[], Queue[int]]) -> None:
    q = make()
    q.put_many([1, 2, 3])
    seen = list(q)
    assert q.peek() == seen[0]
    assert seen == [q.get() for _ in range(3)]


def test_a_subclass_of_another_order_gives_up_what_get_would_take() -> None:
    class Oldest(LifoQueue[int]):
        def _get(self) -> int:
            item: int = self.queue.pop(0)
            return item

    q = Oldest(2, overflow="drop_oldest")
    q.put_many([1, 2, 3])
    assert q.drain() == [2, 3]
