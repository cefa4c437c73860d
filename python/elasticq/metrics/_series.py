"""The figures of all queues with one name. A series lives as long as the process: its counters never fall."""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING, NamedTuple

from elasticq import _core

from . import _catalog as catalog
from ._counting import Ages, Count, Totals

if TYPE_CHECKING:
    from collections.abc import Iterator

    Queue = _core.Elastic[object] | _core.Persistent[object]

__all__ = ["Sample", "Series", "Watched"]

_log = logging.getLogger("elasticq.metrics")


class Sample(NamedTuple):
    """One figure: of which metric, its labels beside `queue`, and how much it is."""

    metric: catalog.Metric
    labels: dict[str, str]
    value: float


class Watched:
    """A queue that is watched. It is not kept alive."""

    def __init__(self, queue: Queue, now: float) -> None:
        reading = _core._reading(queue)
        self.queue = weakref.ref(queue)
        self.holders = 1
        self.count = Count(Totals.of(reading.stats))
        self._farewell = _core.Farewell(queue)
        self._ages = Ages(now)
        self._last = reading

    def read(self) -> _core.Reading | None:
        """Read the queue, or return None if it is gone."""
        queue = self.queue()
        if queue is None or self._farewell.stats is not None:
            return None
        try:
            self._last = _core._reading(queue)
        except Exception:  # a subclass counts its own items, and any error may come of that
            _log.warning("a queue could not be read: its figures are those of the last look", exc_info=True)
        return self._last

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
        last = self._farewell.stats
        is_gone = last is not None or self.queue() is None
        if last is not None and not self._last.has_moved:
            self.count.see(Totals.of(last))
        elif not is_gone and (reading := self.read()) is not None:
            self.count.see(Totals.of(reading.stats))
        totals = self.count.last()
        return totals.all_dropped() if is_gone and not self._last.is_durable else totals.all_left()


class Series:
    """All queues of one name. Not thread-safe."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._gone = Totals()
        self._gone_figures: dict[tuple[str, int | None], int] = {}
        self._backpressure = 0.0
        self._watched: list[Watched] = []
        self._looked = _core._now()

    def watch(self, queue: Queue) -> Watched:
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
        self._watched.remove(watched)
        self._gone = self._gone.plus(watched.end())
        for name, level, value in watched.counters():
            key = (name, level)
            self._gone_figures[key] = self._gone_figures.get(key, 0) + value

    def forget_the_gone(self) -> None:
        """Let go of queues that are no more."""
        for watched in list(self._watched):
            if watched.queue() is None:
                self._retire(watched)

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
                readings.append((watched, reading, watched.count.see(Totals.of(reading.stats))))
        totals = self._gone
        ages, figures = [], dict(self._gone_figures)
        for watched, reading, counted in readings:
            totals = totals.plus(counted)
            ages.append(watched.age(reading, counted, now))
            room = reading.waiters.room
            self._backpressure += min(room.longest or 0.0, since) * (room.threads + room.tasks)
            for name, level, value in reading.figures:
                figures[name, level] = figures.get((name, level), 0) + value
        return [
            *self._of_totals(totals),
            *self._of_readings([reading for _, reading, _ in readings], totals),
            *(
                [Sample(catalog.OLDEST, {}, max(known))]
                if (known := [age for age in ages if age is not None])
                else []
            ),
            *self._of_figures(figures),
        ]

    def _of_totals(self, totals: Totals) -> Iterator[Sample]:
        yield Sample(catalog.ENQUEUED, {}, totals.enqueued)
        yield Sample(catalog.DEQUEUED, {}, totals.dequeued)
        yield Sample(catalog.REFUSED, {}, totals.refused)
        yield Sample(catalog.DROPPED, {}, totals.dropped)
        yield Sample(catalog.RESIZES, {"direction": "grow"}, totals.grown)
        yield Sample(catalog.RESIZES, {"direction": "shrink"}, totals.shrunk)
        yield Sample(catalog.BACKPRESSURE, {}, self._backpressure)
        yield Sample(catalog.DEPTH, {}, totals.depth)

    @staticmethod
    def _of_readings(readings: list[_core.Reading], totals: Totals) -> Iterator[Sample]:
        limits = [reading.limit for reading in readings]
        yield Sample(catalog.CAPACITY, {}, sum(getattr(r.stats, "current_capacity", 0) for r in readings))
        if limits and None not in limits:
            limit = sum(limit for limit in limits if limit is not None)
            yield Sample(catalog.MAX_CAPACITY, {}, limit)
            yield Sample(catalog.UTILIZATION, {}, totals.depth / limit if limit else 0.0)
        for end in ("item", "room"):
            waiting: list[_core.Waiting] = [getattr(reading.waiters, end) for reading in readings]
            yield Sample(catalog.WAITERS, {"end": end, "kind": "thread"}, sum(w.threads for w in waiting))
            yield Sample(catalog.WAITERS, {"end": end, "kind": "task"}, sum(w.tasks for w in waiting))
            longest = max((w.longest or 0.0 for w in waiting), default=0.0)
            yield Sample(catalog.LONGEST_WAIT, {"end": end}, longest)

    @staticmethod
    def _of_figures(figures: dict[tuple[str, int | None], int]) -> Iterator[Sample]:
        for (name, level), value in figures.items():
            yield Sample(catalog.FIGURES[name], {} if level is None else {"level": str(level)}, value)
