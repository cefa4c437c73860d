"""A signal ends a wait of the main thread. If its handler raises, that ends a call that has done nothing."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from kinds import ALL, BOUNDED, IN_FILES, LOG_IN_MEMORY, Kind
from support import (
    FREE_THREADED,
    PATIENCE,
    Threads,
    linux_only,
    moved,
    python,
    unix_only,
    wait_until,
    wait_until_asleep,
    wait_until_process_sleeps,
)
from test_waiting import BLOCKING, two_queues

import elasticq
from elasticq import Queue

pytestmark = unix_only("signals like these")

T = TypeVar("T")

MAIN = threading.main_thread()


class Ends:
    """The two ends of a queue of any kind. All calls wait."""

    def __init__(self, kind: Kind, limit: int = 100) -> None:
        self.kind = kind
        self.queue = kind.make(limit)
        self.put, self.get = kind.ends(self.queue)

    def put_many(self, items: list[object]) -> None:
        if self.kind.calls.batches == "never":
            self.put(items[0])
        else:
            self.kind.put_many(self.queue, items)

    def get_many(self) -> list[object]:
        return [self.get()] if self.kind.calls.batches == "never" else self.kind.get_many(self.queue, 10)

    def consume(self) -> object:
        return next(self.queue.consume())

    def __len__(self) -> int:
        return len(self.queue)


COMPILED = [kind for kind in ALL if not kind.standard]
each = pytest.mark.parametrize("kind", ALL)
each_bounded = pytest.mark.parametrize("kind", [*BOUNDED, IN_FILES, LOG_IN_MEMORY])
each_compiled = pytest.mark.parametrize("kind", COMPILED)
each_compiled_and_bounded = pytest.mark.parametrize("kind", [kind for kind in COMPILED if kind.bounded])


class StruckError(Exception):
    """What the signal handler raises."""


@pytest.fixture
def raising() -> Iterator[None]:
    """SIGUSR1 raises StruckError."""

    def strike(number: int, _: object) -> None:
        raise StruckError(number)

    before = signal.signal(signal.SIGUSR1, strike)
    yield
    signal.signal(signal.SIGUSR1, before)


def strike_once_asleep(*then: Callable[[], object]) -> None:
    """Makes the signal pending for the main thread, which sleeps in its call. Then wakes that thread.

    A signal that is raised in another thread doesn't wake the main thread by itself. So when the main
    thread wakes, it finds both the signal and what it has waited for.
    """
    wait_until_asleep(MAIN)
    signal.raise_signal(signal.SIGUSR1)
    for call in then:
        call()


def struck(call: Callable[[], object], during: Callable[[], object], threads: Threads) -> StruckError:
    """Runs a call that blocks and, beside it, `during` in another thread. Returns what the call raised."""

    def run() -> None:
        threads.start(during)
        call()

    with pytest.raises(StruckError) as raised:
        run()
    threads.join()
    return raised.value


# What the handler raises.


@pytest.mark.usefixtures("raising")
@pytest.mark.parametrize("take", ["get", "get_many", "consume"])
@each
def test_a_call_that_a_handler_ends_has_taken_nothing(kind: Kind, take: str, threads: Threads) -> None:
    ends = Ends(kind)
    struck(getattr(ends, take), lambda: strike_once_asleep(lambda: ends.put("item")), threads)
    assert len(ends) == 1
    assert ends.get() == "item"


@pytest.mark.usefixtures("raising")
@pytest.mark.parametrize("put", ["put", "put_many"])
@each_bounded
def test_a_call_that_a_handler_ends_has_put_nothing(kind: Kind, put: str, threads: Threads) -> None:
    ends = Ends(kind, 1)
    ends.put("old")
    new: Any = ["new"] if put == "put_many" else "new"
    struck(lambda: getattr(ends, put)(new), lambda: strike_once_asleep(ends.get), threads)
    assert len(ends) == 0
    ends.put("newer")
    assert ends.get() == "newer"


@pytest.mark.usefixtures("raising")
@pytest.mark.parametrize("kind", [kind for kind in BOUNDED if kind.calls.batches == "in pieces"])
def test_a_batch_that_a_handler_cuts_short_says_what_remains(kind: Kind, threads: Threads) -> None:
    ends = Ends(kind, 3)
    ends.put(0)
    taken: list[Any] = []

    def take() -> None:
        taken.append(ends.get())

    raised = struck(lambda: ends.put_many([1, 2, 3, 4]), lambda: strike_once_asleep(take, take), threads)
    assert raised.remaining == [3, 4]  # type: ignore[attr-defined]
    assert sorted([*taken, ends.get()]) == [0, 1, 2]
    assert len(ends) == 0


@pytest.mark.usefixtures("raising")
@each_compiled
def test_the_item_that_a_call_was_woken_for_goes_to_the_next(kind: Kind, threads: Threads) -> None:
    ends = Ends(kind)
    taken: list[object] = []

    def strike() -> None:
        wait_until_asleep(MAIN)  # the main thread is the first in the line
        wait_until_asleep(threads.start(lambda: taken.append(ends.get())))
        strike_once_asleep(lambda: ends.put("item"))

    struck(ends.get, strike, threads)
    assert taken == ["item"]


@pytest.mark.usefixtures("raising")
@each_compiled_and_bounded
def test_the_place_that_a_call_was_woken_for_goes_to_the_next(kind: Kind, threads: Threads) -> None:
    ends = Ends(kind, 1)
    ends.put("old")

    def strike() -> None:
        wait_until_asleep(MAIN)  # the main thread is the first in the line
        wait_until_asleep(threads.start(ends.put, "other"))
        strike_once_asleep(ends.get)

    struck(lambda: ends.put("new"), strike, threads)
    assert ends.get() == "other"


@pytest.mark.skipif(
    FREE_THREADED,
    reason="without a GIL both may come between the last look for signals and the taking",
)
@pytest.mark.usefixtures("raising")
@each_compiled
def test_a_signal_and_an_item_at_any_moment_of_a_call(kind: Kind, threads: Threads) -> None:
    """The signal may come not only during the sleep, but before the first attempt, or between two."""
    ends = Ends(kind)
    begin, done = threading.Semaphore(0), threading.Semaphore(0)

    def strike() -> None:
        for number in range(100):
            begin.acquire()
            signal.raise_signal(signal.SIGUSR1)
            ends.put(number)
            done.release()

    def get() -> None:
        begin.release()
        ends.get()

    threads.start(strike)
    for number in range(100):
        with pytest.raises(StruckError):
            get()
        done.acquire()
        assert len(ends) == 1
        assert ends.get() == number


@pytest.mark.skipif(
    FREE_THREADED,
    reason="without a GIL both may come between the last look for signals and the taking",
)
@pytest.mark.usefixtures("raising")
def test_a_signal_and_an_item_while_a_call_looks_at_another_queue(threads: Threads) -> None:
    """Another thread may run while the first queue, which is in files, is found empty."""
    files, queue = IN_FILES.make(), Queue[int]()
    begin, done = threading.Semaphore(0), threading.Semaphore(0)

    def strike() -> None:
        for number in range(300):
            begin.acquire()
            signal.raise_signal(signal.SIGUSR1)
            queue.put(number)
            done.release()

    def take() -> None:
        begin.release()
        elasticq.select([files, queue], ordered=True)

    threads.start(strike)
    for number in range(300):
        with pytest.raises(StruckError):
            take()
        done.acquire()
        assert len(queue) == 1
        assert queue.get() == number


def test_control_c_and_an_item_at_once() -> None:
    output = python(
        f"""
        import signal, sys, threading
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from support import wait_until_asleep
        from elasticq import Queue

        sys.setswitchinterval(10)  # with a GIL, the other thread does both before the main one can go on
        signal.signal(signal.SIGINT, signal.default_int_handler)
        queue, main = Queue(), threading.main_thread()

        def interrupt():
            wait_until_asleep(main)
            signal.pthread_kill(main.ident, signal.SIGINT)
            queue.put("item")

        thread = threading.Thread(target=interrupt)
        try:
            thread.start()
            queue.get()
        except KeyboardInterrupt:
            thread.join()
            print(queue.get())
        """
    )
    assert output == "item\n"


# How soon.


def test_a_timer_runs_its_handler_in_every_wait() -> None:
    """If each wait looked for signals only once a second, 70 ticks would take longer than PATIENCE."""
    output = python(
        f"""
        import signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_signals import COMPILED, Ends

        def wait(call, end):
            ticks = 0

            def tick(*_):
                nonlocal ticks
                ticks += 1
                if ticks == 70:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    end()

            signal.signal(signal.SIGALRM, tick)
            signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
            call()

        for kind in COMPILED:
            ends = Ends(kind, 1)
            wait(ends.get, lambda: ends.put("item"))
            wait(ends.get_many, lambda: ends.put("item"))
            wait(ends.consume, lambda: ends.put("item"))
            if kind.bounded:
                ends.put("old")
                wait(lambda: ends.put("new"), ends.get)
                wait(lambda: ends.put_many(["new"]), ends.get)
            if kind.name == "Queue":
                ends.get()
                unfinished = ends.queue.unfinished_tasks
                wait(ends.queue.join, lambda: [ends.queue.task_done() for _ in range(unfinished)])
        print("all")
        """
    )
    assert output == "all\n"


@linux_only("/proc, which counts switches")
def test_a_wait_in_the_main_thread_takes_no_processor_time() -> None:
    """The wait looks for signals by itself, hardly more than once a second. Each look is a switch."""

    def switches(process: subprocess.Popen[str]) -> int:
        lines = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))

    processes = []
    try:
        for kind, call in BLOCKING.values():
            code = f"{textwrap.dedent(two_queues(kind))}\nprint('ready', flush=True)\n{call}\n"
            process = subprocess.Popen(
                [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, encoding="utf-8"
            )
            processes.append(process)
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            wait_until_process_sleeps(process.pid)
        start = time.monotonic()
        before_it = [switches(process) for process in processes]
        time.sleep(2)
        after_it = [switches(process) for process in processes]
        seconds = time.monotonic() - start
        most = max(after - before for after, before in zip(after_it, before_it, strict=True))
        assert 0 < most <= 3 * seconds
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_a_signal_that_another_thread_was_given_is_found_as_well(threads: Threads) -> None:
    """Such a signal wakes no thread, so the look once a second finds it."""
    queue: Queue[str] = Queue()
    before = signal.signal(signal.SIGUSR1, lambda *_: queue.put("item"))
    try:
        threads.start(strike_once_asleep)
        assert queue.get(timeout=PATIENCE) == "item"
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("raising")
@pytest.mark.parametrize("timeout", [None, 600, 1e9, float("inf")])
def test_a_signal_ends_a_wait_of_any_length(timeout: float | None, threads: Threads) -> None:
    queue: Queue[str] = Queue()

    def strike() -> None:
        wait_until_asleep(MAIN)
        assert MAIN.ident is not None
        signal.pthread_kill(MAIN.ident, signal.SIGUSR1)

    struck(lambda: queue.get(timeout=timeout), strike, threads)


@pytest.mark.parametrize("timeout", [0, 1e-9, 0.001, 1.01])
def test_a_wait_lasts_as_long_as_it_should(timeout: float) -> None:
    """The timeout may be shorter or longer than the time between two looks for signals."""
    queue: Queue[str] = Queue()
    start = time.monotonic()
    with pytest.raises(elasticq.Empty):
        queue.get(timeout=timeout)
    assert time.monotonic() - start >= timeout


@pytest.mark.usefixtures("raising")
@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
@each_bounded
def test_an_item_that_a_handler_keeps_out_is_not_refused(kind: Kind, many: bool, threads: Threads) -> None:
    ends = Ends(kind, 1)
    ends.put("old")

    def strike() -> None:
        wait_until_asleep(MAIN)
        assert MAIN.ident is not None
        signal.pthread_kill(MAIN.ident, signal.SIGUSR1)

    struck(lambda: ends.put_many(["new"]) if many else ends.put("new"), strike, threads)
    assert "refused=0" in repr(ends.queue.stats())


# What the handler does.


@each
def test_a_handler_may_use_the_queue_that_it_interrupts(kind: Kind, threads: Threads) -> None:
    ends = Ends(kind)
    seen: list[object] = []

    def handle(*_: object) -> None:
        ends.put("first")
        seen.append(ends.get())
        ends.put("second")

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        threads.start(strike_once_asleep, lambda: ends.put("third"))
        seen.append(ends.get())
    finally:
        signal.signal(signal.SIGUSR1, before)
    threads.join()
    assert sorted([*seen, ends.get()], key=str) == ["first", "second", "third"]


@each_compiled
def test_a_handler_may_wait_itself(kind: Kind, threads: Threads) -> None:
    outer, inner = Ends(kind), Ends(kind)
    seen: list[object] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(inner.get()))

    def strike() -> None:
        strike_once_asleep(lambda: outer.put("outer"))
        wait_until_asleep(MAIN)
        inner.put("inner")

    try:
        threads.start(strike)
        seen.append(outer.get())
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == ["inner", "outer"]


def test_a_wakeup_descriptor_is_written_to(threads: Threads) -> None:
    queue: Queue[str] = Queue()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    handler = signal.signal(signal.SIGUSR1, lambda *_: None)
    descriptor = signal.set_wakeup_fd(writer)

    def strike() -> None:
        wait_until_asleep(MAIN)
        assert MAIN.ident is not None
        signal.pthread_kill(MAIN.ident, signal.SIGUSR1)
        queue.put(str(os.read(reader, 1)[0]))

    try:
        threads.start(strike)
        assert queue.get(timeout=PATIENCE) == str(int(signal.SIGUSR1))
    finally:
        signal.set_wakeup_fd(descriptor)
        signal.signal(signal.SIGUSR1, handler)
        os.close(reader)
        os.close(writer)


def test_faulthandler_shows_the_wait_and_does_not_end_it(tmp_path: Path, threads: Threads) -> None:
    queue: Queue[str] = Queue()
    path = tmp_path / "traceback"
    with path.open("w+", encoding="utf-8") as file:
        faulthandler.register(signal.SIGUSR2, file)

        def strike() -> None:
            wait_until_asleep(MAIN)
            assert MAIN.ident is not None
            signal.pthread_kill(MAIN.ident, signal.SIGUSR2)
            wait_until(
                lambda: "test_faulthandler" in path.read_text(encoding="utf-8"), "the traceback is there"
            )
            queue.put("item")

        try:
            threads.start(strike)
            assert queue.get(timeout=PATIENCE) == "item"
        finally:
            faulthandler.unregister(signal.SIGUSR2)


# Which thread.


@pytest.mark.parametrize(
    "importing",
    ["threading.get_ident = lambda: 1", "threading.main_thread = threading.Thread"],
    ids=["threads with numbers of their own", "another main thread"],
)
def test_the_main_thread_is_found_whatever_threading_says(importing: str) -> None:
    """With gevent, the threads of `threading` are greenlets."""
    assert _timer_ends_a_wait(f"{importing}; import elasticq") == "item\n"


def test_the_main_thread_is_found_whatever_thread_imports() -> None:
    importing = (
        "thread = threading.Thread(target=__import__, args=('elasticq',)); thread.start(); thread.join()"
    )
    assert _timer_ends_a_wait(importing) == "item\n"


def _timer_ends_a_wait(importing: str) -> str:
    return python(
        f"""
        import signal, threading
        get_ident = threading.get_ident
        {importing}
        threading.get_ident = get_ident
        from elasticq import Queue

        ticks, queue = iter(range(30)), Queue()
        signal.signal(signal.SIGALRM, lambda *_: next(ticks, None) is None and queue.put("item"))
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        print(queue.get(timeout=20))
        signal.setitimer(signal.ITIMER_REAL, 0)
        """
    )


@pytest.mark.parametrize("waiting", [False, True], ids=["", "while another thread waits"])
def test_the_thread_that_forks_is_the_main_one_of_the_child(waiting: bool) -> None:
    output = python(
        f"""
        import os, signal, sys, threading, time, warnings
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from support import wait_until_asleep
        from elasticq import Queue

        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads
        queue = Queue()

        def in_child():
            def tick(*_):
                if next(ticks, None) is None:
                    raise InterruptedError
            ticks = iter(range(30))
            signal.signal(signal.SIGALRM, tick)
            signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
            try:
                queue.get()
            except InterruptedError:
                os._exit(7)

        def fork():
            child = os.fork()
            if not child:
                in_child()
            deadline = time.monotonic() + 20
            while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
                if time.monotonic() > deadline:
                    os.kill(child, signal.SIGKILL)
                time.sleep(0.001)
            print(os.waitstatus_to_exitcode(ended[1]))

        if {waiting}:
            other = threading.Thread(target=queue.get)
            other.start()
            wait_until_asleep(other)
        forking = threading.Thread(target=fork)
        forking.start()
        forking.join()
        queue.put("item")
        """
    )
    assert output == "7\n"


# Event loops. They have no timer but the one that fails the test.


async def asleep(waiting: Awaitable[T], strike: Callable[[], object], threads: Threads) -> T:
    """Awaits something in the main thread. When its event loop sleeps, another thread does something."""

    def run() -> None:
        wait_until_asleep(MAIN)
        strike()

    threads.start(run)
    return await asyncio.wait_for(waiting, PATIENCE)


def kill() -> None:
    assert MAIN.ident is not None
    signal.pthread_kill(MAIN.ident, signal.SIGUSR1)


Handling = Callable[[Callable[[], object]], None]


@pytest.fixture
def handling() -> Iterator[Handling]:
    """Sets what SIGUSR1 does."""

    def handle(call: Callable[[], object]) -> None:
        signal.signal(signal.SIGUSR1, lambda *_: call() and None)

    before = signal.getsignal(signal.SIGUSR1)
    yield handle
    signal.signal(signal.SIGUSR1, before)


@each
def test_an_item_from_a_handler_wakes_an_idle_event_loop(
    kind: Kind, handling: Handling, threads: Threads
) -> None:
    ends = Ends(kind)
    handling(lambda: ends.put("item"))
    assert asyncio.run(asleep(ends.queue.aget(), kill, threads)) == "item"


@each_bounded
def test_a_place_from_a_handler_wakes_an_idle_event_loop(
    kind: Kind, handling: Handling, threads: Threads
) -> None:
    ends = Ends(kind, 1)
    ends.put("old")
    handling(ends.get)
    asyncio.run(asleep(ends.queue.aput("new"), kill, threads))
    assert ends.get() == "new"


@pytest.mark.parametrize("make_queue", [Queue, lambda: moved(Queue())], ids=["", "moved"])
def test_the_end_from_a_handler_wakes_an_idle_event_loop(
    make_queue: Callable[[], Queue[Any]], handling: Handling, threads: Threads
) -> None:
    queue = make_queue()
    queue.put("item")

    def finish() -> None:
        queue.get()
        queue.task_done()

    handling(finish)
    asyncio.run(asleep(queue.ajoin(), kill, threads))
    handling(queue.shutdown)

    async def consume() -> list[object]:
        return [item async for item in queue]

    assert asyncio.run(asleep(consume(), kill, threads)) == []


def test_a_burst_from_a_handler_wakes_all_tasks_of_an_idle_event_loop(
    handling: Handling, threads: Threads
) -> None:
    queue: Queue[int] = Queue()

    def put_all() -> None:
        for number in range(100):
            queue.put(number)

    handling(put_all)

    async def get_all() -> list[int]:
        return list(await asyncio.gather(*[queue.aget() for _ in range(100)]))

    assert sorted(asyncio.run(asleep(get_all(), kill, threads))) == list(range(100))


def test_an_item_from_a_handler_wakes_uvloop(handling: Handling, threads: Threads) -> None:
    uvloop: Any = pytest.importorskip("uvloop")
    queue: Queue[str] = Queue()
    handling(partial(queue.put, "item"))
    with contextlib.closing(uvloop.new_event_loop()) as loop:
        assert loop.run_until_complete(asleep(queue.aget(), kill, threads)) == "item"


def test_an_item_from_a_handler_that_interrupts_a_task(handling: Handling) -> None:
    queue: Queue[str] = Queue()
    handling(partial(queue.put, "item"))

    async def main() -> str:
        getter = asyncio.create_task(queue.aget())
        for _ in range(5):
            await asyncio.sleep(0)
        signal.raise_signal(signal.SIGUSR1)
        return await getter

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE)) == "item"


@pytest.mark.parametrize("how", ["call_soon", "add_signal_handler", "__del__"])
def test_an_item_from_a_callback(how: str, threads: Threads) -> None:
    queue: Queue[str] = Queue()

    class Last:
        def __del__(self) -> None:
            queue.put("item")

    async def main() -> str:
        loop = asyncio.get_running_loop()
        last = [Last()]
        strike: Callable[[], object] = kill
        if how == "add_signal_handler":
            loop.add_signal_handler(signal.SIGUSR1, queue.put_nowait, "item")
        elif how == "call_soon":
            strike = partial(loop.call_soon_threadsafe, queue.put, "item")
        else:
            strike = partial(loop.call_soon_threadsafe, last.clear)
        return await asleep(queue.aget(), strike, threads)

    assert asyncio.run(main()) == "item"


# Waking tasks runs code of their event loop.


class Disturbed(asyncio.SelectorEventLoop):
    """An event loop where a signal reaches the main thread in the middle of one of the loop's methods."""

    def __init__(self, method: str, moment: str) -> None:
        super().__init__()
        self.strikes = False
        self.has_struck = False
        inner = getattr(self, method)

        def strike(now: str) -> None:
            if now == moment and self.strikes and threading.current_thread() is MAIN:
                self.strikes = False
                self.has_struck = True
                signal.raise_signal(signal.SIGUSR1)

        def outer(*arguments: Any, **keywords: Any) -> Any:
            strike("before")
            result = inner(*arguments, **keywords)
            strike("after")
            return result

        setattr(self, method, outer)


@pytest.mark.usefixtures("raising")
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("method", ["call_soon_threadsafe", "is_closed", "is_running"])
@each_compiled_and_bounded
def test_a_handler_that_raises_during_a_waking_does_not_stop_it(
    kind: Kind, method: str, moment: str, threads: Threads
) -> None:
    """The handler's exception is raised, too, after the call."""
    ends = Ends(kind, 1)
    loop = Disturbed(method, moment)
    results: list[object] = []

    def woken_by(call: Callable[[], object], waiting: Awaitable[object]) -> None:
        thread = threads.start(
            lambda: results.append(loop.run_until_complete(asyncio.wait_for(waiting, PATIENCE)))
        )
        wait_until_asleep(thread)
        loop.has_struck = False
        loop.strikes = True
        try:
            call()
            assert not loop.has_struck
        except StruckError:
            assert loop.has_struck
        threads.join()

    ends.put("first")
    woken_by(ends.get, ends.queue.aput("second"))
    assert ends.get() == "second"
    woken_by(lambda: ends.put("third"), ends.queue.aget())
    loop.strikes = False
    loop.close()
    assert results == [True if kind in (IN_FILES, LOG_IN_MEMORY) else None, "third"]


@pytest.mark.usefixtures("raising")
def test_a_handler_that_raises_costs_no_item_of_a_task_that_selects(threads: Threads) -> None:
    queue = Queue[str](maxsize=1)
    queue.put("first")
    loop = Disturbed("call_soon_threadsafe", "after")
    putting = threads.start(lambda: loop.run_until_complete(queue.aput("second")))
    wait_until_asleep(putting)
    taken: list[str] = []

    async def take() -> None:
        found = await elasticq.aselect([queue, Queue[str]()])
        taken.append(found[1])

    loop.strikes = True
    with pytest.raises(StruckError):
        take().send(None)  # wakes the one that puts; no loop runs here
    threads.join()
    loop.close()
    assert taken == ["first"]
