"""What the tests share: waiting, threads, messages that show damage, a check for leaks, and interpreters."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import subprocess
import sys
import sysconfig
import textwrap
import threading
import time
import traceback
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import pytest

    import elasticq

Q = TypeVar("Q", bound="elasticq.Queue[Any]")

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
"""Whether this Python is a build without a GIL."""

PATIENCE = 60.0
"""Seconds after which a test gives up waiting. Far more than any machine needs."""

KILLED = -signal.SIGKILL if hasattr(signal, "SIGKILL") else 1
"""The exit status of a process that was killed. On Windows it is one that programs have, too."""

IS_UNIX = hasattr(os, "fork")
"""Whether this is any system but Windows."""


def unix_only(what: str) -> pytest.MarkDecorator:
    """Leaves a test out on Windows, which does not have what it needs."""
    import pytest  # here, as below: the programs that tests start use this module, too

    return pytest.mark.skipif(not IS_UNIX, reason=f"Windows has no {what}")


def linux_only(what: str) -> pytest.MarkDecorator:
    """Leaves a test out where the system is not Linux, which alone has what it needs."""
    import pytest

    return pytest.mark.skipif(sys.platform != "linux", reason=f"only Linux has {what}")


def need_unix(what: str) -> None:
    """Ends a test as `unix_only` does. For what many tests share."""
    if not IS_UNIX:
        import pytest

        pytest.skip(f"Windows has no {what}")


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Returns when a condition holds, and fails after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE} s: {what}")
        time.sleep(0.001)


def wait_until_asleep(thread: threading.Thread) -> None:
    """Returns when the system says ten times in a row that a thread sleeps.

    If the thread has only one call left to do, it is blocked in that call. No test's outcome depends on this.
    Without this, a test would only check the case in which no thread has to wait. So a thread that has ended
    is as good. On a busy machine that may happen to a thread that waits only for a short time.
    """
    # Before Python 3.12, a forked child's `native_id` is that of the parent's thread.
    number = os.getpid() if thread is threading.main_thread() else thread.native_id
    _wait_until_sleeps(Path(f"/proc/self/task/{number}/stat"), lambda: not thread.is_alive())


def wait_until_process_sleeps(process: int) -> None:
    """Returns when the system says ten times in a row that the main thread of a process sleeps."""
    _wait_until_sleeps(Path(f"/proc/{process}/stat"), lambda: False)


def _wait_until_sleeps(stat: Path, has_ended: Callable[[], bool]) -> None:
    if sys.platform != "linux":  # only Linux tells, and this is long enough on an idle machine
        time.sleep(0.05)
        return
    asleep = 0

    def sleeps() -> bool:
        nonlocal asleep
        if has_ended():
            return True
        try:
            text = stat.read_text(encoding="utf-8")
        except (FileNotFoundError, ProcessLookupError):
            if has_ended():
                return True
            raise
        state = text.rpartition(")")[2].split()[0]
        asleep = asleep + 1 if state == "S" else 0
        return asleep >= 10

    wait_until(sleeps, f"{stat} says that the thread sleeps")


class Threads:
    """The threads of one test."""

    def __init__(self) -> None:
        self.running: list[threading.Thread] = []
        self.errors: list[BaseException] = []

    def start(self, run: Callable[..., Any], *arguments: Any) -> threading.Thread:
        """Runs a function in a thread of its own."""

        def guarded() -> None:
            try:
                run(*arguments)
            except BaseException as error:
                self.errors.append(error)

        name = getattr(run, "__name__", str(run))
        thread = threading.Thread(target=guarded, name=f"{name}{arguments}", daemon=True)
        self.running.append(thread)
        thread.start()
        return thread

    def join(self) -> None:
        """Waits for all threads. Raises a thread's error at once, since the others may never end then."""
        deadline = time.monotonic() + PATIENCE
        for thread in self.running:
            while thread.is_alive() and not self.errors:
                if time.monotonic() > deadline:
                    raise AssertionError(f"still running after {PATIENCE} s: {thread.name}")
                thread.join(0.05)
        self.running.clear()
        if self.errors:
            raise self.errors[0]


async def settle() -> None:
    """Lets the other tasks of this event loop run until each of them waits."""
    import asyncio  # here, since many tests start interpreters that import this file and not asyncio

    for _ in range(5):
        await asyncio.sleep(0)


def enter(lock: Any) -> None:
    """Takes a lock and gives it back."""
    with lock:
        pass


def moved(queue: Q) -> Q:
    """The queue, moved to the standard library's locks."""
    enter(queue.mutex)
    return queue


def public(thing: object) -> set[str]:
    """The names that are not private."""
    return {name for name in dir(thing) if not name.startswith("_")}


class Message:
    """An item that can tell whether it is intact."""

    __slots__ = ("checksum", "number", "payload", "sender")

    def __init__(self, sender: int, number: int) -> None:
        self.sender, self.number = sender, number
        self.payload = b"%d:%d" % (sender, number) * 3
        self.checksum = zlib.crc32(self.payload)

    def intact(self) -> bool:
        """Whether nothing has changed."""
        return (
            zlib.crc32(self.payload) == self.checksum
            and self.payload == b"%d:%d" % (self.sender, self.number) * 3
        )


def check_messages(taken: list[list[Message]], sent: dict[int, int]) -> None:
    """Each message arrived once, and each taker saw each sender's messages in their order."""
    for messages in taken:
        last: defaultdict[int, int] = defaultdict(lambda: -1)
        for message in messages:
            assert message.intact()
            assert message.number > last[message.sender]
            last[message.sender] = message.number
    arrived = sorted((message.sender, message.number) for message in itertools.chain.from_iterable(taken))
    assert arrived == [(sender, number) for sender in sorted(sent) for number in range(sent[sender])]


@contextmanager
def background(*runs: Callable[[], object]) -> Iterator[None]:
    """In the meantime repeats each function in a thread of its own. It may start once more when the time is
    up, so it must end by itself: what waits for the test belongs into `Threads`."""
    done = threading.Event()
    errors: list[BaseException] = []

    def repeat(run: Callable[[], object]) -> None:
        try:
            while not done.wait(0.001):  # collections in a tight loop would leave no time for anything else
                run()
        except BaseException as error:
            errors.append(error)

    repeating = [threading.Thread(target=repeat, args=(run,), daemon=True) for run in runs]
    for thread in repeating:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in repeating:
            thread.join(60)
    assert not errors
    assert not any(thread.is_alive() for thread in repeating)


@contextmanager
def held_elsewhere(lock: Any) -> Iterator[None]:
    """Another thread holds the lock meanwhile."""
    held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            leave.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        yield
    finally:
        leave.set()
        thread.join()


def holds_in_child(check: Callable[[], object]) -> bool:
    """Whether a check is true in a forked child. One that raises or hangs there is not. Only Unix has one."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(int(PATIENCE))
            status = 0 if check() else 1
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def check_for_leaks(item: object, calls: Iterable[Callable[[], object]]) -> None:
    """Makes the calls many times. No reference to the item and no object may stay behind."""
    calls = list(calls)
    for call in calls:
        call()
    gc.collect()
    references, objects = sys.getrefcount(item), len(gc.get_objects())
    for _ in range(100):
        for call in calls:
            call()
    gc.collect()
    assert sys.getrefcount(item) == references
    assert len(gc.get_objects()) <= objects + 10


def python(code: str, *options: str) -> str:
    """Runs code in a fresh interpreter and returns what it prints. Output on stderr is a failure, too."""
    finished = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=2 * PATIENCE,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, ""), finished
    return finished.stdout
