"""`Queue.async_q` and `Queue.sync_q`: the interfaces of `asyncio.Queue`, of `queue.Queue`, and of janus."""

from __future__ import annotations

import asyncio
import queue
from typing import Any

import pytest
from support import Threads, public, python

import elasticq
from elasticq import AsyncQueue, Queue


def test_the_interfaces_are_complete() -> None:
    q: Queue[int] = Queue()
    ours_since_3_13 = {"shutdown"}
    assert public(asyncio.Queue) | ours_since_3_13 | {"maxsize"} <= public(q.async_q)
    assert public(queue.Queue) - {"mutex"} <= public(q.sync_q)


def test_all_that_janus_has_is_there() -> None:
    janus = pytest.importorskip("janus")
    q: Queue[int] = Queue()
    assert public(janus.Queue) <= public(q)
    assert public(janus.AsyncQueue) <= public(q.async_q)
    assert public(janus.SyncQueue) <= public(q.sync_q)


def test_a_thread_and_a_task_meet(threads: Threads) -> None:
    q: Queue[int] = Queue(1)

    def produce(sync_q: Queue[int]) -> None:
        for number in range(100):
            sync_q.put(number)
        sync_q.join()

    async def consume(async_q: AsyncQueue[int]) -> None:
        for number in range(100):
            assert await async_q.get() == number
            async_q.task_done()
        await async_q.join()

    threads.start(produce, q.sync_q)
    asyncio.run(consume(q.async_q))
    threads.join()
    assert q.unfinished_tasks == 0


def test_sync_q_is_the_queue_and_all_views_of_one_queue_are_equal() -> None:
    q: Queue[int] = Queue(3)
    other: Queue[int] = Queue(3)
    assert q.sync_q is q
    assert q.async_q == q.async_q
    assert hash(q.async_q) == hash(q.async_q)
    assert q.async_q != other.async_q
    assert q.async_q != q
    assert repr(q) in repr(q.async_q)


def test_a_view_shows_what_the_queue_is() -> None:
    q: Queue[str] = Queue(2)
    view = q.async_q
    assert (view.maxsize, view.qsize(), view.empty(), view.full()) == (2, 0, True, False)
    q.put_many("ab")
    assert (view.qsize(), view.empty(), view.full(), view.unfinished_tasks) == (2, False, True, 2)
    assert view.get_nowait() == "a"
    view.task_done()
    assert (view.unfinished_tasks, view.closed) == (1, False)
    view.shutdown(immediate=True)
    assert (view.unfinished_tasks, view.closed, q.closed, q.is_shutdown) == (0, True, True, True)


def test_errors_are_of_all_families_without_a_loop() -> None:
    view = Queue[int](1).async_q
    families: list[type[Any]] = [asyncio.QueueEmpty, queue.Empty, elasticq.Empty]
    for family in families:
        with pytest.raises(family):
            view.get_nowait()
    view.put_nowait(1)
    families = [asyncio.QueueFull, queue.Full, elasticq.Full]
    for family in families:
        with pytest.raises(family):
            view.put_nowait(2)
    view.close()
    families = [elasticq.ShutDown]
    for module, name in ((asyncio, "QueueShutDown"), (queue, "ShutDown")):
        families += [getattr(module, name)] if hasattr(module, name) else []
    for family in families:
        with pytest.raises(family):
            view.put_nowait(2)


async def test_awaiting_raises_the_same_errors() -> None:
    view = Queue[int](1).async_q
    getter = asyncio.create_task(view.get())
    await asyncio.sleep(0)
    view.shutdown()
    for late in (getter, view.get(), view.put(1)):
        with pytest.raises(elasticq.ShutDown) as raised:
            await late
        assert isinstance(raised.value, getattr(asyncio, "QueueShutDown", Exception))


@pytest.mark.parametrize("of_view", [False, True])
async def test_closing_as_janus_does(of_view: bool) -> None:
    q: Queue[int] = Queue()
    closable: Any = q.async_q if of_view else q
    with pytest.raises(RuntimeError, match="not shut down"):
        await closable.wait_closed()
    getter = asyncio.create_task(q.async_q.get())
    await asyncio.sleep(0)
    assert not closable.closed
    await closable.aclose()
    assert closable.closed
    assert isinstance((await asyncio.gather(getter, return_exceptions=True))[0], elasticq.ShutDown)
    closable.close()
    await closable.wait_closed()


def test_views_do_not_import_asyncio_before_they_are_awaited_or_fail() -> None:
    output = python(
        """
    import sys
    import elasticq
    view = elasticq.Queue(1).async_q
    view.put_nowait(1)
    view.get_nowait()
    print("asyncio" in sys.modules)
    """
    )
    assert output == "False\n"
