"""The figures of all queues with one name. A series lives as long as the process: its counters never fall."""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING, NamedTuple

from elasticq import _core

from . import _catalog as catalog
from ._counting import NOTHING, Ages, Count, Totals

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Sample", "Series", "Watched", "shown"]

_log = logging.getLogger("elasticq.metrics")


class Sample(NamedTuple):
    """One figure: of which metric, its labels beside `queue`, and how much it is."""

    metric: catalog.Metric
    """What the figure is of."""
    labels: dict[str, str]
    """The labels beside `queue`, by name."""
    value: float
    """The figure."""


def shown(name: str) -> str:
    """Return a name as exporters can encode it: half a character is written as an escape."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


class Watched:
    """A queue that is watched. It is not kept alive."""

    def __init__(self, queue: _core.Elastic[object] | _core.Persistent[object], now: float) -> None:
        self._farewell = _core.Farewell(queue)
        reading = _core._reading(queue)
        self.queue = weakref.ref(queue)
        self.holders = 1
        last = self._farewell.stats  # those of files that are closed already
        self.count = Count(Totals.of(last or reading.stats), is_closed=last is not None)
        self._ages = Ages(now)
        self._last = reading

    def read(self) -> _core.Reading | None:
        """Read the queue, or return None if it is gone. While it is going, this is what it was last."""
        if self._farewell.stats is not None:
            return None
        if (queue := self.queue()) is not None:
            try:
                reading = _core._reading(queue)
            except Exception:  # a subclass counts its own items, and any error may come of that
                text = "a queue could not be read: its figures are those of the last look"
                _log.warning(text, exc_info=True)
            else:
                if self._farewell.stats is not None:
                    return None  # its files were closed meanwhile, so it has told zeros
                self._last = reading
        return self._last

    def is_gone(self) -> bool:
        return self._farewell.stats is not None

    def age(self, reading: _core.Reading, totals: Totals, now: float) -> float | None:
        """Return the age of the oldest message, or an upper bound; 0 if there is none, None if unknown."""
        bound = self._ages.note(now, totals.enqueued, totals.dequeued + totals.dropped)
        if reading.keeps_times:
            return reading.oldest or 0.0
        return (bound or 0.0) if reading.in_order else None

    def counters(self) -> Iterator[tuple[str, int | None, int]]:
        """Yield the figures at the last look that only grow."""
        return (figure for figure in self._last.figures if catalog.FIGURES[figure[0]].kind == "counter")

    def end(self) -> Totals:
        """Return what it has counted in all: the queue is gone, or is watched no longer."""
        reading = self.read()
        last = self._farewell.stats
        is_gone = last is not None
        if last is not None:
            self.count.see(Totals.of(last), self._last.has_moved)
        elif reading is not None:
            self.count.see(Totals.of(reading.stats), reading.has_moved)
        totals = self.count.last()
        return totals.all_dropped() if is_gone and not self._last.is_durable else totals.all_left()


class Series:
    """All queues of one name. Not thread-safe."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._gone = NOTHING
        self._gone_figures: dict[tuple[str, int | None], int] = {}
        self._backpressure = 0.0
        self._watched: list[Watched] = []
        self._told: set[int] = set()
        """The rare figures that were told once."""
        self._looked = _core._now()
        self._many = 8

    def watch(self, queue: _core.Elastic[object] | _core.Persistent[object]) -> Watched:
        """Watch a queue; once more, if it is watched already."""
        for watched in self._watched:
            if watched.queue() is queue:
                watched.holders += 1
                return watched
        watched = Watched(queue, _core._now())
        self._watched.append(watched)
        return watched

    def has(self, queue: object) -> bool:
        """Return whether it watches this queue."""
        return any(watched.queue() is queue for watched in list(self._watched))

    def release(self, watched: Watched) -> None:
        """End a watch. The last one to go keeps what was counted."""
        watched.holders -= 1
        if watched.holders == 0 and watched in self._watched:
            self._retire(watched)

    def _retire(self, watched: Watched) -> None:
        gone = self._gone.plus(watched.end())
        figures = dict(self._gone_figures)
        for name, level, value in watched.counters():
            key = (name, level)
            figures[key] = figures.get(key, 0) + value
        # All or nothing, whatever a signal handler raises: it can come before these lines or after them.
        self._gone, self._gone_figures = gone, figures
        self._watched.remove(watched)

    def forget_many_gone(self) -> None:
        """Let go of queues that are no more, if there may be many: so nobody has to look."""
        if len(self._watched) < self._many:
            return
        for watched in list(self._watched):
            if watched.is_gone():
                self._retire(watched)
        self._many = 2 * len(self._watched) + 8

    def samples(self) -> list[Sample]:
        """Look at all queues."""
        now = _core._now()
        since, self._looked = now - self._looked, now
        readings = []
        for watched in list(self._watched):
            reading = watched.read()
            if reading is None:
                self._retire(watched)
            else:
                counted = watched.count.see(Totals.of(reading.stats), reading.has_moved)
                readings.append((watched, reading, counted))
        totals, figures, sum_ = self._gone, dict(self._gone_figures), Sum()
        for watched, reading, counted in readings:
            totals = counted if totals is NOTHING else totals.plus(counted)
            sum_.add(reading, watched.age(reading, counted, now))
            room = reading.waiters.room
            self._backpressure += min(room.longest or 0.0, since) * (room.threads + room.tasks)
            for name, level, value in reading.figures:
                known = figures.get((name, level), 0)
                figures[name, level] = max(known, value) if name == "longest_sync" else known + value
        samples = [
            Sample(catalog.ENQUEUED, {}, totals.enqueued),
            Sample(catalog.DEQUEUED, {}, totals.dequeued),
            Sample(catalog.REFUSED, {}, totals.refused),
            Sample(catalog.DROPPED, {}, totals.dropped),
            Sample(catalog.DEPTH, {}, totals.depth),
            Sample(catalog.CAPACITY, {}, sum_.capacity),
        ]
        if sum_.limit is not None and readings:
            samples.append(Sample(catalog.MAX_CAPACITY, {}, sum_.limit))
            samples.append(Sample(catalog.UTILIZATION, {}, totals.depth / sum_.limit if sum_.limit else 0.0))
        if sum_.oldest is not None:
            samples.append(Sample(catalog.OLDEST, {}, sum_.oldest))
        for (name, level), value in figures.items():
            metric, labels = catalog.FIGURES[name], {} if level is None else {"level": str(level)}
            samples.append(Sample(metric, labels, value / 1e9 if metric.unit == "seconds" else value))
        samples += self._rare(totals, sum_)
        return samples

    def _rare(self, totals: Totals, sum_: Sum) -> Iterator[Sample]:
        """Yield the rare figures that are above zero, or were before."""
        item, room = sum_.item, sum_.room
        figures = (
            totals.grown,
            totals.shrunk,
            self._backpressure,
            item.threads,
            item.tasks,
            room.threads,
            room.tasks,
            item.longest,
            room.longest,
        )
        for index, value in enumerate(figures):
            if value:
                self._told.add(index)
            elif index not in self._told:
                continue
            metric, labels = _RARE[index]
            yield Sample(metric, dict(zip(metric.labels, labels, strict=True)), value)


_RARE: list[tuple[catalog.Metric, tuple[str, ...]]] = [
    (catalog.RESIZES, ("grow",)),
    (catalog.RESIZES, ("shrink",)),
    (catalog.BACKPRESSURE, ()),
    (catalog.WAITERS, ("item", "thread")),
    (catalog.WAITERS, ("item", "task")),
    (catalog.WAITERS, ("room", "thread")),
    (catalog.WAITERS, ("room", "task")),
    (catalog.LONGEST_WAIT, ("item",)),
    (catalog.LONGEST_WAIT, ("room",)),
]
"""The figures of `Series._rare`, in its order: their metrics and labels."""


class Waits:
    """Who waits at one end of several queues."""

    __slots__ = ("longest", "tasks", "threads")

    def __init__(self) -> None:
        self.threads = self.tasks = 0
        self.longest = 0.0

    def add(self, waiting: _core.Waiting) -> None:
        if waiting.longest is not None or waiting.threads or waiting.tasks:
            self.threads += waiting.threads
            self.tasks += waiting.tasks
            self.longest = max(self.longest, waiting.longest or 0.0)


class Sum:
    """What several queues are now, together."""

    __slots__ = ("capacity", "item", "limit", "oldest", "room")

    def __init__(self) -> None:
        self.capacity = 0
        self.limit: int | None = 0
        """None if one of them has no limit."""
        self.oldest: float | None = None
        self.item, self.room = Waits(), Waits()

    def add(self, reading: _core.Reading, age: float | None) -> None:
        self.capacity += reading.stats.current_capacity
        if self.limit is not None:
            limit = reading.limit
            self.limit = None if limit is None else self.limit + limit
        if age is not None:
            self.oldest = max(self.oldest or 0.0, age)
        waiters = reading.waiters
        self.item.add(waiters.item)
        self.room.add(waiters.room)
