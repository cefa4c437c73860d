"""A program written for janus moves to `elasticq.janus` by its import, and finds all as janus does it."""

from __future__ import annotations

import asyncio
import gc
import inspect
import queue
import re
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from kinds import has_moved
from support import FREE_THREADED, PATIENCE, Threads, public, settle, wait_until_asleep

import elasticq
from elasticq import janus

PROGRAM = Path(__file__).parent / "moved" / "janus_program.py"
IMPORT = "import elasticq.janus as janus\n"
NAMES = {
    "AsyncQueue",
    "AsyncQueueEmpty",
    "AsyncQueueFull",
    "AsyncQueueShutDown",
    "BaseQueue",
    "LifoQueue",
    "PriorityQueue",
    "Queue",
    "SyncQueue",
    "SyncQueueEmpty",
    "SyncQueueFull",
    "SyncQueueShutDown",
}


class Hooked(janus.Queue[Any]):
    """A queue with hooks that do what those of `Queue` do."""

    def _put(self, item: Any) -> None:
        super()._put(item)


class OtherStack(janus.LifoQueue[Any]):
    """A stack with a hook of its own."""

    def _get(self) -> Any:
        return super()._get()


class OtherHeap(janus.PriorityQueue[Any]):
    """A heap with a hook of its own."""

    def _qsize(self) -> int:
        return len(self._heap_queue)


CLASSES: list[type[janus.Queue[Any]]] = [
    janus.Queue,
    janus.LifoQueue,
    janus.PriorityQueue,
    Hooked,
    OtherStack,
    OtherHeap,
]
each = pytest.mark.parametrize("cls", CLASSES)


def printed(program: str) -> str:
    """What a program prints. It has to end by itself, without an error."""
    result = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program],
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    # What asyncio says of a slow machine is no error.
    errors = re.sub(r"(?m)^Executing <.* took \d+\.\d+ seconds\n", "", result.stderr)
    assert (result.returncode, errors) == (0, "")
    return result.stdout


def test_every_public_name_is_there() -> None:
    assert set(janus.__all__) == NAMES | {"__version__"}
    assert all(hasattr(janus, name) for name in NAMES)


def test_they_are_the_names_of_janus() -> None:
    theirs: Any = pytest.importorskip("janus")
    assert set(theirs.__all__) == NAMES
    for name in ("Queue", "LifoQueue", "PriorityQueue"):
        assert public(getattr(theirs, name)) <= public(getattr(janus, name))
    for name in ("sync_q", "async_q"):
        assert public(getattr(theirs.Queue(), name)) <= public(getattr(janus.Queue[int](), name))
    for name in NAMES - {"SyncQueueShutDown", "AsyncQueueShutDown"}:
        if issubclass(getattr(theirs, name), Exception):
            assert getattr(theirs, name) is getattr(janus, name)


def test_a_program_runs_to_its_end() -> None:
    assert printed(PROGRAM.read_text(encoding="utf-8")).startswith("the sum is 4950 True False 1\n")


def test_the_import_is_all_that_the_program_changed() -> None:
    pytest.importorskip("janus")
    program = PROGRAM.read_text(encoding="utf-8")
    assert program.count(IMPORT) == 1
    assert program.count("elasticq") == 1
    assert printed(program.replace(IMPORT, "import janus\n")) == printed(program)


def test_both_ways_to_import_lead_to_the_same() -> None:
    program = "from elasticq.janus import *\nimport elasticq.janus as janus\nprint(Queue is janus.Queue)"
    assert printed(program) == "True\n"


# Errors.


def test_the_errors_are_those_of_queue_and_asyncio() -> None:
    assert (janus.SyncQueueEmpty, janus.SyncQueueFull) == (queue.Empty, queue.Full)
    assert (janus.AsyncQueueEmpty, janus.AsyncQueueFull) == (asyncio.QueueEmpty, asyncio.QueueFull)
    assert getattr(queue, "ShutDown", elasticq.ShutDown) is janus.SyncQueueShutDown
    assert getattr(asyncio, "QueueShutDown", elasticq.ShutDown) is janus.AsyncQueueShutDown


@each
async def test_each_side_raises_its_own_errors(cls: type[janus.Queue[Any]]) -> None:
    q = cls(1)
    with pytest.raises(janus.SyncQueueEmpty):
        q.sync_q.get_nowait()
    with pytest.raises(janus.SyncQueueEmpty):
        q.sync_q.get(timeout=0.001)
    with pytest.raises(janus.AsyncQueueEmpty):
        q.async_q.get_nowait()
    await q.async_q.put(1)
    with pytest.raises(janus.SyncQueueFull):
        q.sync_q.put(2, block=False)
    with pytest.raises(janus.SyncQueueFull):
        q.sync_q.put(2, timeout=0.001)
    with pytest.raises(janus.AsyncQueueFull):
        q.async_q.put_nowait(2)
    assert (q.sync_q.qsize(), q.async_q.full(), q.maxsize) == (1, True, 1)


@each
async def test_both_sides_count_the_same_tasks(cls: type[janus.Queue[Any]]) -> None:
    q = cls()
    q.sync_q.put(1)
    q.async_q.put_nowait(2)
    await q.async_q.get()
    assert (q.sync_q.unfinished_tasks, q.async_q.unfinished_tasks) == (2, 2)
    q.sync_q.task_done()
    q.async_q.task_done()
    with pytest.raises(ValueError, match="too many times"):
        q.async_q.task_done()
    q.sync_q.join()
    await q.async_q.join()


# Closing.


@each
async def test_closing_drops_what_is_inside_and_lets_go_who_joins(
    cls: type[janus.Queue[Any]], threads: Threads
) -> None:
    q = cls()
    for number in range(3):
        q.sync_q.put(number)
    q.sync_q.get()
    q.sync_q.task_done()
    wait_until_asleep(threads.start(q.sync_q.join))
    joining = asyncio.ensure_future(q.async_q.join())
    await settle()
    assert not joining.done()
    await q.aclose()
    await asyncio.wait_for(joining, PATIENCE)
    await asyncio.to_thread(threads.join)
    assert (q.sync_q.qsize(), q.sync_q.unfinished_tasks) == (0, 0)


@each
async def test_who_joins_still_waits_for_what_was_taken_before(
    cls: type[janus.Queue[Any]], threads: Threads
) -> None:
    q = cls()
    q.sync_q.put(1)
    await q.async_q.get()
    thread = threads.start(q.sync_q.join)
    wait_until_asleep(thread)
    await q.aclose()
    assert thread.is_alive()
    q.async_q.task_done()
    await asyncio.to_thread(threads.join)


@each
async def test_closing_ends_every_wait(cls: type[janus.Queue[Any]], threads: Threads) -> None:
    ended: list[str] = []

    def ends(name: str, call: Callable[[], object]) -> None:
        with pytest.raises(janus.SyncQueueShutDown):
            call()
        ended.append(name)

    empty, full = cls(), cls(1)
    full.sync_q.put(1)
    wait_until_asleep(threads.start(ends, "get", empty.sync_q.get))
    wait_until_asleep(threads.start(ends, "put", lambda: full.sync_q.put(2)))
    tasks = [asyncio.ensure_future(empty.async_q.get()), asyncio.ensure_future(full.async_q.put(2))]
    await settle()
    empty.close()
    full.close()
    for task in tasks:
        with pytest.raises(janus.AsyncQueueShutDown):
            await asyncio.wait_for(task, PATIENCE)
    await asyncio.to_thread(threads.join)
    assert sorted(ended) == ["get", "put"]


@each
async def test_a_closed_queue_refuses_and_says_so_on_each_side(cls: type[janus.Queue[Any]]) -> None:
    q = cls()
    assert (q.closed, q.sync_q.closed, q.async_q.closed) == (False, False, False)
    with pytest.raises(RuntimeError, match="non-closed queue"):
        await q.wait_closed()
    q.close()
    q.close()
    await q.wait_closed()
    assert (q.closed, q.sync_q.closed, q.async_q.closed) == (True, True, True)
    for call in (q.sync_q.get, q.sync_q.get_nowait, lambda: q.sync_q.put(1), lambda: q.sync_q.put_nowait(1)):
        with pytest.raises(janus.SyncQueueShutDown):
            call()
    for call in (q.async_q.get_nowait, lambda: q.async_q.put_nowait(1)):
        with pytest.raises(janus.AsyncQueueShutDown):
            call()
    for awaited in (q.async_q.get(), q.async_q.put(1)):
        with pytest.raises(janus.AsyncQueueShutDown):
            await awaited


@each
def test_a_shutdown_keeps_what_is_inside_unless_it_is_told_otherwise(cls: type[janus.Queue[Any]]) -> None:
    kept, dropped = cls(), cls()
    for q in (kept, dropped):
        q.sync_q.put(1)
    kept.shutdown()
    dropped.sync_q.shutdown(immediate=True)
    assert kept.sync_q.get() == 1
    for q in (kept, dropped):
        with pytest.raises(janus.SyncQueueShutDown):
            q.sync_q.get()


# Event loops.


def in_another_loop(call: Callable[[], Any]) -> Any:
    """What a call in a new event loop returns. If that is to be awaited, it is."""

    async def main() -> Any:
        result = call()
        return await result if inspect.isawaitable(result) else result

    return asyncio.run(main())


def bound(*items: int) -> janus.Queue[Any]:
    """A queue with these items that the tasks of a loop have used."""
    q: janus.Queue[Any] = janus.Queue()
    in_another_loop(q.async_q.join)
    for item in items:
        q.sync_q.put(item)
    return q


@pytest.mark.parametrize(
    "call",
    [
        lambda q: q.async_q.put(2),
        lambda q: q.async_q.put_nowait(2),
        lambda q: q.async_q.get(),
        lambda q: q.async_q.get_nowait(),
        lambda q: q.async_q.join(),
    ],
    ids=["put", "put_nowait", "get", "get_nowait", "join"],
)
def test_another_loop_is_refused_and_nothing_has_happened(call: Callable[[janus.Queue[Any]], Any]) -> None:
    q = bound(1)
    with pytest.raises(RuntimeError, match="is bound to a different event loop"):
        in_another_loop(lambda: call(q))
    assert (q.sync_q.qsize(), q.sync_q.get()) == (1, 1)


def test_what_is_said_before_the_loop_is_asked_for() -> None:
    """As in janus: an empty queue and one that is closed say so in any loop."""
    with pytest.raises(janus.AsyncQueueEmpty):
        in_another_loop(bound().async_q.get_nowait)
    closed = bound()
    closed.close()
    for call in (
        closed.async_q.get,
        closed.async_q.get_nowait,
        lambda: closed.async_q.put(1),
        lambda: closed.async_q.put_nowait(1),
    ):
        with pytest.raises(janus.AsyncQueueShutDown):
            in_another_loop(call)


def test_tasks_calls_need_a_loop_and_threads_calls_need_none() -> None:
    q: janus.Queue[int] = janus.Queue()
    q.sync_q.put(1)
    for call in (lambda: q.async_q.put_nowait(2), q.async_q.get_nowait):
        with pytest.raises(RuntimeError, match="no running event loop"):
            call()
    assert (q.sync_q.get(), q.sync_q.empty()) == (1, True)


def test_it_is_where_a_call_is_awaited_that_counts() -> None:
    """A call may be made in a thread without a loop, or in another loop, and be handed over."""
    q: janus.Queue[int] = janus.Queue()

    async def hand_over(home: asyncio.AbstractEventLoop) -> None:
        future = asyncio.run_coroutine_threadsafe(q.async_q.put(2), home)
        await asyncio.wait_for(asyncio.wrap_future(future), PATIENCE)

    async def main() -> list[int]:
        home = asyncio.get_running_loop()
        await q.async_q.put(1)
        await asyncio.to_thread(asyncio.run, hand_over(home))
        return [await q.async_q.get(), await q.async_q.get()]

    assert asyncio.run(main()) == [1, 2]


def refused(call: Callable[[], Any]) -> bool:
    """Whether a call in a new event loop is refused."""
    try:
        in_another_loop(call)
    except RuntimeError:
        return True
    return False


def meet(q: janus.Queue[int], place: int) -> list[bool]:
    """Who is refused if a second loop comes in that place between two instructions of the first one's look.

    The answer has one entry if there is no such place.
    """
    look = type(q.async_q)._enter  # type: ignore[attr-defined]
    left, second = place, list[bool]()

    def put() -> None:
        second.append(refused(lambda: q.async_q.put(2)))

    def come(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code is not look.__code__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            if left == 0:
                thread = threading.Thread(target=put)
                thread.start()
                thread.join()
            left -= 1
        return come

    before = sys.gettrace()  # say, that of coverage.py
    sys._getframe().f_trace_opcodes = True  # 3.12 tells of instructions only if a frame has asked before
    sys.settrace(come)
    try:
        first = refused(lambda: q.async_q.put(1))
    finally:
        sys.settrace(before)
    return [first, *second]


def test_of_two_loops_that_come_at_once_one_has_the_queue() -> None:
    places = 0
    while True:
        q: janus.Queue[int] = janus.Queue()
        answers = meet(q, places)
        assert (answers.count(False), q.sync_q.qsize()) == (1, 1)
        if len(answers) == 1:
            break
        places += 1
    assert places > 5


# Subclasses, and what is beneath.


@pytest.mark.parametrize(
    ("cls", "order"),
    [
        (janus.Queue, [2, 3, 1]),
        (Hooked, [2, 3, 1]),
        (janus.LifoQueue, [1, 3, 2]),
        (OtherStack, [1, 3, 2]),
        (janus.PriorityQueue, [1, 2, 3]),
        (OtherHeap, [1, 2, 3]),
    ],
)
async def test_items_come_in_the_order_of_their_class(cls: type[janus.Queue[Any]], order: list[int]) -> None:
    q = cls()
    for item in (2, 3, 1):
        q.sync_q.put(item)
    assert len(q._queue) == q._qsize() == 3
    assert [q.sync_q.get(), await q.async_q.get(), q.async_q.get_nowait()] == order
    for item in (2, 3, 1):
        q._put(item)
    assert [q._get() for _ in range(3)] == order


async def test_a_subclass_may_have_methods_of_any_name() -> None:
    class Named(janus.Queue[int]):
        def __init__(self) -> None:
            self.queue, self.mutex, self.is_shutdown, self.capacity = "queue", "mutex", "shutdown", "capacity"
            super().__init__(maxsize=2)

        def put(self, item: int) -> None:
            self.sync_q.put(item)

        async def get(self) -> int:
            return await self.async_q.get()

    q = Named()
    q.put(1)
    assert (await q.get(), q.queue, q.maxsize, q.closed) == (1, "queue", 2, False)


async def test_a_hook_that_raises_loses_nothing() -> None:
    class Fussy(janus.Queue[int]):
        fails = False

        def _put(self, item: int) -> None:
            if self.fails:
                raise LookupError(item)
            super()._put(item)

        def _get(self) -> int:
            if self.fails:
                raise LookupError
            return super()._get()

    q = Fussy()
    q.sync_q.put(1)
    q.fails = True
    for call in (
        lambda: q.sync_q.put(2),
        lambda: q.async_q.put_nowait(2),
        q.sync_q.get,
        q.async_q.get_nowait,
    ):
        with pytest.raises(LookupError):
            call()
    for awaited in (q.async_q.put(2), q.async_q.get()):
        with pytest.raises(LookupError):
            await awaited
    q.fails = False
    assert (q.sync_q.qsize(), q.sync_q.unfinished_tasks, await q.async_q.get()) == (1, 1, 1)


def test_threads_call_the_compiled_queue_itself() -> None:
    q: janus.Queue[int] = janus.Queue()
    q.sync_q.put(1)
    side: Any = q.sync_q
    assert type(side) is elasticq.Queue
    assert side.get() == 1
    assert not has_moved(side)


async def test_tasks_calls_go_straight_to_the_compiled_queue_once_the_loop_is_known() -> None:
    q: janus.Queue[int] = janus.Queue()
    await q.async_q.put(1)
    plain = elasticq.Queue[int]().async_q
    for call, same in ((q.async_q.put(2), plain.put(2)), (q.async_q.get(), plain.get())):
        assert type(call) is type(same)
        call.close()
        same.close()
    assert all(inspect.iscoroutinefunction(getattr(q.async_q, name)) for name in ("put", "get", "join"))


def test_a_queue_that_nobody_has_any_more_is_freed() -> None:
    for cls in CLASSES:
        q = cls()
        q.sync_q.put(q.async_q)
        sides: list[Callable[[], object]] = [weakref.ref(q), weakref.ref(q.sync_q)]
        q.sync_q.get()
        del q
        if FREE_THREADED or cls not in CLASSES[:3]:  # a queue with hooks is a cycle: they call it
            gc.collect()
        assert [side() for side in sides] == [None, None]


def test_it_is_shown_with_what_is_inside() -> None:
    q = Hooked(3)
    q.sync_q.put(1)
    assert repr(q) == f"<test_janus.Hooked of {q.sync_q!r}>"
    assert "1 item" in repr(q)
