"""Waiting releases the interpreter, takes no processor time, can be interrupted and misses no wake-up."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from itertools import chain

import pytest
from support import PATIENCE, Threads, python, wait_until_process_sleeps

from elasticq import Empty, Queue, ShutDown

BLOCKING = {
    "get": "empty.get()",
    "get with a timeout": "empty.get(timeout=600)",
    "get_many": "empty.get_many(10)",
    "put": "full.put('new')",
    "put with a timeout": "full.put('new', timeout=600)",
    "put_many": "full.put_many(['new', 'newer'])",
    "join": "full.join()",
    "consume": "next(empty.consume())",
    "pop": "buffer.pop()",
    "push_batch": "buffer.push_batch(range(5))",
    "pop of levels": "levels.pop()",
    "put at a full level": "narrow.sync_q.put('new', priority=0)",
    "consume of levels": "next(levels.consume())",
}

SETUP = """
    import threading
    from elasticq import DynamicCircularBuffer, PriorityCircularBuffer, Queue

    empty, full = Queue(), Queue(1)
    full.put("old")
    levels, narrow = PriorityCircularBuffer(pop_timeout=600), PriorityCircularBuffer(level_capacities={0: 1})
    narrow.push_with_priority("old", 0)
    buffer = DynamicCircularBuffer(
        initial_capacity=4, min_capacity=4, max_capacity=5, push_timeout=600, pop_timeout=600
    )
"""


@pytest.mark.parametrize("call", BLOCKING.values(), ids=BLOCKING)
def test_a_blocked_call_lets_the_other_threads_run(call: str) -> None:
    if "push" in call:
        call = f"buffer.push(0); {call}"
    python(
        f"""{SETUP}
    threading.Thread(target=lambda: exec("{call}"), daemon=True).start()
    numbers = iter(range(1_000_000))
    workers = [threading.Thread(target=sum, args=(numbers,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    """
    )


@pytest.mark.parametrize("call", BLOCKING.values(), ids=BLOCKING)
def test_control_c_ends_a_blocked_call_of_the_main_thread(call: str) -> None:
    """The call has neither taken nor put an item."""
    setup = "buffer.push(0)" if "push" in call else "pass"
    code = f"""{SETUP}
    {setup}
    print("ready", flush=True)
    try:
        {call}
    except KeyboardInterrupt as error:
        print("interrupted", getattr(error, "remaining", None))
    print(empty.qsize(), list(full), full.unfinished_tasks, len(buffer), len(levels), list(narrow))
    empty.put("later")
    print(empty.get(), full.get())
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
    assert output == f"interrupted {remaining}\n0 ['old'] 1 {int('push' in call)} 0 ['old']\nlater old\n"


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
    import resource, threading
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

    def used():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    before = used()
    try:
        empty.get(timeout=2)
    except Empty:
        print(used() - before)
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
