"""Waiting releases the interpreter, takes no processor time, can be interrupted and misses no wake-up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from itertools import chain

import pytest
from kinds import ALL, BOUNDED, IN_FILES
from support import PATIENCE, Threads, python, unix_only, wait_until_process_sleeps

from elasticq import Empty, Queue, ShutDown

BLOCKING = {
    **{f"{kind.name}: get": (kind.name, "kind.get(empty)") for kind in ALL},
    **{f"{kind.name}: put": (kind.name, "kind.put(full, 'new')") for kind in [*BOUNDED, IN_FILES]},
    "get with a timeout": ("Queue", "empty.get(timeout=600)"),
    "get_many": ("Queue", "empty.get_many(10)"),
    "put with a timeout": ("Queue", "full.put('new', timeout=600)"),
    "put_many": ("Queue", "full.put_many(['new', 'newer'])"),
    "join": ("Queue", "full.join()"),
    "consume": ("Queue", "next(empty.consume())"),
    "push_batch": ("DynamicCircularBuffer", "full.push_batch(['new'])"),
    "consume of levels": ("PriorityCircularBuffer", "next(empty.consume())"),
}
"""Calls that block, each with its kind of queue. There is an empty queue and a full one of that kind."""


def two_queues(kind: str) -> str:
    """Code that makes the two queues."""
    return f"""
    import sys, threading
    sys.path.insert(0, {os.path.dirname(__file__)!r})
    from kinds import by_name

    kind = by_name({kind!r})
    empty, full = kind.make(None, 600), kind.make(1, 600)
    if kind.bounded:
        kind.put(full, "old")
    """


each = pytest.mark.parametrize(("kind", "call"), BLOCKING.values(), ids=BLOCKING)


@each
def test_a_blocked_call_lets_the_other_threads_run(kind: str, call: str) -> None:
    python(
        f"""{two_queues(kind)}
    threading.Thread(target=lambda: {call}, daemon=True).start()
    numbers = iter(range(1_000_000))
    workers = [threading.Thread(target=sum, args=(numbers,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    """
    )


@unix_only("Ctrl-C for one process")
@each
def test_control_c_ends_a_blocked_call_of_the_main_thread(kind: str, call: str) -> None:
    """The call has neither taken nor put an item."""
    code = f"""{two_queues(kind)}
    print("ready", flush=True)
    try:
        {call}
    except KeyboardInterrupt as error:
        print("interrupted", getattr(error, "remaining", None))
    print(len(empty), list(full), len(full) == getattr(full, "unfinished_tasks", len(full)))
    kind.put(empty, "later")
    print(kind.get(empty))
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            wait_until_process_sleeps(process.pid)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert errors == ""
    remaining = "['new', 'newer']" if "put_many" in call else "None"
    there = [] if kind == "SimpleQueue" else ["old"]
    assert output == f"interrupted {remaining}\n0 {there} True\nlater\n"


@unix_only("signals that a process sends itself")
def test_a_signal_handler_that_raises_nothing_does_not_end_a_wait() -> None:
    output = python(
        """
    import os, signal, threading
    from elasticq import Queue

    q, calls = Queue(), Queue()
    signal.signal(signal.SIGUSR1, lambda *_: calls.put("handled"))

    def disturb():
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGUSR1)
            calls.get()
        q.put("done")

    threading.Thread(target=disturb).start()
    print(q.get())
    """
    )
    assert output == "done\n"


def test_blocked_threads_take_no_processor_time() -> None:
    output = python(
        """
    import threading, time
    from elasticq import Empty, Queue

    started, empty, full = Queue(), Queue(), Queue(1)
    full.put(0)
    waiting = [empty.get, lambda: empty.get(timeout=600), lambda: full.put(1), lambda: empty.get_many(9)]

    def wait(call):
        started.put(call)
        call()

    for i in range(100):
        threading.Thread(target=wait, args=(waiting[i % 4],), daemon=True).start()
    for _ in range(100):
        started.get()

    before = time.process_time()
    try:
        empty.get(timeout=2)
    except Empty:
        print(time.process_time() - before)
    """
    )
    assert float(output) < 0.5  # out of 200 thread seconds; spinning would take at least 2


def test_daemon_threads_that_wait_do_not_disturb_the_end_of_the_interpreter() -> None:
    """This holds in particular for threads that come back while the interpreter is being finalized."""
    for _ in range(5):
        python(
            """
        import threading
        from elasticq import Empty, Full, Queue

        empty, full = Queue(), Queue(1)
        full.put(0)

        def get():
            while True:
                try:
                    empty.get(timeout=0.0005)
                except Empty:
                    pass

        def put():
            while True:
                try:
                    full.put(1, timeout=0.0005)
                except Full:
                    pass

        started = Queue()
        for run in (get, put, empty.get, full.join) * 4:
            threading.Thread(target=lambda run=run: (started.put(1), run()), daemon=True).start()
        for _ in range(16):
            started.get()
        """
        )


@pytest.mark.parametrize("players", [2, 3, 5, 8])
@pytest.mark.parametrize("maxsize", [0, 1])
def test_no_wake_up_is_missed_when_a_ball_goes_round(players: int, maxsize: int, threads: Threads) -> None:
    """There is only one item, so every wake-up counts: a missed one stops the game."""
    rounds = 2000
    courts: list[Queue[int]] = [Queue(maxsize) for _ in range(players)]

    def play(me: int) -> None:
        for number in range(rounds):
            assert courts[me].get() == number
            courts[(me + 1) % players].put(number + (me == players - 1))

    for me in range(players):
        threads.start(play, me)
    courts[0].put(0)
    threads.join()
    assert courts[0].get_nowait() == rounds


@pytest.mark.parametrize("count", [2, 4, 8])
def test_no_wake_up_is_missed_where_threads_compete_for_one_place(count: int, threads: Threads) -> None:
    q: Queue[int] = Queue(1)
    rounds = 2000
    taken: list[list[int]] = [[] for _ in range(count)]

    def produce(me: int) -> None:
        for number in range(rounds):
            q.put(me * rounds + number)

    def consume(me: int) -> None:
        for _ in range(rounds):
            taken[me].append(q.get())

    for me in range(count):
        threads.start(produce, me)
        threads.start(consume, me)
    threads.join()
    assert sorted(chain.from_iterable(taken)) == list(range(count * rounds))


def test_no_wake_up_is_missed_where_single_and_batch_calls_meet(threads: Threads) -> None:
    """A batch that waits for room, and a batch that is taken, concern several waiters at once."""
    q: Queue[int] = Queue(7)
    rounds = 1000
    expected = 2 * rounds * (1 + 10)
    counted = threading.Semaphore(0)

    def single() -> None:
        for number in range(rounds):
            q.put(number)

    def batches() -> None:
        for number in range(rounds):
            q.put_many(range(number, number + 10))

    def take_single() -> None:
        for _ in q.consume():
            counted.release()

    def take_batches() -> None:
        while True:
            try:
                counted.release(len(q.get_many(5)))
            except ShutDown:
                return

    for _ in range(2):
        for run in (single, batches, take_single, take_batches):
            threads.start(run)
    for _ in range(expected):
        assert counted.acquire(timeout=PATIENCE)
    q.shutdown()
    threads.join()
    assert not counted.acquire(blocking=False)


def test_a_wake_up_for_one_who_gives_up_goes_to_the_next(threads: Threads) -> None:
    """With timeouts of zero, many waiters leave just as they are woken."""
    q: Queue[int] = Queue()
    items = 3000
    taken: list[int] = []

    def impatient() -> None:
        while True:
            try:
                number = q.get(timeout=0.00005)
            except Empty:
                continue
            if number < 0:
                return
            taken.append(number)

    def patient() -> None:
        while (number := q.get()) >= 0:
            taken.append(number)

    for run in (impatient, patient, impatient, patient):
        threads.start(run)
    for number in range(items):
        q.put(number)
    for _ in range(4):
        q.put(-1)
    threads.join()
    assert sorted(taken) == list(range(items))
