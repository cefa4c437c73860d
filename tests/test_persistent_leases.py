"""Leases of the queue in files: an item is there until it is acknowledged, and is delivered at least once."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support import Threads, python, wait_until, wait_until_asleep

from elasticq import Empty, InvalidOperation, Lease, PersistentCircularBuffer, ShutDown

Jobs = PersistentCircularBuffer[Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs"


@pytest.fixture(params=["in files", "in memory"])
def place(path: Path, request: pytest.FixtureRequest) -> Path | None:
    return path if request.param == "in files" else None


def test_an_item_is_there_until_it_is_acknowledged(path: Path) -> None:
    with Jobs(path) as jobs:
        jobs.push({"resize": "a.png"}, headers={"from": "web", "try": (1, 2)})
        lease = jobs.lease()
        assert (lease.item, lease.deliveries, lease.headers) == (
            {"resize": "a.png"},
            1,
            {"from": "web", "try": (1, 2)},
        )
        assert 0 <= lease.age < 60
        assert (len(jobs), jobs.stats().leased, jobs.stats().current_size) == (0, 1, 1)
        assert lease.active
        lease.ack()
        assert not lease.active
        assert jobs.stats().current_size == 0
        calls: list[Callable[[], None]] = [lease.ack, lease.nack, lease.bury, lease.extend]
        for call in calls:
            with pytest.raises(InvalidOperation, match=rf"the lease of item {lease.number} has ended"):
                call()
    with Jobs(path) as jobs:
        assert len(jobs) == 0


def test_headers_are_none_or_what_they_were(place: Path | None) -> None:
    with Jobs(place) as jobs:
        headers: Any
        for headers in (None, b"raw", "text", {}, 0):
            jobs.push("item", headers=headers)
            with jobs.lease() as lease:
                assert (lease.headers, type(lease.headers)) == (headers, type(headers))
        with pytest.raises(TypeError):
            jobs.push("item", headers=object())
        assert len(jobs) == 0


def test_what_is_leased_is_there_again_after_reopening_at_its_place(path: Path) -> None:
    with Jobs(path) as jobs:
        jobs.push_batch(["first", "second"])
        lease = jobs.lease()
        with jobs.lease() as second:
            assert second.item == "second"
        jobs.push("third")
    with Jobs(path) as jobs:
        again = jobs.lease()
        assert (again.item, again.deliveries, again.number) == ("first", 2, lease.number)
        with pytest.raises((InvalidOperation, ShutDown)):
            lease.ack()
        again.ack()
        assert jobs.pop() == "third"


def test_a_context_acknowledges_and_gives_back_when_an_exception_passes(place: Path | None) -> None:
    def fail() -> None:
        with jobs.lease() as lease:
            assert lease.item == "job"
            raise KeyError("job")

    with Jobs(place) as jobs:
        jobs.push_batch(["job", "later"])
        for _ in range(2):
            with pytest.raises(KeyError):
                fail()
        with jobs.lease() as lease:
            assert (lease.item, lease.deliveries) == ("job", 3)
        assert list(jobs) == ["later"]
        with jobs.lease() as lease:
            lease.nack()
        assert list(jobs) == ["later"], "what was ended inside is left as it is"


def test_an_exception_is_not_hidden_by_a_lease_whose_time_is_over(place: Path | None) -> None:
    def fail() -> None:
        with jobs.lease(ttl=0.001):
            wait_until(lambda: len(jobs) == 1, "the item is there again")
            raise KeyError

    with Jobs(place) as jobs:
        jobs.push("job")
        with pytest.raises(KeyError):
            fail()
        with pytest.raises(InvalidOperation), jobs.lease(ttl=0.001):
            wait_until(lambda: len(jobs) == 1, "the item is there again")


def test_a_lease_ends_with_its_time_unless_it_is_extended(place: Path | None) -> None:
    with Jobs(place) as jobs:
        jobs.push("job")
        lease = jobs.lease(ttl=timedelta(milliseconds=1))
        again = jobs.lease()
        assert (again.item, again.deliveries) == ("job", 2)
        with pytest.raises(InvalidOperation):
            lease.ack()
        again.extend(0.001)
        assert jobs.lease().deliveries == 3
        kept = jobs.lease(ttl=60)
        kept.extend()
        kept.ack()


def test_a_lease_that_nobody_has_goes_back(place: Path | None) -> None:
    with Jobs(place) as jobs:
        jobs.push("job")
        lease = jobs.lease()
        del lease
        assert len(jobs) == 1
        cycle: list[Any] = [jobs.lease()]
        cycle.append(cycle)
        del cycle
        gc.collect()
        assert len(jobs) == 1


def test_a_lease_in_a_cycle_through_its_own_item_is_collected(place: Path | None) -> None:
    with Jobs(place) as jobs:
        jobs.push([1])
        lease = jobs.lease()
        lease.item.append(lease)
        del lease
        gc.collect()
        assert jobs.lease().deliveries == 2


def test_a_delay_holds_an_item_back_and_is_kept_over_reopening(path: Path) -> None:
    with Jobs(path) as jobs:
        jobs.push("hour", delay=timedelta(hours=1))
        jobs.push("soon", delay=0.01)
        jobs.push("now")
        assert (jobs.pop(), jobs.stats().delayed + len(jobs)) == ("now", 2)
        assert jobs.lease().item == "soon"
        lease = jobs.lease(timeout=60)  # it went back when the lease before was dropped
        lease.nack(delay=3600)
        with pytest.raises(Empty):
            jobs.pop()
        assert jobs.stats().delayed == 2
    with Jobs(path) as jobs:
        assert (len(jobs), jobs.stats().delayed) == (0, 2)
        for wrong, error in ((-1, ValueError), ("1", TypeError)):
            with pytest.raises(error, match="'delay'"):
                jobs.push("x", delay=wrong)  # type: ignore[arg-type]


def test_what_was_delivered_too_often_is_dead_and_can_be_retried_and_purged(path: Path) -> None:
    with Jobs(path, max_deliveries=2) as jobs:
        jobs.push_batch(["poison", "good"])
        for _ in range(2):
            jobs.lease().nack()
        with jobs.lease() as lease:
            assert lease.item == "good"
        (letter,) = jobs.dead_letters()
        assert (letter.item, letter.deliveries, letter.reason) == ("poison", 2, "delivered 2 times")
        assert "item='poison'" in repr(letter)
    with Jobs(path, max_deliveries=2) as jobs:
        assert (jobs.stats().dead, len(jobs)) == (1, 0)
        assert (jobs.retry_dead([letter.number + 1]), jobs.retry_dead([letter.number])) == (0, 1)
        jobs.lease().bury("no such picture")
        assert [letter.reason for letter in jobs.dead_letters()] == ["no such picture"]
        assert (jobs.purge_dead(), jobs.purge_dead()) == (1, 0)
        assert jobs.stats().messages_dropped == 1


def test_batches_of_leases_are_ended_as_one(path: Path, tmp_path: Path) -> None:
    with Jobs(path, "every_write") as jobs, Jobs(tmp_path / "other") as others:
        jobs.push_batch(range(5))
        leases = jobs.lease_batch(3)
        assert [lease.item for lease in leases] == [0, 1, 2]
        others.push("other")
        stranger = others.lease()
        for wrong in (stranger, leases[0], "no lease"):
            with pytest.raises((InvalidOperation, TypeError)):
                jobs.ack_batch([*leases, wrong])  # type: ignore[list-item]
            assert all(lease.active for lease in (*leases, stranger))
        jobs.ack_batch(leases)
        jobs.ack_batch([])
        assert not any(lease.active for lease in leases)
        assert jobs.stats().current_size == 2
        assert len(jobs.lease_batch(100)) == 2


def test_a_lease_waits_as_it_is_told_to(place: Path | None, threads: Threads) -> None:
    with Jobs(place) as jobs:
        with pytest.raises(Empty):
            jobs.lease(block=False)
        with pytest.raises(Empty):
            jobs.lease(timeout=0.001)
        with pytest.raises(ValueError, match="'timeout'"):
            jobs.lease(timeout=-1)
        leased: list[Lease[Any]] = []
        wait_until_asleep(threads.start(lambda: leased.append(jobs.lease())))
        jobs.push("job")
        threads.join()
        assert leased[0].item == "job"
        jobs.shutdown()
        with pytest.raises(ShutDown):
            jobs.lease()


def test_each_item_is_worked_on_once_by_threads_that_lease(place: Path | None, threads: Threads) -> None:
    done: list[int] = []
    lock = threading.Lock()
    with Jobs(place, "no_sync", segment_bytes=1 << 16) as jobs:

        def work(worker: int) -> None:
            for number in range(10_000):
                try:
                    with jobs.lease() as lease:
                        if (number + worker) % 7 == 0:
                            lease.nack()
                            continue
                        with lock:
                            done.append(lease.item)
                except ShutDown:
                    return

        for worker in range(3):
            threads.start(work, worker)
        for number in range(500):
            jobs.push(number)
        wait_until(lambda: jobs.stats().current_size == 0, "all is done")
        jobs.shutdown()
        threads.join()
    assert sorted(done) == list(range(500))


def test_a_lease_is_made_by_a_queue_only() -> None:
    with pytest.raises(TypeError, match="made by the method lease"):
        Lease("item")


def test_a_lease_may_outlive_its_queue(path: Path) -> None:
    jobs = Jobs(path)
    jobs.push("job")
    lease = jobs.lease()
    del jobs
    lease.ack()
    del lease
    with Jobs(path) as jobs:
        assert len(jobs) == 0


def test_a_thread_may_extend_a_lease_while_another_one_ends_it(place: Path | None) -> None:
    with Jobs(place, "no_sync") as jobs:
        for number in range(50):
            jobs.push(number)
            stop = threading.Event()
            lease = jobs.lease(ttl=60)

            def beat(lease: Lease[Any] = lease, stop: threading.Event = stop) -> None:
                while not stop.is_set():
                    try:
                        lease.extend(60)
                    except InvalidOperation:
                        return

            heart = threading.Thread(target=beat)
            heart.start()
            with lease:
                pass
            stop.set()
            heart.join()
            assert (lease.active, jobs.stats().current_size) == (False, 0)


def test_threads_that_end_one_lease_at_once_do_not_hang() -> None:
    # In a new interpreter: to make the first exception imports its class, which lets other threads run.
    python("""
        import tempfile, threading, elasticq
        jobs = elasticq.PersistentCircularBuffer(tempfile.mkdtemp() + "/jobs", "no_sync")
        jobs.push(1)
        lease = jobs.lease()
        lease.ack()
        barrier = threading.Barrier(8)
        def end():
            barrier.wait()
            try:
                lease.ack()
            except elasticq.InvalidOperation:
                pass
        threads = [threading.Thread(target=end) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        jobs.close()
        """)


def test_leases_may_be_dropped_while_a_batch_is_given_back(place: Path | None, threads: Threads) -> None:
    with Jobs(place, "no_sync") as jobs:
        for _ in range(5):
            jobs.push_batch(range(500))
            leases = jobs.lease_batch(500)
            ended = leases.pop()
            ended.ack()

            def given(leases: list[Lease[Any]] = leases, ended: Lease[Any] = ended) -> Iterator[Lease[Any]]:
                yield from leases
                threads.start(leases.clear)
                yield ended

            with pytest.raises(InvalidOperation):
                jobs.ack_batch(given())
            threads.join()
            del given
            gc.collect()
            assert jobs.clear() == 499
