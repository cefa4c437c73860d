"""Queues in files, with 100 bytes an item: single calls of one thread, and of many that share a sync."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from files import BARE, LEANQUEUE, QUEUELIB, bare, leanqueue, ours, parent, queuelib
from versus import Contest, Target

from elasticq.bench.contest import Contender
from elasticq.bench.files import (
    OURS,
    SQLITE,
    SQLITE_ACK,
    Files,
    Make,
    Work,
    both,
    gets,
    ours_synced,
    puts,
    sqlite,
    sqlite_ack,
    there,
)

pytest_plugins = ["versus.plugin"]

MANY = 16

USED = 400_000
"""So many items have gone through a queue before, if its calls wait for no disk."""


def contest(
    name: str,
    loop: Callable[[Files, int], None],
    makers: Sequence[tuple[str, Make]],
    goals: dict[str, float],
    *,
    threads: int = 1,
    used: int = 0,
) -> Contest:
    """The contest of these queues. A batch has one item from each thread."""
    folder = parent()
    contenders = [
        Contender(name, partial(Work, loop, make, folder, threads=threads, used=used), threads)
        for name, make in makers
    ]
    names = {name for name, _ in makers}
    targets = [Target(peer, least) for peer, least in goals.items() if peer in names]
    return Contest(name, contenders, targets, threads, smoke=20 * threads)


def test_put_without_a_sync(compete: Callable[[Contest], None]) -> None:
    peers = there(("queuelib", QUEUELIB, queuelib))
    makers = [(OURS, ours), *peers]
    compete(contest("files, no sync, put", puts, makers, {QUEUELIB: 7.0}, used=USED))


def test_get_without_a_sync(compete: Callable[[Contest], None]) -> None:
    peers = there(("queuelib", QUEUELIB, queuelib))
    makers = [(OURS, ours), *peers]
    compete(contest("files, no sync, get", gets, makers, {QUEUELIB: 7.0}, used=USED))


def test_put_get_and_ack_durably(compete: Callable[[Contest], None]) -> None:
    peers = there(("leanqueue", LEANQUEUE, leanqueue), ("sqlite3", SQLITE, sqlite), ("os", BARE, bare))
    goals = {LEANQUEUE: 1.5, SQLITE: 1.5}
    compete(contest("files, every write, put, get and ack", both, [(OURS, ours_synced), *peers], goals))


def test_put_durably_with_many_threads(compete: Callable[[Contest], None]) -> None:
    peers = there(
        ("persistqueue", SQLITE_ACK, sqlite_ack),
        ("leanqueue", LEANQUEUE, leanqueue),
        ("sqlite3", SQLITE, sqlite),
    )
    goals = {SQLITE_ACK: 8.0, LEANQUEUE: 5.0, SQLITE: 5.0}
    makers = [(OURS, ours_synced), *peers]
    compete(contest(f"files, every write, put, {MANY} threads", puts, makers, goals, threads=MANY))


def test_get_and_ack_durably_with_many_threads(compete: Callable[[Contest], None]) -> None:
    peers = there(("persistqueue", SQLITE_ACK, sqlite_ack))
    makers = [(OURS, ours_synced), *peers]
    name = f"files, every write, get and ack, {MANY} threads"
    compete(contest(name, gets, makers, {SQLITE_ACK: 12.0}, threads=MANY))
