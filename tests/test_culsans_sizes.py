"""Sizes of items in `elasticq.culsans`: what fits, and what becomes of a sizer that raises."""

from __future__ import annotations

import gc
from contextlib import nullcontext
from typing import Any

import pytest
from support import Threads, wait_until
from test_culsans import Hooked, Unclear, each, finish

import elasticq
from elasticq import culsans


class Failing(Hooked):
    """Can't be cleared, and does not say so."""

    def _clear(self) -> None:
        raise KeyError


@pytest.mark.parametrize("call", range(1, 4))
def test_a_sizer_that_raises_leaves_the_queue_as_it_was(call: int) -> None:
    calls = []

    def sizer(item: str) -> int:
        calls.append(item)
        if len(calls) == call:
            raise KeyError(item)
        return len(item)

    q: culsans.Queue[str] = culsans.Queue(5, sizer=sizer)
    try:
        q.sync_put("ab")
    except KeyError:
        assert (q.qsize(), q.size, q.unfinished_tasks) == (0, 0, 0)
    else:
        assert (len(calls) < call, q.qsize(), q.size) == (True, 1, 2)


@each
def test_a_sizer_that_raises_leaves_the_item_that_was_to_be_taken(cls: Any) -> None:
    def sizer(item: int) -> int:
        if failing:
            raise KeyError(item)
        return item

    failing = False
    q = cls(9, sizer=sizer)
    for item in (3, 1, 2):
        q.put_nowait(item)
    failing = True
    for get in (q.get_nowait, q.sync_q.get, lambda: finish(q.async_q.get())):
        with pytest.raises(KeyError):
            get()
    failing = False
    assert (q.qsize(), q.size, q.unfinished_tasks) == (3, 6, 3)
    assert (sorted(q.get_nowait() for _ in range(3)), q.size) == ([1, 2, 3], 0)


@pytest.mark.parametrize("cls", [Unclear, Failing])
def test_closing_lets_those_go_who_wait_though_a_sizer_or_a_hook_raises(cls: Any, threads: Threads) -> None:
    def sizer(item: int) -> int:
        if q.closed and item == 1:
            raise KeyError(item)
        return 1

    def put() -> None:
        with pytest.raises(culsans.QueueShutDown):
            q.sync_put(2)

    q = cls(1, sizer=sizer)
    q.put_nowait(1)
    threads.start(put)
    wait_until(lambda: q.putting == 1, "it waits")
    with pytest.raises(KeyError) if cls is Failing else nullcontext():
        q.close()
    threads.join()
    assert (q.qsize(), q.size, q.unfinished_tasks) == ((1, 1, 1) if cls is Failing else (0, 0, 0))


def test_an_empty_queue_has_room_for_what_it_had_room_for_at_first() -> None:
    """Whatever has become of the items inside."""
    q: culsans.Queue[list[int]] = culsans.Queue(2, sizer=len)
    item = [1, 2]
    q.put_nowait(item)
    item.clear()
    assert (q.get_nowait(), q.size, q.full()) == ([], 0, False)
    q.put_nowait([1, 2])


@pytest.mark.parametrize("settings", [{}, {"sizer": lambda item: 1}], ids=["plain", "sizes"])
def test_a_limit_need_not_be_whole_but_must_be_a_number(settings: dict[str, Any]) -> None:
    for limit, fit in ((0.5, 1), (1.5, 2), (2.0, 2), (True, 1)):
        q: culsans.Queue[int] = culsans.Queue(limit, **settings)  # type: ignore[arg-type]
        for number in range(fit):
            q.put_nowait(number)
        assert q.full()
        with pytest.raises(culsans.QueueFull):
            q.put_nowait(fit)
        for wrong in (None, "3"):
            with pytest.raises(TypeError):
                q.maxsize = wrong  # type: ignore[assignment]
        assert (q.maxsize, q.qsize()) == (limit, fit)
    with pytest.raises(TypeError):
        culsans.Queue("3", **settings)  # type: ignore[arg-type]


def test_a_limit_counts_sizes_and_lets_in_what_fits(threads: Threads) -> None:
    def tickets() -> int:
        gc.collect()
        return sum(type(thing) is elasticq.SimpleQueue for thing in gc.get_objects())

    others = tickets()
    q: culsans.LifoQueue[str] = culsans.LifoQueue(5, sizer=len)
    q.put_nowait("four")
    assert (q.size, q.full(), q.isize("four"), q.qsize()) == (4, False, 4, 1)
    threads.start(q.sync_q.put, "two")
    wait_until(lambda: q.putting == 1, "it waits")
    with pytest.raises(culsans.QueueFull, match="size 2: maxsize = 5, size = 4"):
        q.sync_put("no", timeout=0.01)
    with pytest.raises(culsans.QueueFull):
        q.put_nowait("no")
    assert tickets() == others + 1  # those who gave up have left the line
    q.put_nowait("1")
    assert (q.full(), q.putting) == (True, 1)
    assert [q.get_nowait(), q.get_nowait()] == ["1", "four"]
    threads.join()
    assert (q.get_nowait(), q.size, q.putting) == ("two", 0, 0)


def test_a_subclass_may_say_sizes_and_a_negative_one_is_refused() -> None:
    class Sized(culsans.Queue[int]):
        def _isize(self, item: int) -> int:
            return item

    q = Sized(3)
    q.put_nowait(2)
    with pytest.raises(culsans.QueueFull):
        q.put_nowait(2)
    with pytest.raises(ValueError, match="-1: it must not be negative"):
        q.put_nowait(-1)
    assert (q.size, q.qsize(), q.unfinished_tasks) == (2, 1, 1)
