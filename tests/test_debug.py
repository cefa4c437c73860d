"""Who is stuck: `waiters()` of every class, and `elasticq.debug`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import os
import signal
import subprocess
import sys
import threading
import time
import types
from typing import TYPE_CHECKING

import pytest
from kinds import KINDS, Kind
from support import Threads, background, holds_in_child, python, unix_only, wait_until, wait_until_asleep

import elasticq
from elasticq import debug, metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOBODY = elasticq.Queue[int]().waiters()


@pytest.fixture(params=[kind for kind in KINDS if kind.bounded], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param  # type: ignore[no-any-return]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nobody tells of it
        await asyncio.sleep(0)


def test_threads_that_wait_are_shown_with_the_longest_wait(kind: Kind) -> None:
    queue = kind.make(1)
    assert queue.waiters() == NOBODY
    kind.put(queue, 0)
    putting = threading.Thread(target=kind.put, args=(queue, 1))
    putting.start()
    wait_until(lambda: queue.waiters().room.threads == 1, "a thread waits for room")
    room = queue.waiters().room
    assert (room.tasks, queue.waiters().item) == (0, NOBODY.item)
    assert 0 < room.longest < queue.waiters().room.longest
    kind.get(queue)
    putting.join()
    kind.get(queue)
    assert queue.waiters() == NOBODY
    getting = threading.Thread(target=kind.get, args=(queue,))
    getting.start()
    wait_until(lambda: queue.waiters().item.threads == 1, "a thread waits for an item")
    item = queue.waiters().item
    assert 0 < item.longest < queue.waiters().item.longest
    kind.put(queue, 2)
    getting.join()
    assert queue.waiters() == NOBODY


def test_the_main_thread_that_waits_is_shown_as_a_thread(kind: Kind) -> None:
    empty, full = kind.make(1), kind.make(1)
    kind.put(full, 0)
    seen = []

    def help_on() -> None:
        wait_until(lambda: empty.waiters() != NOBODY, "the main thread waits for an item")
        seen.append(empty.waiters().item)
        kind.put(empty, 0)
        wait_until(lambda: full.waiters() != NOBODY, "the main thread waits for room")
        seen.append(full.waiters().room)
        kind.get(full)

    helper = threading.Thread(target=help_on, daemon=True)
    helper.start()
    kind.get(empty)
    kind.put(full, 1)
    helper.join()
    assert [(end.threads, end.tasks) for end in seen] == [(1, 0), (1, 0)]
    assert (empty.waiters(), full.waiters()) == (NOBODY, NOBODY)


def test_tasks_that_wait_are_shown_and_those_that_were_cancelled_are_not(kind: Kind) -> None:
    async def main() -> None:
        queue = kind.make(1)
        put, get = (getattr(queue, "a" + name, None) for name in ("send", "recv"))
        put, get = put or queue.aput, get or queue.aget
        await put(0)
        putting = [asyncio.create_task(put(item)) for item in range(2)]
        await until(lambda: queue.waiters().room.tasks == 2)
        assert queue.waiters().room.longest > 0
        putting[0].cancel()
        await until(lambda: queue.waiters().room.tasks == 1)
        for _ in range(2):
            await get()
        await putting[1]
        getting = asyncio.create_task(get())
        await until(lambda: queue.waiters().item.tasks == 1)
        assert queue.waiters().item.longest > 0
        getting.cancel()
        await until(lambda: queue.waiters() == NOBODY)

    asyncio.run(main())


def test_a_task_that_is_overtaken_has_waited_since_it_came() -> None:
    queue = elasticq.Queue[int]()

    async def main() -> None:
        getting = asyncio.create_task(queue.aget())
        await until(lambda: queue.waiters().item.tasks == 1)
        before = queue.waiters().item.longest
        assert before is not None
        for _ in range(100):
            queue.put(1)  # wakes the task
            queue.get()  # overtakes it
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            now = queue.waiters().item.longest
            assert now is not None
            assert now > before
            before = now
        getting.cancel()

    asyncio.run(main())


def test_every_live_queue_is_found_and_none_that_is_gone(tmp_path: Path) -> None:
    kept = [
        elasticq.Queue[int](),
        elasticq.LockFreeSPSCQueue[int](),
        elasticq.BufferChannel[int](),
        elasticq.PersistentCircularBuffer[int](tmp_path / "queue"),
    ]
    gone = id(elasticq.Queue[int]())
    gc.collect()
    found = {id(queue) for queue in debug.queues()}
    assert {id(queue) for queue in kept} <= found
    assert gone not in found or gone in {id(queue) for queue in kept}


def test_the_search_runs_no_code_of_the_objects_that_it_finds() -> None:
    class Odd:
        asked = 0

        @property  # type: ignore[misc]
        def __class__(self) -> type:
            Odd.asked += 1
            raise OSError("none of your business")

    odd = [Odd() for _ in range(3)]
    Odd.asked = 0
    debug.queues()
    assert Odd.asked == 0
    del odd


def test_those_come_first_at_which_somebody_waits_longest() -> None:
    queues = [elasticq.Queue[int]() for _ in range(3)]
    threads = Threads()
    for queue in (queues[2], queues[1]):
        wait_until_asleep(threads.start(queue.get))
    order = [queue for queue in debug.queues() if any(queue is each for each in queues)]
    assert [id(queue) for queue in order] == [id(queues[2]), id(queues[1]), id(queues[0])]
    for queue in (queues[2], queues[1]):
        queue.put(1)
    threads.join()


def test_a_dump_tells_the_name_the_depth_and_who_waits_and_shows_no_item() -> None:
    queue = elasticq.Queue[str](maxsize=1)
    metrics.instrument(queue, "jobs of the dump")
    queue.put("a secret")
    threads = Threads()
    threads.start(queue.put, "another secret")
    wait_until(lambda: queue.waiters().room.threads == 1, "a thread waits for room")
    file = io.StringIO()
    debug.dump(file)
    queue.get()
    threads.join()
    line = next(line for line in file.getvalue().splitlines() if "jobs of the dump" in line)
    assert "<elasticq.Queue 1 item, maxsize=1, 1 waiting to put>" in line
    assert "for room: 1 thread, 0 tasks, 0." in line
    assert "secret" not in file.getvalue()


def test_a_queue_that_cannot_be_shown_says_so() -> None:
    class Broken(elasticq.Queue[int]):
        def __repr__(self) -> str:
            raise OSError("no")

    broken, unopened = Broken(), elasticq.PersistentCircularBuffer.__new__(elasticq.PersistentCircularBuffer)
    file = io.StringIO()
    debug.dump(file)
    assert "Broken, which can't be shown: OSError>" in file.getvalue()
    assert "not open" in file.getvalue()
    del broken, unopened


@unix_only("SIGUSR1")
def test_a_program_that_hangs_tells_who_is_stuck_when_it_gets_a_signal() -> None:
    code = """
import signal, sys, threading
import elasticq, elasticq.debug
signal.signal(signal.SIGUSR1, lambda *_: elasticq.debug.dump())
jobs, done = elasticq.Queue(maxsize=1), elasticq.Queue()
jobs.put(1)
threading.Thread(target=jobs.put, args=(2,), daemon=True).start()

def tell():
    while jobs.waiters().room.threads == 0 or done.waiters().item.threads == 0:
        pass
    print("stuck", flush=True)

threading.Thread(target=tell, daemon=True).start()
done.get()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "stuck\n"
            assert program.stderr is not None
            # One signal. Those that come one upon the other run one handler inside the other, until Python
            # allows no more of them.
            os.kill(program.pid, signal.SIGUSR1)
            lines = [program.stderr.readline() for _ in range(3)]
        finally:
            program.kill()
    assert "elasticq: 2 live queues" in lines[0]
    assert any("0 items, 1 waiting to get" in line and "for an item: 1 thread" in line for line in lines)
    assert any(
        "1 item, maxsize=1, 1 waiting to put" in line and "for room: 1 thread" in line for line in lines
    )


def test_a_dump_needs_no_standard_error_of_python() -> None:
    code = """
import os, sys
read, write = os.pipe()
os.dup2(write, 2)
sys.stderr = sys.__stderr__ = None
import elasticq, elasticq.debug
queue = elasticq.Queue()
elasticq.debug.dump()
os.close(2), os.close(write)
assert b"1 live queue" in os.read(read, 1000)
"""
    python(code)


def test_dumps_while_threads_are_at_work_end() -> None:
    queue = elasticq.Queue[int](maxsize=2)

    def produce() -> None:
        with contextlib.suppress(elasticq.ShutDown):
            while True:
                queue.put(1)

    def consume() -> None:
        with contextlib.suppress(elasticq.ShutDown):
            while True:
                queue.get()

    with background(produce, consume, consume):
        for _ in range(20):
            debug.dump(io.StringIO())
        queue.shutdown(immediate=True)


def test_a_search_harms_no_tuple_that_another_thread_is_making() -> None:
    others = [[object()] for _ in range(50_000)]  # so that a search takes a while

    def slowly() -> Iterator[int]:
        for number in range(3):
            time.sleep(0.001)
            yield number

    with background(debug.queues):
        for _ in range(100):
            assert tuple(slowly()) == (0, 1, 2)
    assert others


def test_a_dump_while_the_metrics_are_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = elasticq.Queue[int]()
    monkeypatch.setitem(sys.modules, "elasticq.metrics", types.ModuleType("elasticq.metrics"))
    debug.dump(file := io.StringIO())
    assert hex(id(queue)) in file.getvalue()


def test_a_dump_runs_no_code_of_a_name() -> None:
    class Name(str):
        __slots__ = ()

        def __repr__(self) -> str:
            raise AssertionError

    queue = elasticq.Queue[int]()
    metrics.instrument(queue, Name("told"))
    debug.dump(file := io.StringIO())
    assert "named 'told'" in file.getvalue()


@pytest.mark.parametrize(
    "prepare",
    [
        "sys.__stderr__.close()",
        "os.close(2)",
        pytest.param(
            "_, w = os.pipe(); os.dup2(w, 2); os.set_blocking(2, False)",
            marks=unix_only("pipes that do not block, before Python 3.12"),
        ),
    ],
)
def test_a_dump_that_nobody_can_read_is_no_error(prepare: str) -> None:
    code = f"""
import os, sys
import elasticq, elasticq.debug
queues = [elasticq.Queue() for _ in range(3000)]
{prepare}
elasticq.debug.dump()
print("done")
os._exit(0 if sys.stdout.flush() is None else 1)
"""
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False
    )
    assert finished.stdout == "done\n"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@unix_only("fork")
def test_a_forked_child_shows_nobody_who_waits_in_its_parent(kind: Kind) -> None:
    queue = kind.make(1)
    getting = threading.Thread(target=kind.get, args=(queue,))
    getting.start()
    wait_until(lambda: queue.waiters().item.threads == 1, "a thread waits for an item")
    holds = holds_in_child(lambda: queue.waiters() == NOBODY)
    kind.put(queue, 1)
    getting.join()
    assert holds
