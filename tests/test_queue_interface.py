"""`Queue` answers every call as `queue.Queue` does: most tests run on both."""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from support import Threads, wait_until_asleep

import elasticq
from elasticq import Empty, Full, Queue

Make = Callable[..., Any]


@pytest.fixture(params=[queue.Queue, Queue], ids=["queue", "elasticq"])
def make(request: pytest.FixtureRequest) -> Make:
    """The class under test."""
    made: Make = request.param
    return made


def test_items_come_out_in_the_order_in_which_they_went_in(make: Make) -> None:
    q = make()
    items = [0, None, "text", (), [], 0.5, q]
    for item in items:
        q.put(item)
    taken = [q.get() for _ in items]
    assert all(one is other for one, other in zip(taken, items, strict=True))
    assert q.empty()


def test_every_way_to_put_and_to_get(make: Make) -> None:
    q = make(maxsize=8)
    q.put(1)
    q.put(2, False)
    q.put(3, True, 0)
    q.put(item=4, block=True, timeout=0.5)
    q.put(5, timeout=None)
    q.put_nowait(6)
    q.put_nowait(item=7)
    assert [q.get(), q.get(False), q.get(True, 0), q.get(block=True, timeout=0.5)] == [1, 2, 3, 4]
    assert [q.get(timeout=None), q.get_nowait(), q.get_nowait()] == [5, 6, 7]


def test_any_object_may_say_whether_to_block(make: Make) -> None:
    q = make(1)
    q.put(1, block="yes")
    with pytest.raises(queue.Full):
        q.put(2, block=[])
    assert q.get(block=1) == 1
    with pytest.raises(queue.Empty):
        q.get(block=0)


@pytest.mark.parametrize("arguments", [(False,), (False, 5), (False, -1), (True, 0), (1, 0.001)])
def test_an_empty_queue_raises_empty(make: Make, arguments: tuple[Any, ...]) -> None:
    q = make()
    with pytest.raises(queue.Empty):
        q.get(*arguments)
    with pytest.raises(queue.Empty):
        q.get_nowait()


@pytest.mark.parametrize("arguments", [(False,), (False, 5), (False, -1), (True, 0), (1, 0.001)])
def test_a_full_queue_raises_full_and_stays_as_it_was(make: Make, arguments: tuple[Any, ...]) -> None:
    q = make(2)
    q.put("a")
    q.put("b")
    with pytest.raises(queue.Full):
        q.put("c", *arguments)
    with pytest.raises(queue.Full):
        q.put_nowait("c")
    assert [q.get(), q.get()] == ["a", "b"]


def test_ours_are_the_standard_librarys_errors_too() -> None:
    q: Queue[int] = Queue(1)
    with pytest.raises(Empty) as empty:
        q.get_nowait()
    q.put(1)
    with pytest.raises(Full) as full:
        q.put_nowait(2)
    for error in (empty.value, full.value):
        assert isinstance(error, elasticq.QueueError)
        assert error.is_retriable
    assert (empty.value.is_capacity_error, full.value.is_capacity_error) == (False, True)
    assert "1" in str(full.value)


def test_a_timeout_is_waited_out(make: Make) -> None:
    q = make(1)
    started = time.perf_counter()
    with pytest.raises(queue.Empty):
        q.get(timeout=0.1)
    q.put(1)
    with pytest.raises(queue.Full):
        q.put(2, timeout=0.1)
    assert time.perf_counter() - started >= 0.2


def test_a_timeout_is_waited_out_in_other_threads(threads: Threads) -> None:
    q: Queue[int] = Queue()
    waited: list[float] = []

    def wait() -> None:
        started = time.perf_counter()
        with pytest.raises(Empty):
            q.get(timeout=0.1)
        waited.append(time.perf_counter() - started)

    for _ in range(4):
        threads.start(wait)
    threads.join()
    assert len(waited) == 4
    assert min(waited) >= 0.1


def test_get_waits_for_put(make: Make, threads: Threads) -> None:
    q, taken = make(), []
    for arguments in [(), (True, None), (True, 60)]:
        getter = threads.start(lambda arguments=arguments: taken.append(q.get(*arguments)))
        wait_until_asleep(getter)
        q.put(arguments)
        threads.join()
    assert taken == [(), (True, None), (True, 60)]


def test_put_waits_for_get(make: Make, threads: Threads) -> None:
    q = make(1)
    q.put(0)
    for number, arguments in enumerate([(), (True, None), (True, 60)]):
        putter = threads.start(q.put, number + 1, *arguments)
        wait_until_asleep(putter)
        assert q.get() == number
        threads.join()
    assert q.get() == 3


@pytest.mark.parametrize("timeout", [-1, -0.001, -math.inf])
def test_a_negative_timeout_is_a_value_error(make: Make, timeout: float) -> None:
    q = make(1)
    with pytest.raises(ValueError, match="non-negative"):
        q.get(timeout=timeout)
    q.put(1)
    with pytest.raises(ValueError, match="non-negative"):
        q.put(2, timeout=timeout)
    assert q.get() == 1


def test_a_timeout_of_nan_is_a_value_error() -> None:  # `queue.Queue` spins for ever with it
    q: Queue[int] = Queue(1)
    with pytest.raises(ValueError, match="'timeout' must be a non-negative number, not NaN"):
        q.get(timeout=math.nan)
    q.put(1)
    with pytest.raises(ValueError, match="'timeout' must be a non-negative number, not NaN"):
        q.put(2, timeout=math.nan)


@pytest.mark.parametrize("timeout", ["1", (), object(), 1j])
def test_a_timeout_that_is_no_number_is_a_type_error(make: Make, timeout: Any) -> None:
    q = make(1)
    with pytest.raises(TypeError):
        q.get(timeout=timeout)
    q.put(1)
    with pytest.raises(TypeError):
        q.put(2, timeout=timeout)
    assert q.get() == 1


@pytest.mark.parametrize("timeout", [math.inf, 1e300, 1e18, 1 << 62, 10**400, timedelta.max])
def test_a_timeout_longer_than_any_clock_has_no_end(threads: Threads, timeout: Any) -> None:
    q: Queue[int] = Queue(1)
    taken: list[int] = []
    getter = threads.start(lambda: taken.append(q.get(timeout=timeout)))
    wait_until_asleep(getter)
    q.put(1)
    threads.join()
    q.put(2, timeout=timeout)
    assert (taken, q.get(timeout=timeout)) == ([1], 2)


def test_a_timeout_is_not_looked_at_where_nothing_is_waited_for(make: Make) -> None:
    q = make()
    q.put(1, timeout=-1)
    q.put(2, block=False, timeout="?")
    assert q.get(block=False, timeout="?") == 1


@pytest.mark.parametrize("maxsize", [0, -1, -(1 << 62)])
def test_without_a_positive_maxsize_there_is_no_limit(make: Make, maxsize: int) -> None:
    q = make(maxsize)
    for number in range(10_000):
        q.put_nowait(number)
    assert (q.maxsize, q.qsize(), q.full(), q.empty()) == (maxsize, 10_000, False, False)
    assert [q.get_nowait() for _ in range(10_000)] == list(range(10_000))


@pytest.mark.parametrize("maxsize", [1, 2, 63, 64, 65, 1000])
def test_maxsize_is_exact(make: Make, maxsize: int) -> None:
    q = make(maxsize)
    for _ in range(2):
        for number in range(maxsize):
            assert not q.full()
            q.put_nowait(number)
        assert (q.maxsize, q.qsize(), q.full(), q.empty()) == (maxsize, maxsize, True, False)
        with pytest.raises(queue.Full):
            q.put_nowait(-1)
        assert [q.get_nowait() for _ in range(maxsize)] == list(range(maxsize))
        assert (q.qsize(), q.full(), q.empty()) == (0, False, True)


@pytest.mark.parametrize("maxsize", [1 << 40, (1 << 63) - 1])
def test_a_huge_maxsize_costs_nothing(make: Make, maxsize: int) -> None:
    q = make(maxsize)
    q.put(1)
    assert (q.maxsize, q.full(), q.get()) == (maxsize, False, 1)


@pytest.mark.parametrize("maxsize", [1 << 63, 10**30, -(10**30), 10**400])
def test_a_maxsize_too_large_to_count_is_no_limit(maxsize: int) -> None:
    q: Queue[int] = Queue(maxsize)
    q.put(1)
    assert (q.full(), q.get()) == (False, 1)


def test_a_queue_is_always_true(make: Make) -> None:
    q = make()
    assert q
    q.put(1)
    assert q


def test_a_queue_is_itself_and_nothing_else(make: Make) -> None:
    q, other = make(), make()
    assert q == q  # noqa: PLR0124 - identity is what is tested
    assert q != other
    assert len({q, other}) == 2


def test_a_queue_can_be_subscripted_for_annotations(make: Make) -> None:
    q = make[int]()  # type: ignore[index]
    q.put(1)
    assert q.get() == 1


def test_subclasses_and_their_attributes_work(make: Make) -> None:
    class Named(make):  # type: ignore[misc, valid-type]
        name = "none"

        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            super().put((self.name, item), block, timeout)

    q = Named(3)
    q.name = "mine"
    q.put(1)
    assert (q.get(), q.maxsize) == (("mine", 1), 3)


def test_task_done_counts_down_and_join_waits_for_it(make: Make, threads: Threads) -> None:
    q = make()
    q.join()
    for number in range(3):
        q.put(number)
    joiner = threads.start(q.join)
    for number in range(3):
        assert (q.unfinished_tasks, joiner.is_alive()) == (3 - number, True)
        wait_until_asleep(joiner)
        q.get()
        q.task_done()
    threads.join()
    assert q.unfinished_tasks == 0
    q.join()


def test_task_done_once_too_often_is_a_value_error(make: Make) -> None:
    q = make()
    with pytest.raises(ValueError, match="too many times"):
        q.task_done()
    q.put(1)
    q.get()
    q.task_done()
    with pytest.raises(ValueError, match="too many times"):
        q.task_done()
    q.put(2)
    assert q.unfinished_tasks == 1


def test_join_waits_for_what_was_put_meanwhile(make: Make, threads: Threads) -> None:
    q = make()
    q.put(1)
    joiner = threads.start(q.join)
    wait_until_asleep(joiner)
    q.put(2)
    q.task_done()
    wait_until_asleep(joiner)
    assert q.unfinished_tasks == 1
    q.task_done()
    threads.join()


def test_workers_finish_all_tasks_before_join_returns(make: Make, threads: Threads) -> None:
    q, done = make(16), []

    def work() -> None:
        while (item := q.get()) is not None:
            done.append(item)
            q.task_done()
        q.task_done()

    for _ in range(4):
        threads.start(work)
    for number in range(2000):
        q.put(number)
    q.join()
    assert sorted(done) == list(range(2000))
    for _ in range(4):
        q.put(None)
    q.join()
