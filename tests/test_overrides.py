"""Subclasses that override `put` and `get`: what calls these in the standard library calls them here, too."""

from __future__ import annotations

import asyncio
import queue as standard
from typing import Any
from unittest import mock

import pytest
from kinds import DROP_INS
from support import Threads, wait_until_asleep

from elasticq import Empty, Full, LifoQueue, PriorityQueue, Queue, ShutDown, SimpleQueue

PAIRS: list[tuple[Any, Any]] = [
    (standard.Queue, Queue),
    (standard.LifoQueue, LifoQueue),
    (standard.PriorityQueue, PriorityQueue),
]
each_pair = pytest.mark.parametrize(("theirs", "ours"), PAIRS, ids=["Queue", "LifoQueue", "PriorityQueue"])
each = pytest.mark.parametrize("kind", DROP_INS)


def skipping_repeats(base: Any) -> Any:
    """A queue that refuses an item that repeats the last one, as a file watcher's queue does."""

    class SkipsRepeats(base):  # type: ignore[misc]
        def _init(self, maxsize: int) -> None:
            super()._init(maxsize)
            self._last: object = None

        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            if item != self._last:
                super().put(item, block, timeout)

        def _put(self, item: Any) -> None:
            super()._put(item)
            self._last = item

        def _get(self) -> Any:
            item = super()._get()
            if item is self._last:
                self._last = None
            return item

    return SkipsRepeats


def noting(base: Any, mixin: bool = False) -> Any:
    """A queue that notes how its `put` and `get` are called."""

    class Noting(object if mixin else base):  # type: ignore[misc]
        def put(self, item: Any, *arguments: Any, **keywords: Any) -> Any:
            self.log.append(("put", item, arguments, keywords))
            super().put(item, *arguments, **keywords)
            return "put"

        def get(self, *arguments: Any, **keywords: Any) -> Any:
            self.log.append(("get", arguments, keywords))
            return super().get(*arguments, **keywords)

    class Named(*((Noting, base) if mixin else (Noting,))):  # type: ignore[misc]
        def __init__(self, *arguments: Any) -> None:
            self.log: list[Any] = []
            super().__init__(*arguments)

    return Named


@each_pair
def test_a_queue_that_skips_repeats_does_so_however_it_is_called(theirs: Any, ours: Any) -> None:
    got = []
    for base in (theirs, ours):
        queue = skipping_repeats(base)(5)
        for item in (1, 1, 2, 2, 1):
            queue.put_nowait(item)
            queue.put(item)
        taken = [queue.get_nowait() for _ in range(queue.qsize())]
        queue.put_nowait(1)
        got.append((taken, queue.get(), queue.unfinished_tasks))
    assert got[0] == got[1]
    assert len(got[1][0]) == 3


@each
def test_it_skips_them_in_a_batch_as_well(kind: Any) -> None:
    queue = skipping_repeats(kind)()
    queue.put_many([1, 1, 2, 2, 2, 3])
    assert sorted(queue.get_many()) == [1, 2, 3]
    queue.async_q.put_nowait(4)
    queue.async_q.put_nowait(4)
    assert (queue.async_q.get_nowait(), queue.qsize()) == (4, 0)


@each_pair
@pytest.mark.parametrize("mixin", [False, True])
def test_the_overrides_are_called_as_in_the_standard_library(theirs: Any, ours: Any, mixin: bool) -> None:
    logs = []
    for base in (theirs, ours):
        queue = noting(base, mixin)(2)
        returned = [queue.put_nowait(1), queue.put_nowait(item=2)]
        with pytest.raises(standard.Full):
            queue.put_nowait(3)
        taken = sorted([queue.get_nowait(), queue.get_nowait()])
        with pytest.raises(standard.Empty):
            queue.get_nowait()
        logs.append((returned, taken, queue.log))
    assert logs[0] == logs[1]
    assert logs[1][2][0] == ("put", 1, (), {"block": False})


@each_pair
def test_nothing_recurses_that_does_not_in_the_standard_library(theirs: Any, ours: Any) -> None:
    logs = []
    for base in (theirs, ours):

        class Both(noting(base)):  # type: ignore[misc]
            """A subclass of a subclass: each override calls the next one."""

            def put(self, item: Any, block: bool = True, timeout: float | None = None) -> Any:
                return super().put(item + 10, block, timeout)

            def put_nowait(self, item: Any) -> Any:
                self.log.append("put_nowait")
                return super().put_nowait(item)

            def get_nowait(self) -> Any:
                self.log.append("get_nowait")
                return super().get_nowait()

        queue = Both(3)
        assert queue.put_nowait(1) == "put"
        logs.append((queue.get_nowait(), queue.log))
    assert logs[0] == logs[1]
    assert logs[1][0] == 11


@each_pair
def test_a_mixin_behind_the_queue_changes_nothing(theirs: Any, ours: Any) -> None:
    class Behind:
        def put(self, *_: Any) -> None:
            raise AssertionError

    for base in (theirs, ours):
        queue = type("Mixed", (base, Behind), {})()
        queue.put_nowait(1)
        assert queue.get_nowait() == 1


@each_pair
def test_only_one_of_the_two_may_be_overridden(theirs: Any, ours: Any) -> None:
    for base in (theirs, ours):

        class Shouting(base):  # type: ignore[misc, valid-type]
            def put(self, item: str, block: bool = True, timeout: float | None = None) -> None:
                super().put(f"{item}!", block, timeout)

        class Asking(base):  # type: ignore[misc, valid-type]
            def get(self, block: bool = True, timeout: float | None = None) -> str:
                return f"{super().get(block, timeout)}?"

        for queue, answer in ((Shouting(), "a!"), (Asking(), "a?")):
            queue.put_nowait("a")
            assert queue.get_nowait() == answer


@each_pair
def test_an_override_may_be_patched(theirs: Any, ours: Any) -> None:
    """The patch may be in a class that has an override, in an instance, or in a class that has none."""
    for base in (theirs, ours):
        kind = noting(base)
        queue = kind()
        with mock.patch.object(kind, "put", return_value="patched") as put:
            assert queue.put_nowait(1) == "patched"
        assert put.mock_calls == [mock.call(1, block=False)]
        queue.get = lambda **keywords: keywords
        assert queue.get_nowait() == {"block": False}
        with mock.patch.object(plain := type("Plain", (base,), {}), "put", return_value="patched"):
            assert plain().put_nowait(1) == "patched"


# ---- what the standard library does not have


@each
def test_put_many_calls_put_for_each(kind: Any) -> None:
    queue = noting(kind)(3)
    queue.put_many(iter([1, 2]))
    queue.put_many([3], timeout=60)
    with pytest.raises(Full) as full:
        queue.put_many([4, 5], block=False)
    assert full.value.remaining == [4, 5]
    assert [entry[:3] for entry in queue.log] == [("put", n, ()) for n in (1, 2, 3, 4)]
    kept, timed, refused = [entry[3] for entry in queue.log[1:]]
    assert (kept, refused, list(timed)) == ({}, {"block": False}, ["timeout"])
    assert 0 < timed["timeout"] <= 60
    queue.get()
    with pytest.raises(Full) as full:
        queue.put_many([4, 5], timeout=0.001)
    assert full.value.remaining == [5]
    assert queue.qsize() == 3


@each
def test_what_an_override_raises_leaves_the_rest_with_the_sender(kind: Any) -> None:
    class Choosy(kind):  # type: ignore[misc]
        def put(self, item: int, block: bool = True, timeout: float | None = None) -> None:
            if item == 3:
                raise LookupError(item)
            super().put(item, block, timeout)

        def get(self, block: bool = True, timeout: float | None = None) -> int:
            item: int = super().get(block, timeout)
            if item == 3:
                raise LookupError(item)
            return item

    queue = Choosy()
    with pytest.raises(LookupError) as raised:
        queue.put_many([1, 2, 3, 4])
    assert (raised.value.remaining, queue.qsize()) == ([3, 4], 2)  # type: ignore[attr-defined]
    for item in (1, 2, 3):
        kind.put(queue, item)
    left: list[int] = []
    while not left or left[-1] != 3:
        try:
            left += queue.get_many()
        except LookupError as error:
            left += [*getattr(error, "taken", []), 3]
    assert sorted([*left, *queue.drain()]) == [1, 1, 2, 2, 3]


@each
def test_the_module_queues_exceptions_of_an_override_end_a_batch_and_an_iterator(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OldError(Exception):
        """Takes the place of the module's ShutDown, which older Pythons don't have."""

    monkeypatch.setattr(standard, "ShutDown", OldError, raising=False)

    class Written(kind):  # type: ignore[misc]
        """A subclass that was written for `queue.Queue`."""

        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            item = super().get(block, timeout)
            if item == "nothing":
                raise standard.Empty
            if item == "end":
                raise OldError
            return item

    for last, take in (
        ("nothing", kind.get_many),
        ("end", kind.get_many),
        ("end", lambda q: list(q.consume())),
    ):
        queue, items = Written(), ["a", last]
        kind.put_many(queue, reversed(items) if kind is LifoQueue else items)
        assert take(queue) == ["a"]


@each
@pytest.mark.parametrize("name", ["_get", "get", "get_nowait"])
async def test_the_module_queues_exceptions_of_an_override_are_asyncios_in_its_view(
    kind: Any, name: str
) -> None:
    class NothingToday(standard.Empty):
        """An error of the subclass's own."""

    raised = {error: error("why") for error in (standard.Empty, standard.Full, NothingToday)}

    def override(queue: Any, *_: Any, **__: Any) -> Any:
        raise raised[queue.error]

    queue = type("Written", (kind,), {name: override})()
    queue.put(1)
    for error, theirs in (
        (standard.Empty, asyncio.QueueEmpty),
        (standard.Full, asyncio.QueueFull),
        (NothingToday, asyncio.QueueEmpty),
    ):
        queue.error = error
        with pytest.raises(theirs, match="why") as seen:
            queue.async_q.get_nowait()
        assert isinstance(seen.value, error)
        if name == "_get":  # methods that are awaited use the hooks alone
            with pytest.raises(theirs, match="why"):
                await queue.async_q.get()


@each
@pytest.mark.parametrize("name", ["_put", "put", "put_nowait"])
async def test_and_so_they_are_for_one_that_puts_in(kind: Any, name: str) -> None:
    def override(*_: Any, **__: Any) -> Any:
        raise standard.Full("why")

    queue = type("Written", (kind,), {name: override})()
    with pytest.raises(asyncio.QueueFull, match="why"):
        queue.async_q.put_nowait(1)
    if name == "_put":
        with pytest.raises(asyncio.QueueFull, match="why"):
            await queue.async_q.put(1)


@each
def test_counting_that_fails_leaves_what_was_taken_to_the_exception(kind: Any) -> None:
    class Uncountable(noting(kind)):  # type: ignore[misc]
        def __len__(self) -> int:
            raise LookupError

    queue = Uncountable()
    kind.put_many(queue, [1, 2])
    assert sorted(queue.get_many()) == [1, 2]

    class Broken(noting(kind)):  # type: ignore[misc]
        broken = False

        def _qsize(self) -> int:
            if self.broken:
                raise LookupError
            size: int = super()._qsize()
            return size

        def get(self, *arguments: Any, **keywords: Any) -> Any:
            item = super().get(*arguments, **keywords)
            self.broken = True
            return item

    broken = Broken()
    kind.put_many(broken, [1, 2])
    with pytest.raises(LookupError) as raised:
        broken.get_many()
    broken.broken = False
    assert sorted([*raised.value.taken, *broken.drain()]) == [1, 2]  # type: ignore[attr-defined]


@each
def test_get_many_calls_get_for_each_and_ends(kind: Any) -> None:
    class Endless(noting(kind)):  # type: ignore[misc]
        """Each time an item is taken, another one comes."""

        def get(self, *arguments: Any, **keywords: Any) -> Any:
            item = super().get(*arguments, **keywords)
            kind.put(self, 0)
            return item

    queue = noting(kind)()
    kind.put_many(queue, [1, 2, 3])
    queue.log.clear()
    assert sorted([*queue.get_many(2, timeout=60), *queue.get_many()]) == [1, 2, 3]
    assert [list(keywords) for _, _, keywords in queue.log] == [["timeout"], ["block"], [], ["block"]][
        : len(queue.log)
    ]
    with pytest.raises(Empty):
        queue.get_many(block=False)
    endless = Endless()
    kind.put(endless, 1)
    assert len(endless.get_many()) == 2
    queue.shutdown()
    with pytest.raises(ShutDown):
        queue.get_many()


@each
def test_consuming_calls_get(kind: Any, threads: Threads) -> None:
    queue, seen = noting(kind)(), []

    def consume() -> None:
        seen.extend(queue.consume())

    consumer = threads.start(consume)
    wait_until_asleep(consumer)
    queue.put(1)
    queue.put_nowait(2)
    queue.shutdown()
    threads.join()
    assert sorted(seen) == [1, 2]
    assert [entry[0] for entry in queue.log].count("get") == 3


@each
async def test_what_is_awaited_goes_by_the_hooks_alone(kind: Any) -> None:
    """An override would block the event loop."""
    queue = noting(kind)()
    await queue.aput(1)
    await queue.async_q.put(2)
    await queue.aput_many([3])
    taken = [await queue.aget(), await queue.async_q.get(), *await queue.aget_many()]
    assert (sorted(taken), queue.log) == ([1, 2, 3], [])
    skipping = skipping_repeats(kind)()
    await skipping.aput(1)
    skipping.put(1)  # refused, since the hook has seen the first one
    assert skipping.qsize() == 1


@each
def test_an_override_waits_and_is_woken(kind: Any, threads: Threads) -> None:
    queue = noting(kind)(1)
    taken: list[int] = []
    taker = threads.start(lambda: taken.extend([queue.get(), queue.get(timeout=60)]))
    wait_until_asleep(taker)
    queue.put_nowait(1)
    queue.put_many([2, 3], timeout=60)
    threads.join()
    assert [*taken, queue.get_nowait()] == [1, 2, 3]
    assert asyncio.run(with_a_task(queue)) == 4


async def with_a_task(queue: Any) -> Any:
    getter = asyncio.create_task(queue.aget())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    queue.put_nowait(4)
    return await getter


@pytest.mark.parametrize("base", [standard.SimpleQueue, SimpleQueue])
def test_a_simple_queue_does_not_look_at_overrides(base: Any) -> None:
    queue = noting(base)()
    queue.put_nowait(1)
    assert (queue.get_nowait(), queue.log) == (1, [])
