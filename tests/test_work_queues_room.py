"""Work queues that have no room, in memory, in files and on a NATS server."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from support import PATIENCE, Threads, wait_until, wait_until_asleep
from work_queues import SOON, Connect

import elasticq
from elasticq.backends import Unreachable

pytest_plugins = ["work_queue_fixtures"]


def test_max_depth_refuses_and_hands_back_what_was_not_put(connect: Connect) -> None:
    queue = connect(max_depth=3)
    assert queue.max_depth == 3
    queue.put_many([1, 2])
    queue.put(3)
    with pytest.raises(elasticq.Full, match=r"max_depth|maxsize"):
        queue.put(4)
    with pytest.raises(elasticq.Full) as caught:
        queue.put_many([4, 5])
    assert caught.value.remaining == [4, 5]
    assert queue.depth() == 3
    queue.lease().ack()
    queue.put(4)


def test_a_put_waits_for_room_as_long_as_it_is_told_to(connect: Connect, threads: Threads) -> None:
    queue = connect(max_depth=1, put_timeout=0.2)
    queue.put(1)
    with pytest.raises(elasticq.Timeout):
        queue.put(2)
    with pytest.raises(elasticq.Timeout) as caught:
        queue.put_many([2])
    assert caught.value.remaining == [2]


def test_a_put_that_waits_for_room_goes_on_when_there_is_some(connect: Connect, threads: Threads) -> None:
    queue = connect(max_depth=1, put_timeout=60)
    queue.put(1)
    wait_until_asleep(threads.start(queue.put, 2))
    queue.lease().ack()
    threads.join()
    assert queue.lease().item == 2


@pytest.mark.parametrize("is_task", [False, True])
def test_a_batch_that_is_larger_than_the_queue_goes_in_as_room_is_made(
    is_task: bool, connect: Connect, threads: Threads
) -> None:
    queue = connect(max_depth=3, put_timeout=60)
    queue.put("stays leased")
    busy = queue.lease()
    if is_task:
        threads.start(lambda: asyncio.run(queue.aput_many(range(10))))
    else:
        threads.start(queue.put_many, range(10))
    got: list[int] = []
    while len(got) < 10:
        lease = queue.lease(wait=60)
        got.append(lease.item)
        lease.ack()
    threads.join()
    busy.ack()
    assert sorted(got) == list(range(10))


async def test_tasks_that_wait_for_room_take_no_thread_from_others(connect: Connect, scheme: str) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    queue = connect(max_depth=1, put_timeout=60, **({"sync": "every_write"} if scheme == "file" else {}))
    await queue.aput(0)
    puts = [
        asyncio.create_task(queue.aput(1)),
        asyncio.create_task(queue.aput_many([2])),
        asyncio.create_task(queue.aput_many([3], ids=["three"])),
        asyncio.create_task(queue.aput_many([4, 5])),
    ]
    got: list[int] = []
    async with asyncio.timeout(PATIENCE / 2):
        while len(got) < 6:
            with suppress(elasticq.Empty):
                (lease,) = await queue.alease_many(1, wait=0)
                got.append(lease.item)
                await queue.aack_many([lease])
        await asyncio.gather(*puts)
    assert sorted(got) == list(range(6))


async def test_a_task_waits_for_room_as_long_as_it_is_told_to(connect: Connect, scheme: str) -> None:
    queue = connect(max_depth=1, put_timeout=SOON, **({"sync": "every_write"} if scheme == "file" else {}))
    await queue.aput(1)
    for refused, remaining in (
        (queue.aput_many([2, 3]), [2, 3]),
        (queue.aput_many([2, 3], ids=["two", "three"]), [2, 3]),
    ):
        with pytest.raises(elasticq.Timeout, match="full") as caught:
            await refused
        assert caught.value.remaining == remaining
    with pytest.raises(elasticq.Timeout, match="full"):
        await queue.aput(2)


def test_what_was_not_put_when_the_queue_is_closed_remains(connect: Connect, threads: Threads) -> None:
    queue = connect(max_depth=2, put_timeout=60)
    refused: list[BaseException] = []

    def put() -> None:
        with pytest.raises((elasticq.ShutDown, Unreachable)) as caught:
            queue.put_many(range(5))
        refused.append(caught.value)

    putting = threads.start(put)
    wait_until(lambda: queue.depth() == 2, "the first are in")
    wait_until_asleep(putting)
    queue.close()
    threads.join()
    remaining = refused[0].remaining  # type: ignore[attr-defined]
    assert remaining[-3:] == [2, 3, 4]  # a server's answer to one before may have come too late
    assert remaining == list(range(5))[-len(remaining) :]


async def test_nothing_is_put_into_a_closed_queue_and_all_remains(connect: Connect) -> None:
    queue = connect(max_depth=2, put_timeout=60)
    queue.close()
    names = ["a", "b", "c"]
    for ids in (None, names):
        with pytest.raises(elasticq.ShutDown) as caught:
            queue.put_many([1, 2, 3], ids=ids)
        assert caught.value.remaining == [1, 2, 3]
        with pytest.raises(elasticq.ShutDown) as caught:
            await queue.aput_many([1, 2, 3], ids=ids)
        assert caught.value.remaining == [1, 2, 3]


def test_of_such_a_batch_nothing_is_put_if_an_item_can_not_be_stored(connect: Connect) -> None:
    queue = connect(max_depth=1, put_timeout=60)
    with pytest.raises(TypeError):
        queue.put_many([1, 2, object()])
    assert queue.depth() == 0


def test_what_does_not_go_in_in_time_remains(connect: Connect) -> None:
    queue = connect(max_depth=3, put_timeout=SOON)
    with pytest.raises(elasticq.Timeout) as caught:
        queue.put_many(range(10))
    assert caught.value.remaining == list(range(3, 10))
    assert queue.depth() == 3


async def test_puts_that_wait_for_room_hold_up_nobody(connect: Connect) -> None:
    queue = connect(max_depth=1, put_timeout=60)
    await queue.aput(0)
    waiting = [asyncio.create_task(queue.aput(number)) for number in range(40)]
    await asyncio.sleep(SOON)
    async with asyncio.timeout(30):
        for _ in range(5):
            await (await queue.alease(wait=20)).aack()
            with suppress(elasticq.Empty):
                await (await queue.alease(wait=0)).aack()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
