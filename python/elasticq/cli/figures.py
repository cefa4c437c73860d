"""What a look says of each queue: a row for each, with rates if there was a look before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from elasticq.cli.looks import Look, Told
from elasticq.cli.terminal import Column, Table, visible


@dataclass(frozen=True)
class Row:
    """The figures of one queue. None where they are not known."""

    queue: str
    depth: int
    capacity: int | None
    max_capacity: int | None
    in_per_second: float | None
    out_per_second: float | None
    waiters_for_items: int
    waiters_for_room: int
    longest_wait_seconds: float
    dropped: int
    refused: int
    resizes: int
    oldest_item_age_seconds: float | None
    enqueued: int
    dequeued: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def rows(now: Look, before: Look | None) -> list[Row]:
    """A row for each queue. The process may have been started again between two looks: no rates then."""
    goes_on = before is not None and before.process == now.process
    seconds = now.clock - before.clock if before is not None and goes_on else 0.0
    return [
        _row(name, told, before.queues.get(name) if before is not None and seconds > 0 else None, seconds)
        for name, told in now.queues.items()
    ]


def _row(name: str, told: Sequence[Told], before: Sequence[Told] | None, seconds: float) -> Row:
    def count(metric: str, **labels: str) -> int:
        return int(_all(told, metric, **labels))

    def known(metric: str) -> float | None:
        found = [each.value for each in told if each.metric == metric]
        return max(found) if found else None

    def rate(metric: str) -> float | None:
        if before is None:
            return None
        grown = _all(told, metric) - _all(before, metric)
        return grown / seconds if grown >= 0 else None

    enqueued, dequeued = "elasticq_messages_enqueued_total", "elasticq_messages_dequeued_total"
    capacity, limit = known("elasticq_queue_capacity"), known("elasticq_queue_max_capacity")
    return Row(
        queue=name,
        depth=count("elasticq_queue_depth"),
        capacity=None if capacity is None else int(capacity),
        max_capacity=None if limit is None else int(limit),
        in_per_second=rate(enqueued),
        out_per_second=rate(dequeued),
        waiters_for_items=count("elasticq_queue_waiters", end="item"),
        waiters_for_room=count("elasticq_queue_waiters", end="room"),
        longest_wait_seconds=known("elasticq_queue_longest_wait_seconds") or 0.0,
        dropped=count("elasticq_messages_dropped_total"),
        refused=count("elasticq_messages_refused_total"),
        resizes=count("elasticq_resizes_total"),
        oldest_item_age_seconds=known("elasticq_queue_oldest_item_age_seconds"),
        enqueued=count(enqueued),
        dequeued=count(dequeued),
    )


def _all(told: Iterable[Told], metric: str, **labels: str) -> float:
    return sum(
        each.value
        for each in told
        if each.metric == metric and all(each.labels.get(name) == value for name, value in labels.items())
    )


ORDERS: dict[str, Callable[[Row], float]] = {
    "depth": lambda row: row.depth,
    "in": lambda row: row.in_per_second or 0.0,
    "out": lambda row: row.out_per_second or 0.0,
    "wait": lambda row: row.longest_wait_seconds,
    "dropped": lambda row: row.dropped,
    "name": lambda _: 0,
}
"""By what rows can be sorted, the largest first; by name if they are equal."""


def in_order(found: Iterable[Row], by: str) -> list[Row]:
    """The rows in this order."""
    return sorted(found, key=lambda row: (-ORDERS[by](row), row.queue))


_COLUMNS = (
    Column("queue"),
    Column("depth"),
    Column("capacity", 4),
    Column("limit", 7),
    Column("in/s", 1),
    Column("out/s", 1),
    Column("waiting", 3),
    Column("longest", 2),
    Column("dropped", 5),
    Column("refused", 8),
    Column("resizes", 6),
    Column("oldest", 9),
)


def table(found: Sequence[Row]) -> Table:
    """The rows for people."""
    return Table(_COLUMNS, [_cells(row) for row in found], [_style(row) for row in found])


def _cells(row: Row) -> list[str]:
    waiting = [
        f"{number} {end}"
        for number, end in ((row.waiters_for_items, "get"), (row.waiters_for_room, "put"))
        if number
    ]
    return [
        visible(row.queue),
        f"{row.depth:,}",
        _number(row.capacity),
        _number(row.max_capacity),
        _rate(row.in_per_second),
        _rate(row.out_per_second),
        " ".join(waiting) or "-",
        _seconds(row.longest_wait_seconds) if waiting else "-",
        f"{row.dropped:,}",
        f"{row.refused:,}",
        f"{row.resizes:,}",
        "-" if row.oldest_item_age_seconds is None else _seconds(row.oldest_item_age_seconds),
    ]


def _style(row: Row) -> str:
    """Red: something is lost, or nothing more goes in. Yellow: somebody waits for room."""
    if row.max_capacity and row.depth >= row.max_capacity:
        return "red"
    return "yellow" if row.waiters_for_room else ""


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _rate(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _seconds(value: float) -> str:
    if value < 60:
        return f"{value:.1f} s"
    if value < 3600:
        return f"{value / 60:.1f} min"
    return f"{value / 3600:,.1f} h"
