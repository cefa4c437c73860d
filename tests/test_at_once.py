"""A put or a get of one item in a moved queue needs no Python code, unless something is in its way."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from kinds import KINDS, Kind
from support import PATIENCE, Threads, moved, wait_until, wait_until_asleep

from elasticq import Empty, Full, PriorityQueue, Queue, ShutDown

each_moved = pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.standard], ids=lambda kind: kind.name
)


def python_code(call: Callable[..., object], *arguments: object) -> list[str]:
    """The names of the Python functions that run while something is called."""
    seen: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            seen.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        call(*arguments)
    finally:
        sys.setprofile(None)
    return seen


@each_moved
def test_a_put_and_a_get_run_no_python_code(kind: Kind) -> None:
    q = kind.make(2)
    for put, get in ((q.put, q.get), (q.put_nowait, q.get_nowait)):
        for numbers in ([1], [1, 2]):
            assert [python_code(put, number) for number in numbers] == [[] for _ in numbers]
            assert [python_code(get) for _ in numbers] == [[] for _ in numbers]
    q.put(1)
    q.put(2)
    with pytest.raises(Full):
        q.put_nowait(3)
    q.get()
    q.get()
    with pytest.raises(Empty):
        q.get_nowait()
    assert (q.unfinished_tasks, q.qsize(), q.stats().messages_refused) == (8, 0, 1)
    q.shutdown()
    with pytest.raises(ShutDown):
        q.put(1)
    assert q.stats().messages_refused == 2


def test_items_that_python_code_compares_are_left_to_it() -> None:
    class Compared:
        def __lt__(self, other: object) -> bool:
            return True

    q: PriorityQueue[Any] = PriorityQueue()
    first, second = Compared(), Compared()
    assert python_code(q.put, first) == []
    assert python_code(q.put, second) != []
    assert (q.get(), q.get()) == (second, first)


def test_nobody_is_kept_out_while_python_code_compares_what_a_get_takes() -> None:
    class Compared:
        def __lt__(self, other: object) -> bool:
            held.append(q.mutex._is_owned())  # type: ignore[attr-defined]
            return True

    held: list[bool] = []
    q: PriorityQueue[tuple[int, Compared]] = PriorityQueue()
    for priority in (0, 1, 1):  # only the last two have to be compared by more than their number
        q.put((priority, Compared()))
    assert held == []
    assert q.get()[0] == 0
    assert held
    assert not any(held)


@each_moved
def test_a_lock_of_the_users_is_taken(kind: Kind) -> None:
    class Lock:
        def __init__(self) -> None:
            self.lock = threading.RLock()
            self.taken = 0

        def __enter__(self) -> None:
            self.lock.acquire()
            self.taken += 1

        def __exit__(self, *_: object) -> None:
            self.lock.release()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.lock, name)

    q, lock = kind.make(), Lock()
    q.mutex = lock
    q.not_empty, q.not_full = (threading.Condition(lock) for _ in range(2))  # type: ignore[arg-type]
    q.put(1)
    once = lock.taken
    assert once > 0
    assert q.get() == 1
    assert lock.taken > once


@each_moved
def test_a_condition_of_the_users_is_notified(kind: Kind) -> None:
    class Noting(threading.Condition):
        notified = 0

        def notify(self, n: int = 1) -> None:
            self.notified += n
            super().notify(n)

    q = kind.make()
    q.not_empty, q.not_full = Noting(q.mutex), Noting(q.mutex)
    q.put(1)
    assert (q.not_empty.notified, q.not_full.notified) == (1, 0)
    q.get()
    assert (q.not_empty.notified, q.not_full.notified) == (1, 1)


@each_moved
def test_a_call_waits_for_the_lock(kind: Kind, threads: Threads) -> None:
    q = kind.make()

    def use() -> None:
        q.put(1)
        q.get()
        q.put(2)

    with q.mutex:
        wait_until_asleep(threads.start(use))
        assert list(q.queue) == []
    threads.join()
    assert list(q.queue) == [2]


def test_threads_that_wait_are_woken_one_by_one(threads: Threads) -> None:
    q: Queue[int] = moved(Queue(1))
    taken: list[int] = []
    for _ in range(3):
        threads.start(lambda: taken.append(q.get(timeout=PATIENCE)))
    wait_until(lambda: q.waiters().item.threads == 3, "all wait")
    for number in range(3):
        q.put(number, timeout=PATIENCE)
    threads.join()
    assert sorted(taken) == [0, 1, 2]


@each_moved
async def test_a_task_that_waits_is_woken(kind: Kind) -> None:
    q = kind.make(1)

    async def until_one_waits(for_item: int, for_room: int) -> None:
        waiting = (-1, -1)
        while waiting != (for_item, for_room):  # the test as a whole has a bound
            await asyncio.sleep(0)
            waiters = q.waiters()
            waiting = (waiters.item.tasks, waiters.room.tasks)

    get = asyncio.create_task(q.aget())
    await until_one_waits(1, 0)
    q.put(1)
    assert await asyncio.wait_for(get, PATIENCE) == 1
    q.put(2)
    put = asyncio.create_task(q.aput(3))
    await until_one_waits(0, 1)
    assert q.get() == 2
    await asyncio.wait_for(put, PATIENCE)
    assert q.get() == 3
