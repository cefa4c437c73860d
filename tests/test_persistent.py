"""The queue in files: what is kept, what is refused, who may open it, and what its codec stores."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support import IS_UNIX, PATIENCE, Threads, python, unix_only, wait_until, wait_until_asleep

from elasticq import (
    AlreadyOpen,
    Corrupted,
    Empty,
    Full,
    InvalidConfiguration,
    InvalidOperation,
    PersistentCircularBuffer,
    ShutDown,
    StorageError,
    SyncMode,
    Timeout,
)

MODES: list[Any] = ["no_sync", "every_write", SyncMode.periodic(0.01)]
each_mode = pytest.mark.parametrize("mode", MODES, ids=str)

FORKS = "-Wignore::DeprecationWarning"
"""An option for interpreters that fork: each queue has a thread, and Python warns of forks beside threads."""

VALUES: list[Any] = [
    b"bytes",
    b"",
    "text",
    "\udc80",
    0,
    -(2**200),
    1.5,
    True,
    None,
    [1, [2, "x"]],
    (1, (2,), ()),
    {"key": (1, 2), 3: None},
    {1, 2},
    frozenset("ab"),
    datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    timedelta(days=-1, microseconds=1),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue"


@each_mode
def test_what_is_put_is_there_when_it_is_opened_again_and_what_is_taken_is_not(path: Path, mode: Any) -> None:
    with PersistentCircularBuffer[Any](path, mode) as queue:
        queue.push_batch(VALUES)
        assert [queue.pop(), queue.pop()] == VALUES[:2]
    with PersistentCircularBuffer[Any](path, mode) as queue:
        stats = queue.stats()
        assert (stats.recovered_clean, stats.messages_enqueued, stats.messages_dequeued) == (
            True,
            len(VALUES),
            2,
        )
        assert list(queue) == VALUES[2:]
        taken = queue.pop_batch(100)
    assert [(type(value), value) for value in taken] == [(type(value), value) for value in VALUES[2:]]


def test_an_open_queue_is_not_opened_again_by_whatever_path(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with PersistentCircularBuffer[int](path):
        link = tmp_path / "link"
        if IS_UNIX:  # not everybody may make one on Windows
            link.symlink_to(path)
        for other in (path, *([link] if IS_UNIX else []), Path(os.path.relpath(path))):
            with pytest.raises(AlreadyOpen, match=rf"process {os.getpid()}"):
                PersistentCircularBuffer[int](other)
        opened = python(f"""
            import elasticq
            try:
                elasticq.PersistentCircularBuffer({str(path)!r})
            except elasticq.AlreadyOpen as error:
                print(error)
            """)
        assert f"process {os.getpid()}" in opened
    PersistentCircularBuffer[int](path).close()


def test_a_queue_without_a_path_is_in_memory_and_gone_when_it_is_closed() -> None:
    with (
        PersistentCircularBuffer[int](None, "every_write") as queue,
        PersistentCircularBuffer[int](None) as other,
    ):
        assert (queue.path, queue.sync_mode) == (None, SyncMode.NO_SYNC)
        queue.push_batch([1, 2])
        assert (queue.pop(), len(other)) == (1, 0)
        assert repr(queue).endswith(" in memory>")
        with pytest.raises(InvalidOperation, match="a queue in memory is open in this object already"):
            queue.__init__(None)  # type: ignore[misc]
    with pytest.raises(ShutDown):
        queue.pop()


def test_closing_gives_the_files_up_and_ends_calls_that_wait(path: Path, threads: Threads) -> None:
    queue = PersistentCircularBuffer[str](path, maxsize=1)
    refused: list[BaseException] = []

    def take(call: Callable[[], object]) -> None:
        with pytest.raises(ShutDown) as raised:
            call()
        refused.append(raised.value)

    wait_until_asleep(threads.start(take, queue.lease))
    wait_until_asleep(threads.start(take, queue.sync_q.get))
    queue.close()
    threads.join()
    assert [str(error) for error in refused] == ["the queue was closed"] * 2
    assert queue.is_closed
    queue.close()
    calls: list[Callable[[], object]] = [queue.pop, queue.sync, queue.compact, queue.clear, queue.peek]
    calls += [lambda: queue.push("late"), lambda: list(queue), lambda: queue.push_batch(["late"])]
    for call in calls:
        with pytest.raises(ShutDown, match="the queue was closed"):
            call()
    with PersistentCircularBuffer[str](path) as again:
        assert len(again) == 0


def test_shutting_down_leaves_what_is_inside(path: Path) -> None:
    with PersistentCircularBuffer[int](path) as queue:
        queue.push_batch([1, 2, 3])
        queue.shutdown()
        with pytest.raises(ShutDown):
            queue.push(4)
        assert list(queue.consume()) == [1, 2, 3]
        with pytest.raises(ShutDown):
            queue.pop()
    with PersistentCircularBuffer[int](path) as queue:
        queue.push(5)
        queue.shutdown(immediate=True)
        assert len(queue) == 0


def test_a_context_closes_the_queue_when_an_exception_passes(path: Path) -> None:
    def fail() -> None:
        with PersistentCircularBuffer[int](path) as queue:
            queue.push(1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert PersistentCircularBuffer[int](path).pop() == 1


@each_mode
def test_the_files_of_a_closed_queue_can_be_removed_whoever_still_has_it(path: Path, mode: Any) -> None:
    """Windows removes no directory in which a file is open."""
    queue = PersistentCircularBuffer[int](path, mode)
    for number in range(4):
        queue.push(number)
    lease, look = queue.lease(), iter(queue)
    assert next(look) == 1
    queue.close()
    shutil.rmtree(path)
    assert not path.exists()
    for call in (lease.ack, queue.pop, lambda: queue.push(1), lambda: next(look)):
        with pytest.raises(ShutDown):
            call()


def test_the_end_of_the_object_closes_the_queue(path: Path) -> None:
    queue = PersistentCircularBuffer[int](path)
    queue.push(1)
    del queue
    with PersistentCircularBuffer[int](path) as queue:
        assert (queue.stats().recovered_clean, queue.pop()) == (True, 1)


@each_mode
def test_a_queue_that_is_open_when_the_interpreter_ends_is_whole(path: Path, mode: Any) -> None:
    # As a global, used by a thread and a suspended task: both may be in a call at the end.
    python(f"""
        import asyncio, threading
        from elasticq import PersistentCircularBuffer, SyncMode
        queue = PersistentCircularBuffer({str(path)!r}, {mode!r})
        queue.push_batch(range(100))
        def take():
            empty.sync_q.get()
        empty = PersistentCircularBuffer({str(path) + "2"!r}, {mode!r})
        threading.Thread(target=take, daemon=True).start()
        async def main():
            global waiting
            waiting = asyncio.create_task(empty.aget())
            await asyncio.sleep(0)
            asyncio.get_running_loop().create_task(empty.alease())
            await asyncio.sleep(0)
        asyncio.run(main())
        held = queue.lease()
        """)
    with PersistentCircularBuffer[int](path) as queue:
        assert list(queue) == list(range(100))


def test_a_queue_in_a_process_that_was_killed_is_whole(path: Path) -> None:
    code = f"""
        import os, sys
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from elasticq import PersistentCircularBuffer
        queue = PersistentCircularBuffer({str(path)!r}, "no_sync")
        for number in range(1000):
            queue.push(number)
            print(number, flush=True)
        lease = queue.lease()
        print("leased", flush=True)
        sys.stdin.read()
        """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, encoding="utf-8") as child:
        assert child.stdout
        for line in child.stdout:
            if line == "leased\n":
                child.kill()
                break
    with PersistentCircularBuffer[int](path) as queue:
        assert list(queue) == list(range(1000))
        with queue.lease() as lease:
            assert (lease.item, lease.deliveries) == (0, 2)


@unix_only("fork")
def test_a_forked_child_can_not_use_it_and_does_not_keep_it_locked(path: Path) -> None:
    print_result = python(
        f"""
        import os, sys
        from elasticq import InvalidOperation, PersistentCircularBuffer
        queue = PersistentCircularBuffer({str(path)!r})
        queue.push("parent's")
        stop, go = os.pipe()
        child = os.fork()
        if not child:
            os.close(go)
            for call in (queue.pop, queue.close, lambda: queue.push(1), lambda: list(queue)):
                try:
                    call()
                except InvalidOperation as error:
                    assert "before a fork" in str(error), error
                else:
                    os._exit(1)
            os.read(stop, 1)
            os._exit(0)
        queue.close()
        with PersistentCircularBuffer({str(path)!r}) as again:
            print(again.pop())
        os.close(go)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
        FORKS,
    )
    assert print_result.split() == ["parent's", "0"]


@unix_only("fork")
def test_a_child_opens_queues_of_its_own(path: Path) -> None:
    printed = python(
        f"""
        import asyncio, os
        from elasticq import PersistentCircularBuffer
        async def pass_one(queue):
            getter = asyncio.create_task(queue.aget())
            await asyncio.sleep(0)
            await queue.aput("item")
            return await getter
        with PersistentCircularBuffer({str(path)!r}, "every_write") as queue:
            assert asyncio.run(pass_one(queue)) == "item"
        child = os.fork()
        if not child:
            with PersistentCircularBuffer({str(path)!r}, "every_write") as queue:
                os._exit(0 if asyncio.run(pass_one(queue)) == "item" else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
        FORKS,
    )
    assert printed.split() == ["0"]


@unix_only("modes of files")
def test_files_are_for_their_owner_only(path: Path) -> None:
    mask = os.umask(0)
    try:
        with PersistentCircularBuffer[int](path) as queue:
            queue.push(1)
            modes = {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()}
    finally:
        os.umask(mask)
    assert (stat.S_IMODE(path.stat().st_mode), modes) == (0o700, {0o600})


def test_what_can_not_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as missing:
        PersistentCircularBuffer[int](tmp_path / "none" / "queue")
    error = missing.value
    assert (error.errno, error.filename) == (2, str(tmp_path / "none" / "queue"))
    assert isinstance(error, OSError)
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(StorageError, match="file"):
        PersistentCircularBuffer[int](file)
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"sync_mode": "sometimes"}, "sync_mode = 'sometimes': must be \"no_sync\""),
        ({"codec": "json"}, 'codec = "json": it must be'),
        ({"max_bytes": 1}, "max_bytes = 1: must be 0 or at least"),
        ({"max_log_entries": 0}, "max_log_entries = 0: must be at least 1"),
        ({"segment_bytes": 10}, "segment_bytes = 10: must be at least"),
        ({"id_window": -1}, "id_window = -1: must be at least 0"),
        ({"max_bytes": -1}, "max_bytes = -1: must be at least 0"),
    ],
)
def test_a_setting_that_breaks_its_rule_is_named(path: Path, settings: dict[str, Any], rule: str) -> None:
    with pytest.raises(InvalidConfiguration) as raised:
        PersistentCircularBuffer[int](path, **settings)
    assert rule in str(raised.value)
    assert not path.exists()


def test_the_settings_can_be_read(path: Path) -> None:
    with PersistentCircularBuffer[int](path, "every_write", maxsize=7) as queue:
        assert (queue.path, queue.sync_mode, queue.codec, queue.maxsize) == (
            str(path),
            SyncMode.EVERY_WRITE,
            "plain",
            7,
        )
    with PersistentCircularBuffer[int](path) as queue:
        assert (queue.sync_mode, queue.maxsize) == (SyncMode.periodic(timedelta(seconds=1)), 0)


def test_modes_are_equal_by_what_they_say() -> None:
    modes = [SyncMode.NO_SYNC, SyncMode.EVERY_WRITE, SyncMode.periodic(1), SyncMode.periodic(2)]
    assert len(set(modes)) == 4
    assert SyncMode.periodic(1.0) == modes[2]
    assert [pickle.loads(pickle.dumps(mode)) for mode in modes] == modes
    assert copy.deepcopy(modes) == modes
    for seconds in (0, -1):
        with pytest.raises(ValueError, match="seconds"):
            SyncMode.periodic(seconds)


def test_an_object_that_was_not_opened_says_so(tmp_path: Path) -> None:
    queue = PersistentCircularBuffer.__new__(PersistentCircularBuffer)
    with pytest.raises(InvalidOperation, match="not opened"):
        queue.push(1)
    assert "not open" in repr(queue)
    queue.close()
    with PersistentCircularBuffer[int](tmp_path / "a") as queue:
        again = partial(queue.__init__, tmp_path / "b")  # type: ignore[misc]
        with pytest.raises(InvalidOperation, match="open in this object already"):
            again()


def test_a_value_that_would_not_come_back_as_it_is_is_refused(path: Path) -> None:
    class Text(str):
        pass

    with PersistentCircularBuffer[Any](path) as queue:
        for value in (object(), Text("x"), [object()], bytearray(b"x"), 1j):
            with pytest.raises(TypeError):
                queue.push(value)
            with pytest.raises(TypeError):
                queue.push_batch([1, value])
        assert (len(queue), queue.stats().messages_enqueued) == (0, 0)


def test_a_pickle_is_loaded_only_by_a_queue_that_was_opened_for_it(path: Path) -> None:
    with PersistentCircularBuffer[Any](path, codec="pickle") as queue:
        queue.push_batch([1j, "plain"])
    with PersistentCircularBuffer[Any](path) as queue:
        for take in (queue.pop, queue.lease, lambda: queue.pop_batch(2), lambda: list(queue), queue.peek):
            with pytest.raises(InvalidOperation, match="pickle"):
                take()
        assert len(queue) == 2
    with PersistentCircularBuffer[Any](path, codec="pickle") as queue:
        assert queue.pop_batch(5) == [1j, "plain"]


class Gone:
    """What a pickle names and nobody can load: its class is taken away in the test."""


def test_an_item_that_can_not_be_loaded_stays_at_its_place(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PersistentCircularBuffer[Any](path, codec="pickle") as queue:
        queue.push_batch(["first", Gone(), "last"])
        monkeypatch.delattr(sys.modules[__name__], "Gone")
        assert queue.pop_batch(3) == ["first"]
        for _ in range(2):
            with pytest.raises(AttributeError):
                queue.pop()
            with pytest.raises(AttributeError):
                queue.lease(ttl=60)
        assert len(queue) == 2
        monkeypatch.undo()
        assert [type(item).__name__ for item in queue.pop_batch(3)] == ["Gone", "str"]


def test_a_damaged_item_is_an_error_that_names_its_place(path: Path) -> None:
    with PersistentCircularBuffer[bytes](path) as queue:
        # The queue's thread may have read one item already. The second is longer than what is read at once.
        queue.push(b"first")
        queue.push(b"x" * 200_000)
        queue.sync()
        (file,) = path.glob("0*.log")
        content = bytearray(file.read_bytes())
        content[content.index(b"x" * 100)] ^= 1
        file.write_bytes(content)
        assert queue.pop() == b"first"
        with pytest.raises(Corrupted, match=rf"{file.name}, offset \d+"):
            queue.pop()
        assert len(queue) == 1


def test_a_name_is_taken_once_and_is_known_after_reopening(path: Path) -> None:
    with PersistentCircularBuffer[str](path, id_window=2) as queue:
        assert queue.push("pay", id="order 7")
        assert not queue.push("pay", id=b"order 7")
        queue.pop()
    with PersistentCircularBuffer[str](path, id_window=2) as queue:
        assert not queue.push("pay", id="order 7")
        queue.push("a", id="a")
        queue.push("b", id="b")
        assert queue.push("pay", id="order 7"), "it has left the window"
        for wrong, error in ((3, TypeError), ("", ValueError)):
            with pytest.raises(error, match="'id'"):
                queue.push("x", id=wrong)  # type: ignore[arg-type]


def test_a_full_queue_refuses_and_waits_as_it_was_told_to(path: Path, threads: Threads) -> None:
    with PersistentCircularBuffer[int](path, maxsize=2) as queue:
        queue.push_batch([1, 2])
        with pytest.raises(Full, match="maxsize = 2"):
            queue.push(3)
        with pytest.raises(Full):
            queue.push_batch([3])
        with pytest.raises(Full):
            queue.sync_q.put(3, timeout=0.001)
        assert queue.sync_q.full()
        assert queue.stats().messages_refused == 3
        wait_until_asleep(threads.start(queue.sync_q.put, 3))
        assert "1 waiting to put" in repr(queue)
        assert queue.pop() == 1
        threads.join()
        assert queue.pop_batch(5) == [2, 3]
    with PersistentCircularBuffer[int](path, push_timeout=0.001, pop_timeout=0.001, maxsize=1) as queue:
        with pytest.raises(Timeout):
            queue.pop()
        queue.push(1)
        with pytest.raises(Timeout):
            queue.push(2)


def test_a_queue_that_holds_more_than_it_may_is_opened_and_refuses(path: Path) -> None:
    with PersistentCircularBuffer[int](path) as queue:
        queue.push_batch(range(5))
    with PersistentCircularBuffer[int](path, maxsize=2) as queue:
        for expected in range(4):
            with pytest.raises(Full):
                queue.push(9)
            assert queue.pop() == expected
        queue.push(9)
        assert list(queue) == [4, 9]


def test_room_by_bytes_comes_back_when_items_go(path: Path) -> None:
    with PersistentCircularBuffer[bytes](path, max_bytes=1 << 20, segment_bytes=1 << 16) as queue:

        def fill() -> None:
            for _ in range(10_000):
                queue.push(b"x" * 1000)

        with pytest.raises(Full, match="max_bytes"):
            fill()
        full = len(queue)
        assert full > 100
        assert sum(file.stat().st_size for file in path.iterdir()) <= (1 << 20) + (1 << 17)
        for _ in range(full):
            queue.pop()
        queue.push(b"again")
        assert queue.pop() == b"again"


def test_threads_that_put_and_take_lose_and_invent_nothing(path: Path, threads: Threads) -> None:
    taken: list[tuple[int, int]] = []
    with PersistentCircularBuffer[tuple[int, int]](
        path, "no_sync", segment_bytes=1 << 16, maxsize=50
    ) as queue:
        view = queue.sync_q

        def put(producer: int) -> None:
            for number in range(500):
                view.put((producer, number))

        def take() -> None:
            mine = list(queue.consume())
            for producer in range(3):
                numbers = [number for who, number in mine if who == producer]
                assert numbers == sorted(numbers)
            taken.extend(mine)

        producers = [threads.start(put, producer) for producer in range(3)]
        for _ in range(2):
            threads.start(take)
        for thread in producers:
            thread.join(PATIENCE)
        queue.shutdown()
        threads.join()
    assert sorted(taken) == [(producer, number) for producer in range(3) for number in range(500)]


def test_looking_reads_item_by_item_and_takes_none(path: Path) -> None:
    with PersistentCircularBuffer[int](path) as queue:
        queue.push_batch(range(3))
        look = iter(queue)
        assert next(look) == 0
        assert queue.pop_batch(2) == [0, 1]
        queue.push(3)
        assert list(look)[-1] == 2, "as it stood at the begin of the look"
        assert list(queue.iter()) == [2, 3]
        assert queue.peek() == 2
        queue.clear()
        with pytest.raises(Empty):
            queue.peek()


def test_the_view_counts_what_is_done(path: Path, threads: Threads) -> None:
    with PersistentCircularBuffer[int](path) as queue:
        view = queue.sync_q
        view.put_many([1, 2, 3])
        joined = threads.start(view.join)
        wait_until_asleep(joined)
        assert (view.get(), view.get_nowait(), view.unfinished_tasks) == (1, 2, 3)
        view.task_done()
        view.task_done()
        with pytest.raises(ValueError, match="too many times"):
            view.task_done()
        assert view.unfinished_tasks == 1
        wait_until_asleep(joined)
        with queue.lease() as lease:
            assert lease.item == 3
        threads.join()
        assert view.unfinished_tasks == 0


def test_views_are_equal_if_their_queue_is(path: Path, tmp_path: Path) -> None:
    with PersistentCircularBuffer[int](path) as queue, PersistentCircularBuffer[int](tmp_path / "2") as other:
        assert queue.sync_q == queue.sync_q != other.sync_q
        assert queue.async_q == queue.async_q != other.async_q
        assert len({queue.sync_q, queue.sync_q, queue.async_q}) == 2
        assert "PersistentSyncQueue of <elasticq.PersistentCircularBuffer 0 items" in repr(queue.sync_q)


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy, pickle.dumps])
def test_it_can_not_be_copied(path: Path, copier: Callable[[object], object]) -> None:
    with PersistentCircularBuffer[int](path) as queue, pytest.raises(TypeError, match="open in one place"):
        copier(queue)


def test_a_subclass_may_have_arguments_of_its_own(path: Path) -> None:
    class Jobs(PersistentCircularBuffer[str]):
        def __init__(self, folder: Path, owner: str) -> None:
            super().__init__(folder / "queue", "no_sync")
            self.owner = owner

    with Jobs(path.parent, "me") as jobs:
        jobs.push("job")
        assert (jobs.owner, jobs.pop()) == ("me", "job")


def test_the_disk_is_given_back_by_itself(path: Path) -> None:
    with PersistentCircularBuffer[bytes](
        path, "no_sync", segment_bytes=1 << 16, max_log_entries=1000
    ) as queue:
        for _ in range(50):
            queue.push_batch([b"x" * 1000] * 100)
            assert len(queue.pop_batch(100)) == 100
        wait_until(lambda: queue.stats().bytes_on_disk <= 1 << 20, "few files are left of five times as much")


@unix_only("signals for one thread")
def test_a_signal_handler_may_use_the_queue_while_it_waits(path: Path) -> None:
    with PersistentCircularBuffer[str](path) as queue:
        main = threading.main_thread()
        before = signal.signal(signal.SIGUSR1, lambda *_: queue.push("from the handler"))
        try:

            def strike() -> None:
                wait_until_asleep(main)
                signal.pthread_kill(main.ident or 0, signal.SIGUSR1)

            striker = threading.Thread(target=strike)
            striker.start()
            assert queue.sync_q.get(timeout=PATIENCE) == "from the handler"
            striker.join()
        finally:
            signal.signal(signal.SIGUSR1, before)


def taken_more_than(queue: PersistentCircularBuffer[Any], items: int) -> bool:
    """Whether more than so many items have left the queue."""
    return queue.stats().messages_dequeued > items


def test_closing_while_threads_put_and_take_loses_and_doubles_nothing(
    tmp_path: Path, threads: Threads
) -> None:
    for number in range(20):
        queue = PersistentCircularBuffer[Any](tmp_path / str(number), "every_write")
        queue.push_batch([("old", n) for n in range(500)])
        put: list[tuple[Any, int]] = []
        got: list[tuple[Any, int]] = []

        def putting(producer: int, queue: Any = queue, put: list[Any] = put) -> None:
            for n in range(10_000):
                try:
                    queue.push((producer, n))
                except ShutDown:
                    return
                put.append((producer, n))

        def taking(queue: Any = queue, got: list[Any] = got) -> None:
            got.extend(queue.consume())

        for producer in range(2):
            threads.start(putting, producer)
        for _ in range(2):
            threads.start(taking)
        enough = partial(taken_more_than, queue, 5 * number)
        wait_until(enough, "some are taken")
        queue.close()
        threads.join()
        with PersistentCircularBuffer[Any](tmp_path / str(number)) as queue:
            left = list(queue)
        assert sorted(map(str, got + left)) == sorted(map(str, [("old", n) for n in range(500)] + put))


def test_join_hears_of_items_that_die_by_themselves(path: Path, threads: Threads) -> None:
    with PersistentCircularBuffer[int](path, max_deliveries=1) as queue:
        for end in ("time", "garbage"):
            queue.push(1)
            leases = [queue.lease(ttl=0.05 if end == "time" else None)]
            joining = threads.start(queue.sync_q.join)
            if end == "garbage":
                wait_until_asleep(joining)
                leases.clear()
            threads.join()
        assert queue.stats().dead == 2


def test_join_ends_also_if_it_looks_while_others_find_nothing_to_take(path: Path, threads: Threads) -> None:
    with PersistentCircularBuffer[int](path, "no_sync") as queue:
        view = queue.sync_q

        def work() -> None:
            with suppress(ShutDown):
                while True:
                    view.get()
                    view.task_done()

        def hand_over() -> None:
            for number in range(5000):
                view.put(number)
                view.join()
                assert queue.stats().messages_dequeued == number + 1
            queue.close()

        threads.start(hand_over)
        threads.start(work)
        threads.start(work)
        threads.join()


def test_join_does_not_end_between_a_follow_up_and_the_report_of_what_it_follows(path: Path) -> None:
    with PersistentCircularBuffer[int](path, "no_sync") as queue:
        view = queue.sync_q
        finished = threading.Event()

        def work() -> None:
            while number := view.get():
                view.put(number - 1)
                view.task_done()
            finished.set()
            view.task_done()

        view.put(2000)
        worker = threading.Thread(target=work)
        worker.start()
        while not finished.is_set():
            view.join()
            assert finished.is_set()
        worker.join()


class Interrupting:
    """Its pickle raises a signal when it is loaded."""

    fires = False

    def __setstate__(self, _state: object) -> None:
        if Interrupting.fires:
            Interrupting.fires = False
            signal.raise_signal(signal.SIGINT)

    def __getstate__(self) -> object:
        return 1


@pytest.mark.parametrize("take", ["pop_batch", "lease_batch"])
def test_an_interrupt_while_a_batch_is_loaded_is_raised_and_all_go_back(path: Path, take: str) -> None:
    with PersistentCircularBuffer[Any](path, codec="pickle") as queue:
        queue.push_batch(["plain", Interrupting(), "plain"])
        Interrupting.fires = True
        with pytest.raises(KeyboardInterrupt):
            getattr(queue, take)(3)
        assert len(queue) == 3


def test_what_has_ended_does_not_keep_the_queue_open(path: Path) -> None:
    queue = PersistentCircularBuffer[int](path)
    queue.push_batch([1, 2])
    lease = queue.lease()
    lease.ack()
    look = iter(queue)
    assert list(look) == [2]
    del queue
    with PersistentCircularBuffer[int](path) as again:
        assert again.pop() == 2
    assert (list(look), lease.active) == ([], False)
