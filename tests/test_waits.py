"""A signal ends every wait of a thread in Python code: none of them is one wait without end."""

from __future__ import annotations

import _thread
import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from mqtt_outboxes import made_client
from support import Threads, wait_until_asleep

from elasticq import LockFreeSPSCQueue, Queue, SimpleQueue, _waits
from elasticq.backends._nats.thread import LoopThread
from elasticq.mqtt import Outbox


class Lock:
    """A lock, or a condition's, of which a wait hears of no signal, as on Windows. It notes its rounds."""

    def __init__(self) -> None:
        self.rounds: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.rounds.append(timeout)
        assert timeout is not None
        return False


@pytest.fixture(autouse=True)
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_waits, "LOOK", 0.001)


def deaf(lock: Any) -> threading.Condition:
    return lock  # type: ignore[no-any-return]


def test_a_wait_without_a_limit_has_rounds() -> None:
    lock = Lock()
    assert _waits.wait_for(deaf(lock), lambda: len(lock.rounds) == 3, None)
    assert lock.rounds == [0.001] * 3


def test_a_wait_with_a_limit_ends_then_and_looks_once_more() -> None:
    lock = Lock()
    assert not _waits.wait_for(deaf(lock), lambda: False, 0)
    assert lock.rounds == []
    condition = threading.Condition()
    with condition:
        assert not _waits.wait_for(condition, lambda: False, 0.003)
        assert _waits.wait_for(condition, lambda: True, 0)


def test_whoever_waits_for_a_future_gets_its_own_timeout_error() -> None:
    """It is not taken for the end of a round."""
    future: Future[int] = Future()
    future.set_exception(TimeoutError("of its own"))
    with pytest.raises(TimeoutError, match="of its own"):
        _waits.result_of(future)
    late: Future[int] = Future()
    timer = threading.Timer(0.01, late.set_exception, [TimeoutError("a late one")])
    timer.start()
    with pytest.raises(TimeoutError, match="a late one"):
        _waits.result_of(late)
    timer.join()


@pytest.fixture
def refuse_waits_without_end(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """After a call of it, such a wait of this thread fails."""
    wait = threading.Condition.wait

    def limited(self: threading.Condition, timeout: float | None = None) -> bool:
        assert timeout is not None or threading.current_thread() is not threading.main_thread()
        return wait(self, timeout)

    return lambda: monkeypatch.setattr(threading.Condition, "wait", limited)


def test_a_call_of_a_queue_on_nats_waits_in_rounds(refuse_waits_without_end: Callable[[], None]) -> None:
    async def nothing() -> None:
        pass

    thread = LoopThread("a loop of this test")
    refuse_waits_without_end()
    try:
        assert thread.run(asyncio.sleep(0.01, "slept")) == "slept"
    finally:
        thread.close(lambda: None, nothing)


def test_a_flush_without_a_limit_waits_in_rounds(
    refuse_waits_without_end: Callable[[], None], tmp_path: Path
) -> None:
    outbox = Outbox(made_client(), tmp_path / "outbox")
    outbox.publish("topic", b"never handed on")
    end = threading.Timer(0.05, outbox.close)
    end.start()
    refuse_waits_without_end()
    assert not outbox.flush()
    end.join()


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere a signal wakes the thread that it comes to")
@pytest.mark.parametrize("make", [Queue, SimpleQueue, LockFreeSPSCQueue])
def test_on_windows_a_call_looks_for_signals_while_it_waits(
    make: Callable[[], Any], threads: Threads
) -> None:
    queue = make()
    main = threading.main_thread()

    def interrupt() -> None:
        wait_until_asleep(main)
        _thread.interrupt_main()

    threads.start(interrupt)
    with pytest.raises(KeyboardInterrupt):
        queue.get()
