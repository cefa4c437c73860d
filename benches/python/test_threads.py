"""Producers put, and one consumer takes and adds up all items. The queues have no limit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from versus import Contest, Target

from elasticq.bench.contest import Contender
from elasticq.bench.ends import OURS, Plain, elastic_queue, simple_queue, standard_queue
from elasticq.bench.trials import Streams

pytest_plugins = ["versus.plugin"]


def contest(producers: int, targets: list[Target]) -> Contest:
    """The contest with that many producers. A batch has one item from each."""
    makers: list[tuple[str, Callable[[], Plain]]] = [
        (OURS, elastic_queue),
        ("queue.Queue", standard_queue),
        ("queue.SimpleQueue", simple_queue),
    ]
    contenders = [Contender(name, partial(Streams, producers, make), producers) for name, make in makers]
    return Contest(f"threads, {producers}P/1C", contenders, targets, threads=producers + 1)


def test_one_producer(compete: Callable[[Contest], None]) -> None:
    compete(contest(1, []))


def test_four_producers(compete: Callable[[Contest], None]) -> None:
    compete(contest(4, [Target("queue.SimpleQueue", 1.1)]))
