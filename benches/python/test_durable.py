"""Queues in files, with 100 bytes an item: single calls of one thread, and of many that share a sync."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from files import (
    BARE,
    LEANQUEUE,
    OURS,
    PAYLOAD,
    QUEUELIB,
    SQLITE,
    SQLITE_ACK,
    Files,
    Make,
    bare,
    folder,
    leanqueue,
    ours,
    ours_synced,
    queuelib,
    remove,
    sqlite,
    sqlite_ack,
    there,
)
from versus import Contender, Contest, Target, unshared

pytest_plugins = ["versus.plugin"]

MANY = 16

USED = 400_000
"""So many items have gone through a queue before, if its calls wait for no disk."""


def puts(queue: Files, items: int) -> None:
    """Puts so many items."""
    put = queue.put
    for _ in range(items):
        put(PAYLOAD)


def gets(queue: Files, items: int) -> None:
    """Takes so many items."""
    get = queue.get
    for _ in range(items):
        get()


def both(queue: Files, items: int) -> None:
    """Puts and takes item by item."""
    put, get = queue.put, queue.get
    for _ in range(items):
        put(PAYLOAD)
        get()


class Work:
    """A loop over the ends of a queue, in one thread or in many."""

    def __init__(
        self, loop: Callable[[Files, int], None], threads: int, used: int, make: Make, items: int
    ) -> None:
        self._loop = unshared(loop)
        self._each, self._count = items, threads
        # What is no queue has nothing inside.
        self._left = items * threads if loop is puts and make is not bare else 0
        self._folder = folder()
        self._queue = make(self._folder)
        self._threads = ThreadPoolExecutor(threads) if threads > 1 else None
        used = min(used, 8 * items)
        puts(self._queue, used)
        gets(self._queue, used)
        if loop is gets:
            puts(self._queue, items * threads)

    def run(self) -> None:
        if self._threads is None:
            self._loop(self._queue, self._each)
            return
        work = [self._threads.submit(self._loop, self._queue, self._each) for _ in range(self._count)]
        for part in work:
            part.result()

    def check(self) -> None:
        if self._threads is not None:
            self._threads.shutdown()
        assert self._queue.size() == self._left
        self._queue.close()
        remove(self._folder)


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
    contenders = [Contender(name, partial(Work, loop, threads, used, make), threads) for name, make in makers]
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
