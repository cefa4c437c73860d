"""`elasticq.culsans`: programs written for culsans move by changing one import.

culsans' own tests run elsewhere (peer_suites/culsans.txt says which of them can't).
"""

from __future__ import annotations

import asyncio
import gc
import queue as standard
import subprocess
import sys
import time
import types
import weakref
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from support import PATIENCE, Threads, public, python, wait_until, wait_until_asleep

import elasticq
from elasticq import culsans

PROGRAM = Path(__file__).parent / "moved" / "culsans_program.py"
OUTPUT = """\
sum 4950
over True 0
sizes [1, 2, 4] [0, 1, 2, 3]
peek first first first 1
cleared 0 False
unique 2 2 False True
no peek
cleared True
full 9 False 2
four
eight seven 0
closed True 0 0
"""
each = pytest.mark.parametrize("cls", [culsans.Queue, culsans.LifoQueue, culsans.PriorityQueue])


class Hooked(culsans.Queue[Any]):
    """Overrides each hook, and calls the one that it overrides."""

    def _put(self, item: Any) -> None:
        super()._put(item)

    def _get(self) -> Any:
        return super()._get()

    def _clear(self) -> None:
        super()._clear()


class Unclear(Hooked):
    """Can't be looked at, and can't be cleared."""

    def _peekable(self) -> bool:
        return False

    def _clearable(self) -> bool:
        return False


KINDS: dict[str, Callable[..., culsans.Queue[Any]]] = {
    "Queue": culsans.Queue,
    "LifoQueue": culsans.LifoQueue,
    "PriorityQueue": culsans.PriorityQueue,
    "hooks": Hooked,
    "sizes": lambda maxsize=0: culsans.Queue(maxsize, sizer=lambda item: 1),
    "sizes and hooks": lambda maxsize=0: Hooked(maxsize, sizer=lambda item: 1),
}
each_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


async def until(condition: Callable[[], object]) -> None:
    """Gives the other tasks turns until something is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0)


def finish(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine, and fails if it does not end."""
    return asyncio.run(asyncio.wait_for(work, PATIENCE))


def run(path: Path) -> str:
    finished = subprocess.run(
        [sys.executable, str(path)], capture_output=True, encoding="utf-8", timeout=2 * PATIENCE, check=False
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished.stdout


def test_a_program_runs_to_its_end() -> None:
    assert run(PROGRAM) == OUTPUT


def test_culsans_itself_gives_the_same_output(tmp_path: Path) -> None:
    pytest.importorskip("culsans")
    text = PROGRAM.read_text(encoding="utf-8")
    assert text.count("import elasticq.culsans as culsans") == 1
    theirs = tmp_path / "program.py"
    theirs.write_text(text.replace("import elasticq.culsans as culsans", "import culsans"), encoding="utf-8")
    assert run(theirs) == OUTPUT


def test_all_public_names_of_culsans_are_there() -> None:
    peer = pytest.importorskip("culsans")
    names = {name for name in public(peer) if not isinstance(getattr(peer, name), types.ModuleType)}
    assert names - {"annotations"} <= set(culsans.__all__)
    for name in culsans.__all__:
        ours, theirs = getattr(culsans, name), getattr(peer, name)
        if name not in ("Grouper", "RWLock"):
            assert public(theirs) <= public(ours), name


def test_every_public_name_is_explained_and_belongs_to_this_module() -> None:
    for name in culsans.__all__:
        value = getattr(culsans, name)
        assert value.__doc__, name
        assert not value.__module__.startswith("elasticq.culsans."), name


def test_an_error_belongs_to_all_families() -> None:
    q: culsans.Queue[int] = culsans.Queue(1)
    for empty in (elasticq.Empty, standard.Empty, asyncio.QueueEmpty, culsans.QueueEmpty):
        for call in (q.get_nowait, q.peek_nowait, q.sync_q.get_nowait, q.async_q.get_nowait):
            with pytest.raises(empty):
                call()
    q.put_nowait(1)
    for full in (elasticq.Full, standard.Full, asyncio.QueueFull, culsans.QueueFull):
        with pytest.raises(full, match="maxsize = 1"):
            q.async_q.put_nowait(2)
    q.close()
    for over in (elasticq.ShutDown, culsans.SyncQueueShutDown, culsans.AsyncQueueShutDown):
        with pytest.raises(over):
            q.sync_get()
        with pytest.raises(over):
            finish(q.async_put(1))


@each_kind
def test_a_thread_that_looks_waits_for_an_item_and_takes_nothing(
    make: Callable[..., culsans.Queue[Any]], threads: Threads
) -> None:
    q = make()
    seen: list[Any] = []
    thread = threads.start(lambda: seen.append(q.sync_q.peek()))
    wait_until(lambda: q.getting == 1, "the thread waits")
    assert not seen
    q.put_nowait("item")
    thread.join(PATIENCE)
    assert (seen, q.qsize(), q.getting, q.unfinished_tasks) == (["item"], 1, 0, 1)


@each_kind
def test_a_task_that_looks_waits_for_an_item_and_takes_nothing(
    make: Callable[..., culsans.Queue[Any]],
) -> None:
    async def main() -> None:
        q = make()
        task = asyncio.create_task(q.async_q.peek())
        await until(lambda: q.getting)
        q.sync_q.put("item")
        assert await task == "item"
        assert (q.qsize(), q.getting) == (1, 0)

    finish(main())


@each_kind
def test_looking_ends_with_the_timeout_and_with_the_queue(make: Callable[..., culsans.Queue[Any]]) -> None:
    q = make()
    for arguments in ({"block": False}, {"blocking": False}, {"timeout": 0}, {"timeout": 0.01}):
        with pytest.raises(culsans.QueueEmpty):
            q.sync_peek(**arguments)

    async def main() -> None:
        task = asyncio.create_task(q.async_peek())
        await until(lambda: q.getting)
        q.shutdown()
        with pytest.raises(culsans.QueueShutDown):
            await task

    finish(main())
    for look in (q.sync_peek, q.peek_nowait, q.sync_q.peek_nowait):
        with pytest.raises(culsans.QueueShutDown):
            look()
    assert q.waiting == 0


@each_kind
def test_those_that_wait_are_counted_and_a_cancelled_call_has_done_nothing(
    make: Callable[..., culsans.Queue[Any]], threads: Threads
) -> None:
    q = make(1)
    get = threads.start(q.sync_q.get)
    wait_until(lambda: q.getting == 1, "the thread waits")
    wait_until_asleep(get)

    async def main() -> None:
        task = asyncio.create_task(q.async_q.get())
        await asyncio.sleep(0)
        assert (q.putting, q.getting, q.waiting) == (0, 2, 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        q.put_nowait("taken by the thread")
        await until(lambda: not q.getting)
        q.put_nowait("stays")
        put = asyncio.create_task(q.async_q.put("never"))
        await asyncio.sleep(0)
        assert (q.putting, q.getting, q.waiting) == (1, 0, 1)
        put.cancel()
        with pytest.raises(asyncio.CancelledError):
            await put

    finish(main())
    threads.join()
    assert (q.get_nowait(), q.qsize(), q.waiting) == ("stays", 0, 0)


@each_kind
def test_a_limit_that_grows_lets_those_in_that_wait(
    make: Callable[..., culsans.Queue[Any]], threads: Threads
) -> None:
    q = make(1)
    q.put_nowait(0)
    for number in (1, 2):
        threads.start(q.sync_q.put, number)
    wait_until(lambda: q.putting == 2, "both wait")
    q.maxsize = 2
    wait_until(lambda: q.qsize() == 2 and q.putting == 1, "one is let in")
    q.sync_q.maxsize = 0
    threads.join()
    assert (q.maxsize, q.async_q.qsize(), q.size, q.full()) == (0, 3, 3, False)


@each_kind
def test_closing_drops_the_items_and_lets_joiners_go(
    make: Callable[..., culsans.Queue[Any]], threads: Threads
) -> None:
    q = make()
    q.put_nowait(1)
    wait_until_asleep(threads.start(q.sync_q.join))

    async def main() -> None:
        with pytest.raises(RuntimeError):
            await q.wait_closed()
        join = asyncio.create_task(q.async_q.join())
        await asyncio.sleep(0)
        await q.aclose()
        await join

    finish(main())
    threads.join()
    assert (q.closed, q.is_shutdown, q.qsize(), q.size, q.unfinished_tasks) == (True, True, 0, 0, 0)


@each_kind
def test_shutting_down_lets_those_go_that_wait_for_room(
    make: Callable[..., culsans.Queue[Any]], threads: Threads
) -> None:
    q = make(1)
    q.put_nowait("stays")

    def put() -> None:
        with pytest.raises(culsans.QueueShutDown):
            q.sync_put("refused")

    async def main() -> None:
        threads.start(put)
        task = asyncio.create_task(q.async_put("refused"))
        await until(lambda: q.putting == 2)
        q.shutdown()
        with pytest.raises(culsans.QueueShutDown):
            await task

    finish(main())
    threads.join()
    assert (q.get_nowait(), q.putting, q.unfinished_tasks) == ("stays", 0, 1)


@each_kind
def test_clearing_counts_the_items_as_done_and_makes_room(
    make: Callable[..., culsans.Queue[Any]], threads: Threads
) -> None:
    q = make(2)
    q.put_nowait(1)
    q.put_nowait(2)
    threads.start(q.sync_q.put, 3)
    wait_until(lambda: q.putting == 1, "the thread waits")
    q.clear()
    threads.join()
    assert (q.get_nowait(), q.unfinished_tasks, q.size) == (3, 1, 0)


def test_what_a_put_adds_is_what_join_waits_for() -> None:
    class Split(culsans.Queue[str]):
        def _put(self, item: str) -> None:
            for part in item.split():
                super()._put(part)

    q = Split()
    q.put_nowait("one two three")
    assert (q.qsize(), q.unfinished_tasks) == (3, 3)
    q.put_nowait("")
    assert (q.qsize(), q.unfinished_tasks) == (3, 3)
    assert q.get_nowait() == "one"
    q.clear()
    assert (q.qsize(), q.unfinished_tasks) == (0, 1)


def test_a_subclass_may_refuse_to_be_looked_at_and_to_be_cleared() -> None:
    q = Unclear()
    q.put_nowait(1)
    assert (q.peekable(), q.clearable(), q.sync_q.peekable()) == (False, False, False)
    for call in (q.sync_peek, q.peek_nowait, q.clear, q.async_q.peek_nowait):
        with pytest.raises(culsans.UnsupportedOperation, match="of Unclear: its _"):
            call()
    with pytest.raises(culsans.UnsupportedOperation):
        finish(q.async_peek())
    assert (q.qsize(), q.unfinished_tasks) == (1, 1)
    q.close()
    assert (q.qsize(), q.unfinished_tasks) == (0, 0)


def test_a_hook_that_raises_leaves_the_queue_as_it_was() -> None:
    class Failing(culsans.Queue[int]):
        fails = False

        def _put(self, item: int) -> None:
            if self.fails:
                raise KeyError(item)
            super()._put(item)

    q = Failing(2)
    q.put_nowait(1)
    q.fails = True
    with pytest.raises(KeyError):
        q.sync_put(2)
    with pytest.raises(KeyError):
        finish(q.async_put(2))
    assert (q.qsize(), q.unfinished_tasks, q.putting) == (1, 1, 0)


@each
def test_only_what_culsans_lets_be_set_can_be_set(cls: Any) -> None:
    q = cls(3)
    for owner in (q, q.sync_q, q.async_q):
        for name in ("unfinished_tasks", "is_shutdown", "closed", "size", "nonexistent"):
            with pytest.raises(AttributeError):
                setattr(owner, name, 1)


def test_the_lock_holds_all_others_off_and_may_be_taken_twice(threads: Threads) -> None:
    q: culsans.Queue[int] = culsans.Queue()
    with q.mutex, q.not_empty, q.not_full, q.all_tasks_done:
        q.put_nowait(1)
        thread = threads.start(q.sync_q.get)
        wait_until_asleep(thread)
        assert q.qsize() == 1
    threads.join()
    assert q.empty()


def test_one_of_block_and_blocking_may_be_given_and_no_negative_timeout() -> None:
    q: culsans.Queue[int] = culsans.Queue()
    for call in (lambda **keywords: q.sync_q.put(1, **keywords), q.sync_q.get, q.sync_q.peek, q.green_get):
        with pytest.raises(ValueError, match="only one of block and blocking"):
            call(block=True, blocking=True)
        for timeout in (-1, float("nan"), -(10**400)):
            with pytest.raises(ValueError, match="must be a non-negative number of seconds"):
                call(timeout=timeout)
    q.put_nowait(1)
    assert q.sync_q.get(timeout=10**400) == 1


@each_kind
def test_a_put_may_wait_longer_than_a_clock_can_count(
    make: Callable[..., culsans.Queue[Any]], threads: Threads
) -> None:
    q = make(1)
    q.put_nowait(1)
    threads.start(lambda: q.sync_q.put(2, timeout=10**400))
    wait_until(lambda: q.putting == 1, "it waits")
    assert q.get_nowait() == 1
    threads.join()
    assert q.get_nowait() == 2


def test_a_call_calls_no_other_that_a_subclass_overrides() -> None:
    class Noting(culsans.Queue[int]):
        called: list[str]

        def __getattribute__(self, name: str) -> Any:
            if name.startswith(("sync_", "green_", "async_", "put_", "get_", "peek_")):
                self.called.append(name)
            return super().__getattribute__(name)

    q = Noting()
    q.called = []
    q.green_put(1)
    q.sync_put(2)
    q.put_nowait(3)
    assert (q.green_peek(), q.peek_nowait(), q.sync_get(), q.green_get(), q.get_nowait()) == (1, 1, 1, 2, 3)
    for _ in range(3):
        q.task_done()
    q.green_join()
    assert q.called == [
        *("green_put", "sync_put", "put_nowait"),
        *("green_peek", "peek_nowait", "sync_get", "green_get", "get_nowait", "green_join"),
    ]


def test_green_names_serve_threads_and_refuse_green_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    q: culsans.Queue[int] = culsans.Queue()
    q.green_put(1)
    assert (q.green_proxy.peek(), q.green_proxy.get(blocking=False)) == (1, 1)
    q.task_done()
    q.green_proxy.join()
    hubs: Any = types.SimpleNamespace(hub=object())
    gevent: Any = types.SimpleNamespace(get_hub_if_exists=lambda: hubs.hub)
    for name, module in (
        ("gevent._hub_local", gevent),
        ("eventlet.hubs", types.SimpleNamespace(_threadlocal=hubs)),
    ):
        monkeypatch.setitem(sys.modules, name, module)
        for call in (lambda: q.green_put(1), q.green_get, q.green_peek, q.green_join, q.green_proxy.get):
            with pytest.raises(
                culsans.UnsupportedOperation, match="elasticq serves threads and asyncio only"
            ):
                call()
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gevent._hub_local", gevent)
    hubs.hub = None  # gevent is imported, and this thread does not run it
    q.green_put(1)


def test_waiting_outside_of_asyncio_is_refused() -> None:
    q: culsans.Queue[int] = culsans.Queue(1)
    with pytest.raises(StopIteration):  # it need not wait
        q.async_put(1).send(None)
    for call in (q.async_put(1), q.async_join()):
        with pytest.raises(culsans.UnsupportedOperation, match="elasticq serves threads and asyncio only"):
            call.send(None)
    q.get_nowait()
    for wait in (q.async_get(), q.async_peek()):
        with pytest.raises(culsans.UnsupportedOperation, match="elasticq serves threads and asyncio only"):
            wait.send(None)
    assert q.waiting == 0


@pytest.mark.parametrize("cls", [culsans.Grouper, culsans.RWLock])
def test_locks_are_left_out_and_say_so(cls: Any) -> None:
    with pytest.raises(culsans.UnsupportedOperation, match="elasticq has queues and no locks"):
        cls()


@each_kind
def test_a_queue_that_nobody_refers_to_goes(make: Callable[..., culsans.Queue[Any]]) -> None:
    q = make()
    q.put_nowait(q)
    gone = weakref.ref(q)
    del q
    gc.collect()
    assert gone() is None


def test_without_a_limit_that_is_set_a_queue_stays_compiled() -> None:
    code = """
        import elasticq.culsans as culsans, elasticq, gc
        q = culsans.Queue(3)
        q.sync_q.put(1), q.sync_q.peek(), q.sync_q.get(), q.task_done(), q.clear(), q.maxsize, q.waiting
        q.peekable(), q.clearable(), q.size, q.full(), bool(q), q.close()
        (inner,) = [thing for thing in gc.get_objects() if type(thing) is elasticq.Queue]
        print(elasticq._core._moved_of(inner))
    """
    assert python(code) == "None\n"
