"""A forked child has the items and none of the waiters: its queues work as if no thread had waited."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
from kinds import KINDS, Kind, by_name
from support import PATIENCE, unix_only

pytestmark = unix_only("fork")

FORKING = [kind for kind in KINDS if not kind.standard]
each = pytest.mark.parametrize("kind", FORKING)

SETUP = """
import asyncio, os, signal, sys, threading
sys.path.insert(0, {tests!r})
from kinds import by_name
from support import wait_until_asleep

kind = by_name({kind!r})

def make(limit=None):
    queue = kind.make(limit)
    return queue, *kind.ends(queue)

def blocked(call, *arguments):
    thread = threading.Thread(target=call, args=arguments, daemon=True)
    thread.start()
    wait_until_asleep(thread)
    return thread

def in_child(run):
    "Runs a function in a forked child, which must come to its end."
    child = os.fork()
    if child == 0:
        signal.alarm({patience})
        status = 1
        try:
            run()
            status = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
"""


def forking(kind: Kind, code: str) -> None:
    """Runs code in a fresh interpreter. A child that never ends is killed, and is a failure."""
    setup = SETUP.format(tests=os.path.dirname(__file__), kind=kind.name, patience=20)
    finished = subprocess.run(
        # Since Python 3.12, forking a process with threads causes a warning.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", setup + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=2 * PATIENCE,
        check=False,
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", ""), finished


@each
@pytest.mark.parametrize("waiting", [0, 1, 7])
def test_the_child_wakes_its_own_threads_though_the_parents_waited_before(kind: Kind, waiting: int) -> None:
    """A wake-up spent on a thread that the child does not have would be lost."""
    forking(
        kind,
        f"""
    queue, put, get = make()
    waiting = [blocked(get) for _ in range({waiting})]

    def child():
        for number in range(3):
            got = []
            getter = blocked(lambda: got.append(get()))
            put(number)
            getter.join()
            assert got == [number]

    in_child(child)
    in_child(child)
    for number in range({waiting}):
        put(number)
    for thread in waiting:
        thread.join()
    """,
    )


@pytest.mark.parametrize("kind", [kind for kind in FORKING if kind.bounded])
def test_the_child_wakes_its_own_who_wait_for_room(kind: Kind) -> None:
    forking(
        kind,
        """
    queue, put, get = make(2)
    put("a")
    put("b")
    waiting = blocked(put, "parent's")

    def child():
        first, second = list(queue)
        assert {first, second} == {"a", "b"}
        putter = blocked(put, "child's")
        assert get() == first
        putter.join()
        assert {get(), get()} == {second, "child's"}
        assert len(queue) == 0

    in_child(child)
    first, second = list(queue)
    assert get() == first
    waiting.join()
    assert {get(), get()} == {second, "parent's"}
    """,
    )


@each
def test_a_child_of_a_child(kind: Kind) -> None:
    forking(
        kind,
        """
    queue, put, get = make()
    waiting = blocked(get)

    def grandchild():
        getter = blocked(get)
        put(2)
        getter.join()

    def child():
        also_waiting = blocked(get)
        in_child(grandchild)
        put(1)
        also_waiting.join()

    in_child(child)
    put(0)
    waiting.join()
    """,
    )


def test_the_child_joins_its_own_tasks() -> None:
    forking(
        by_name("Queue"),
        """
    queue, put, get = make()
    put(1)
    waiting = blocked(queue.join)

    def child():
        joining = blocked(queue.join)
        get()
        queue.task_done()
        joining.join()

    in_child(child)
    get()
    queue.task_done()
    waiting.join()
    """,
    )


@each
def test_tasks_of_the_parents_loops_take_no_wake_up_in_the_child(kind: Kind) -> None:
    forking(
        kind,
        """
    queue, put, get = make()
    started = threading.Event()

    async def wait():
        getters = [asyncio.ensure_future(queue.aget()) for _ in range(3)]
        await asyncio.sleep(0)
        started.set()
        return await asyncio.gather(*getters)

    loop = threading.Thread(target=lambda: asyncio.run(wait()))
    loop.start()
    started.wait()

    async def serve():
        getter = asyncio.ensure_future(queue.aget())
        await asyncio.sleep(0)
        put("here")
        assert await getter == "here"

    in_child(lambda: asyncio.run(serve()))
    for number in range(3):
        put(number)
    loop.join()
    """,
    )


@each
def test_a_signal_handler_that_forks_in_the_middle_of_a_wait(kind: Kind) -> None:
    """The child returns into a wait that began in the parent, and goes on waiting."""
    forking(
        kind,
        f"""
    queue, put, get = make()
    others = [blocked(get) for _ in range({0 if kind.name == "LockFreeSPSCQueue" else 2})]
    children = []

    def put_for(waiting):
        for _ in range(waiting):
            put("here")

    def fork(*_):
        child = os.fork()
        children.append(child)
        threading.Thread(target=put_for, args=(1 if child == 0 else 1 + len(others),)).start()
        if child == 0:
            signal.alarm(20)

    begun = []

    def interrupt():
        while not begun:
            os.sched_yield()
        wait_until_asleep(threading.main_thread()) # in `get`, not in the start of this thread
        os.kill(os.getpid(), signal.SIGUSR1)

    signal.signal(signal.SIGUSR1, fork)
    threading.Thread(target=interrupt).start()
    begun.append(True)
    assert get() == "here"
    if children[0] == 0:
        os._exit(0)
    for other in others:
        other.join()
    assert os.waitpid(children[0], 0)[1] == 0
    """,
    )


def test_a_signal_handler_that_forks_in_the_middle_of_a_wait_in_line() -> None:
    """The child has lost its place in the line. It takes a new one, so that it is woken for room."""
    forking(
        by_name("Weighted"),
        """
    queue, put, get = make(2)
    put("a")
    put("b")
    main = threading.main_thread()
    children = []

    def take():
        wait_until_asleep(main)
        while get() != "main's":
            pass

    def fork(*_):
        blocked(put, "other")
        children.append(os.fork())
        if children[0] == 0:
            signal.alarm(20)
        threading.Thread(target=take).start()

    def interrupt():
        wait_until_asleep(main)
        os.kill(os.getpid(), signal.SIGUSR1)

    signal.signal(signal.SIGUSR1, fork)
    threading.Thread(target=interrupt).start()
    put("main's")
    if children[0] == 0:
        os._exit(0)
    assert os.waitpid(children[0], 0)[1] == 0
    """,
    )


@each
def test_forking_amid_traffic(kind: Kind) -> None:
    """Wherever the other threads are at that moment, the child finds whole queues and no held locks."""
    forking(
        kind,
        """
    queue, put, get = make()
    stop = threading.Event()

    def putting():
        while not stop.is_set():
            if len(queue) < 100:
                put(("item", 1))
        put(None)

    def getting():
        while get() is not None:
            pass

    workers = [threading.Thread(target=run, daemon=True) for run in (putting, getting)]
    for worker in workers:
        worker.start()

    def child():
        before = len(queue)
        assert list(queue) == [("item", 1)] * before
        for _ in range(before):
            assert get() == ("item", 1)
        getter = blocked(get)
        put("mine")
        getter.join()
        queue.drain()
        putter = threading.Thread(target=lambda: [put(number) for number in range(1000)])
        putter.start()
        assert {get() for _ in range(1000)} == set(range(1000))

    for _ in range(12):
        in_child(child)
    stop.set()
    for worker in workers:
        worker.join()
    """,
    )


def test_a_culsans_queue_counts_only_those_who_wait_in_this_process() -> None:
    forking(
        by_name("Queue"),
        """
    from elasticq import culsans

    queue = culsans.Queue()
    waiting = [blocked(queue.sync_q.get) for _ in range(2)]

    def child():
        assert (queue.getting, queue.putting, queue.waiting) == (0, 0, 0)
        thread = blocked(queue.sync_q.get)
        assert queue.getting == 1
        queue.put_nowait(1)
        thread.join()
        assert queue.waiting == 0

    in_child(child)
    assert queue.getting == 2
    queue.put_nowait(1), queue.put_nowait(2)
    for thread in waiting:
        thread.join()
    assert queue.waiting == 0
    """,
    )
