"""One contract for work queues in memory, in files and on a NATS server: what `elasticq.connect` promises."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from support import Threads, wait_until, wait_until_asleep
from work_queues import SOON, Connect

import elasticq
from elasticq.backends import DeadItem, Unsupported, WorkLease, WorkQueue

pytest_plugins = ["work_queue_fixtures"]


def test_every_queue_is_a_work_queue(connect: Connect) -> None:
    queue = connect()
    assert isinstance(queue, WorkQueue)
    queue.put("job")
    with queue.lease() as lease:
        assert isinstance(lease, WorkLease)
        lease.term()
    (letter,) = queue.dead_letters()
    assert isinstance(letter, DeadItem)
    assert queue.native is not None
    assert "work queue" in repr(queue)


ITEMS: list[Any] = [
    b"",
    b"bytes \x00\xff",
    "text \u00fc",
    None,
    True,
    17,
    1 << 70,
    -0.5,
    ["list", (1, 2), {"a": {3}}],
    timedelta(days=1),
]


def test_items_come_back_exactly(connect: Connect) -> None:
    queue = connect()
    for item in ITEMS:
        queue.put(item)
    queue.put_many(ITEMS)
    for item in ITEMS * 2:
        with queue.lease(wait=0) as lease:
            assert (lease.item, type(lease.item)) == (item, type(item))
    assert queue.depth() == 0


def test_what_can_not_be_stored_is_refused_and_nothing_is_put(connect: Connect) -> None:
    queue = connect()
    with pytest.raises(TypeError):
        queue.put(object())
    with pytest.raises(TypeError):
        queue.put_many(["fine", object()])
    with pytest.raises(TypeError):
        queue.put_many(["fine", object()], ids=["1", "2"])
    with pytest.raises(TypeError, match="'id' must be text, not int"):
        queue.put_many(["fine", "fine"], ids=["1", 2])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="2 items and 1 ids"):
        queue.put_many(["a", "b"], ids=["1"])
    assert queue.depth() == 0


def test_a_name_adds_an_item_once(connect: Connect) -> None:
    queue = connect()
    assert queue.put("job", id="order 7") is True
    assert queue.put("job again", id="order 7") is False
    assert queue.put_many(["x", "y", "z"], ids=["1", "order 7", "1"]) == 1
    assert queue.put_many([]) == 0
    taken = queue.lease_many(10, wait=0)
    assert [(lease.item, lease.id) for lease in taken] == [("job", "order 7"), ("x", "1")]
    queue.ack_many(taken)
    assert queue.put("job", id="order 7") is False, "it is known for a while after it was done"
    queue.put("nameless")
    assert queue.lease().id is None


def test_an_item_is_there_until_it_is_acknowledged(connect: Connect) -> None:
    queue = connect()
    queue.put("job")
    lease = queue.lease()
    assert (lease.item, lease.deliveries, lease.active, lease.headers) == ("job", 1, True, None)
    assert queue.depth() == 1
    with pytest.raises(elasticq.Empty):
        queue.lease(wait=0)
    lease.ack()
    assert (lease.active, queue.depth()) == (False, 0)
    for call in (lease.ack, lease.nack, lease.extend, lease.term):
        with pytest.raises(elasticq.InvalidOperation, match="has ended"):
            call()


def test_what_is_given_back_comes_again_at_once_or_after_a_delay(connect: Connect) -> None:
    queue = connect()
    queue.put("job")
    queue.lease().nack()
    lease = queue.lease()
    assert lease.deliveries == 2
    lease.nack(delay=timedelta(hours=1))
    with pytest.raises(elasticq.Empty):
        queue.lease(wait=0)
    assert queue.depth() == 1
    queue.put("soon")
    queue.lease().nack(delay=SOON)
    assert queue.lease().item == "soon"


def test_a_context_acknowledges_and_gives_back_when_an_exception_passes(connect: Connect) -> None:
    def fail() -> None:
        with queue.lease() as lease:
            assert lease.item == "job"
            raise KeyError("job")

    queue = connect()
    queue.put("job")
    for _ in range(2):
        with pytest.raises(KeyError):
            fail()
    with queue.lease() as lease:
        assert lease.deliveries == 3
        lease.nack()
    with queue.lease() as lease:
        assert lease.deliveries == 4, "what was ended inside is left as it is"
    assert queue.depth() == 0


def test_a_lease_ends_with_its_time_unless_it_is_extended(connect: Connect) -> None:
    queue = connect()
    queue.put("job")
    lease = queue.lease(ttl=SOON)
    again = queue.lease(wait=60)
    assert (again.item, again.deliveries) == ("job", 2)
    with pytest.raises(elasticq.InvalidOperation):
        lease.ack()
    with pytest.raises(elasticq.InvalidOperation), lease:
        pass
    again.extend(SOON)
    third = queue.lease(wait=60)
    assert third.deliveries == 3
    third.extend(ttl=3600)
    third.extend()
    third.ack()
    assert queue.depth() == 0


def test_the_queue_has_a_ttl_for_all_leases(connect: Connect) -> None:
    queue = connect(ttl=0.2)
    queue.put("job")
    lease = queue.lease()
    second = queue.lease(wait=60)
    assert second.deliveries == 2
    # A client has a lease a little later than its server has begun it. By the next one, that has passed.
    third = queue.lease(wait=60)
    assert third.deliveries == 3
    with pytest.raises(elasticq.InvalidOperation):
        lease.ack()


def test_a_lease_that_nobody_has_goes_back(connect: Connect) -> None:
    queue = connect()
    queue.put("job")
    queue.lease()
    gc.collect()
    assert queue.lease(wait=60).deliveries == 2


def test_batches_are_leased_and_acknowledged_whole(connect: Connect) -> None:
    queue = connect()
    assert queue.put_many(range(2_500)) == 2_500
    first = queue.lease_many(2_000)
    assert [lease.item for lease in first] == list(range(2_000))
    second = queue.lease_many(2_000, wait=0)
    assert [lease.item for lease in second] == list(range(2_000, 2_500))
    wrongs: list[list[Any]] = [[*second, second[0]], [*second, first[0], "no lease"]]
    for wrong in wrongs:
        with pytest.raises((elasticq.InvalidOperation, TypeError)):
            queue.ack_many(wrong)
        assert all(lease.active for lease in second)
    queue.ack_many(first)
    queue.ack_many([])
    assert queue.depth() == 500
    assert not any(lease.active for lease in first)
    with pytest.raises(elasticq.InvalidOperation):
        queue.ack_many([second[0], first[0]])
    assert second[0].active
    with pytest.raises(ValueError, match=r"at least 1|must be"):
        queue.lease_many(0)
    with pytest.raises(TypeError):
        queue.lease_many(1.5)  # type: ignore[arg-type]


def test_a_lease_waits_as_it_is_told_to(connect: Connect, threads: Threads) -> None:
    queue = connect()
    for wait in (0, SOON):
        with pytest.raises(elasticq.Empty):
            queue.lease(wait=wait)
        with pytest.raises(elasticq.Empty):
            queue.lease_many(5, wait=wait)
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match=r"wait|timeout"):
            queue.lease(wait=wrong)
    leased: list[WorkLease[Any]] = []
    wait_until_asleep(threads.start(lambda: leased.append(queue.lease())))
    queue.put("job")
    threads.join()
    assert leased[0].item == "job"


def test_what_is_given_up_is_dead_and_can_be_retried_and_purged(connect: Connect) -> None:
    queue = connect(max_deliveries=2)
    assert queue.max_deliveries == 2
    assert queue.dead_letters() == []
    assert (queue.retry_dead(), queue.purge_dead()) == (0, 0)
    queue.put({"poison": 1}, id="p")
    queue.put("good")
    queue.lease().nack()
    leases = {lease.deliveries: lease for lease in queue.lease_many(2, wait=1)}
    leases[1].ack()
    leases[2].nack()
    (letter,) = queue.dead_letters()
    assert (letter.item, letter.deliveries, letter.reason) == ({"poison": 1}, 2, "delivered 2 times")
    assert queue.depth() == 0
    assert (queue.retry_dead([letter.number + 1]), queue.retry_dead([letter.number])) == (0, 1)
    assert queue.dead_letters() == []
    lease = queue.lease()
    assert (lease.item, lease.id) == ({"poison": 1}, "p")
    lease.term("no such picture")
    (letter,) = queue.dead_letters()
    assert letter.reason == "no such picture"
    assert (queue.purge_dead([letter.number + 1]), queue.purge_dead(), queue.purge_dead()) == (0, 1, 0)
    assert queue.dead_letters() == []


def test_what_was_delivered_too_often_is_dead_also_if_nobody_gives_it_back(connect: Connect) -> None:
    queue = connect(max_deliveries=1)
    queue.put("kills its worker")
    queue.lease(ttl=SOON)
    with pytest.raises(elasticq.Empty):
        queue.lease(wait=0.3)
    assert [letter.reason for letter in queue.dead_letters()] == ["delivered 1 times"]


@pytest.mark.parametrize("seconds", [1e9, 1e10, 1e12, 1e30])
def test_a_delay_of_any_length_is_one(seconds: float, connect: Connect) -> None:
    queue = connect()
    queue.put("later")
    queue.lease().nack(delay=seconds)
    with pytest.raises(elasticq.Empty):
        queue.lease(wait=0.3)
    assert queue.depth() == 1


def test_any_number_of_items_may_be_asked_for(connect: Connect) -> None:
    queue = connect()
    queue.put("one")
    assert [lease.item for lease in queue.lease_many(10**30, ttl=1e30)] == ["one"]


def test_a_delay_of_a_put_holds_it_back_or_is_refused_with_the_reason(connect: Connect, scheme: str) -> None:
    queue = connect()
    if scheme == "nats":
        with pytest.raises(Unsupported, match="JetStream"):
            queue.put("later", delay=60)
        with pytest.raises(NotImplementedError):
            queue.put("later", delay=60)
        assert queue.depth() == 0
    else:
        queue.put("later", delay=3600)
        with pytest.raises(elasticq.Empty):
            queue.lease(wait=0)
        assert queue.depth() == 1


def test_a_closed_queue_refuses_everything_and_keeps_what_it_has(connect: Connect, scheme: str) -> None:
    queue = connect()
    queue.put_many(["leased", "waits"])
    lease = queue.lease()
    queue.close()
    queue.close()
    assert "closed" in repr(queue)
    calls: list[Callable[[], object]] = [
        lambda: queue.put(1),
        lambda: queue.put_many([1]),
        lambda: queue.lease(wait=0),
        queue.depth,
        queue.dead_letters,
    ]
    for call in calls:
        with pytest.raises(elasticq.ShutDown):
            call()
    with pytest.raises((elasticq.ShutDown, elasticq.InvalidOperation)):
        lease.ack()
    assert list(queue) == []
    if scheme != "memory":
        again = connect()
        assert {lease.item for lease in again.lease_many(2, wait=1)} == {"leased", "waits"}


def test_closing_ends_whoever_waits(connect: Connect, threads: Threads) -> None:
    queue = connect()
    queue.put("job")
    done: list[Any] = []

    def work() -> None:
        for lease in queue:
            with lease:
                done.append(lease.item)

    wait_until_asleep(threads.start(work))
    wait_until(lambda: done == ["job"], "it is done")
    queue.close()
    threads.join()


def test_the_context_closes_the_queue(url: str) -> None:
    with elasticq.connect(url) as queue:
        queue.put(1)
    with pytest.raises(elasticq.ShutDown):
        queue.put(2)

    async def use() -> None:
        async with await asyncio.to_thread(elasticq.connect, url) as queue:
            await queue.aput(1)
        with pytest.raises(elasticq.ShutDown):
            await queue.aput(2)

    asyncio.run(use())


async def test_tasks_do_all_of_it_too(connect: Connect) -> None:
    queue = connect(max_deliveries=2, max_depth=10)
    assert await queue.aput("a", id="1")
    assert not await queue.aput("a", id="1")
    assert await queue.aput_many(["b", "c", "d"]) == 3
    assert await queue.aput_many(["a", "e"], ids=["1", "2"]) == 1
    assert await queue.adepth() == 5
    with pytest.raises(elasticq.Full) as caught:
        await queue.aput_many(range(20))
    assert len(caught.value.remaining) >= 15
    leases = await queue.alease_many(100, wait=0)
    assert [lease.item for lease in leases][:5] == ["a", "b", "c", "d", "e"]
    await queue.aack_many(leases[1:])
    await leases[0].aextend(60)
    await leases[0].anack()
    async with await queue.alease(wait=1) as lease:
        assert lease.deliveries == 2
        await lease.aterm("tired")
    assert [letter.reason for letter in await queue.adead_letters()] == ["tired"]
    assert await queue.aretry_dead() == 1
    await (await queue.alease()).aterm()
    assert await queue.apurge_dead() == 1
    for wait in (0, SOON):
        with pytest.raises(elasticq.Empty):
            await queue.alease(wait=wait)
    await queue.aput("f")
    with pytest.raises(KeyError):
        async with await queue.alease():
            raise KeyError
    assert (await queue.alease(wait=1)).deliveries == 2
    await queue.aclose()
    with pytest.raises(elasticq.ShutDown):
        await queue.aput("g")


async def test_async_for_takes_lease_by_lease_until_the_queue_is_closed(connect: Connect) -> None:
    queue = connect()
    await queue.aput_many(range(5))
    done = []
    async for lease in queue:
        async with lease:
            done.append(lease.item)
        if len(done) == 5:
            await queue.aclose()
    assert done == list(range(5))


async def test_closing_ends_tasks_that_wait(connect: Connect) -> None:
    queue = connect()
    waiting = asyncio.create_task(queue.alease())
    await asyncio.sleep(SOON)
    await queue.aclose()
    with pytest.raises(elasticq.ShutDown):
        await waiting


async def test_a_task_that_is_cancelled_has_given_the_item_back(connect: Connect) -> None:
    queue = connect()
    for _ in range(5):
        waiting = asyncio.create_task(queue.alease())
        await asyncio.sleep(random.uniform(0, SOON))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await queue.aput("job")
    waiting = asyncio.create_task(queue.alease())
    await asyncio.sleep(random.uniform(0, 0.005))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    if not waiting.cancelled():
        await waiting.result().anack()
    del waiting
    gc.collect()
    async with await queue.alease(wait=60) as lease:
        assert lease.item == "job"
    assert await queue.adepth() == 0


def test_any_loop_and_any_thread_may_use_one_queue(connect: Connect, threads: Threads) -> None:
    queue = connect()
    done: list[int] = []
    lock = threading.Lock()

    def take() -> None:
        for lease in queue:
            with lease, lock:
                done.append(lease.item)

    async def put(first: int) -> None:
        for number in range(first, first + 50):
            await queue.aput(number)

    for _ in range(2):
        threads.start(take)
    for first in (0, 50, 100):
        threads.start(lambda first=first: asyncio.run(put(first)))
    wait_until(lambda: len(done) == 150, "all are done")
    wait_until(lambda: queue.depth() == 0, "all are acknowledged")
    queue.close()
    threads.join()
    assert sorted(done) == list(range(150))
