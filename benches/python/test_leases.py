"""Work queues by their URLs, against what they stand on: the queue in files, and nats-py used by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from brokers import BATCH, BY_HAND, OURS, ByHand, Ours, Puts, Takes, server
from files import parent
from versus import Contest, Target

import elasticq
from elasticq.bench.contest import Contender, Trial
from elasticq.bench.files import Files, Work, both

pytest_plugins = ["versus.plugin"]

DIRECT = "elasticq.PersistentCircularBuffer"


def by_url(path: Path) -> Files:
    """Ours, by its URL."""
    queue = elasticq.connect(f"file://{path}/queue?sync=no_sync")

    def get() -> None:
        queue.lease().ack()

    return Files(queue.put, get, queue.depth, queue.close)


def direct(path: Path) -> Files:
    """The same queue by its class."""
    queue = elasticq.PersistentCircularBuffer[bytes](path / "queue", "no_sync")

    def get() -> None:
        queue.lease().ack()

    return Files(queue.push, get, queue.__len__, queue.close)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    pytest.importorskip("nats")
    with server() as address:
        yield address


def test_files_put_lease_and_ack(compete: Callable[[Contest], None]) -> None:
    folder = parent()
    contenders = [
        Contender(name, partial(Work, both, make, folder))
        for name, make in ((OURS, by_url), (DIRECT, direct))
    ]
    name = "work queue in files, put, lease and ack"
    compete(Contest(name, contenders, [Target(DIRECT, 1 / 1.3)], smoke=20))


def test_nats_put_many(compete: Callable[[Contest], None], address: str) -> None:
    compete(on_nats("work queue on NATS, put_many", address, Puts))


def test_nats_lease_many_and_ack_many(compete: Callable[[Contest], None], address: str) -> None:
    compete(on_nats("work queue on NATS, lease_many and ack_many", address, lambda end, _: Takes(end)))


def on_nats(name: str, address: str, trial: Callable[[Ours | ByHand, int], Trial]) -> Contest:
    """The contest of both, with batches."""

    def contender(title: str, make: Callable[[str, int], Ours | ByHand]) -> Contender:
        return Contender(title, lambda batches: trial(make(address, batches), batches), BATCH, least=BATCH)

    contenders = [contender(OURS, Ours), contender(BY_HAND, ByHand)]
    return Contest(name, contenders, [Target(BY_HAND, 0.9)], smoke=2 * BATCH)
