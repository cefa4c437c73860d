"""What counts of the figures of one queue: its counters less what they were when counting began, and ages."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from elasticq import _core

__all__ = ["NOTHING", "Ages", "Count", "Totals"]


class Totals(NamedTuple):
    """What only grows."""

    enqueued: int = 0
    dequeued: int = 0
    refused: int = 0
    dropped: int = 0
    grown: int = 0
    shrunk: int = 0

    @classmethod
    def of(cls, stats: _core.QueueStats) -> Totals:
        return cls(
            stats.messages_enqueued,
            stats.messages_dequeued,
            stats.messages_refused,
            stats.messages_dropped,
            stats.grown,
            stats.shrunk,
        )

    @property
    def depth(self) -> int:
        """Messages that are inside."""
        return max(self.enqueued - self.dequeued - self.dropped, 0)

    def plus(self, other: Totals) -> Totals:
        # Field by field, here and below: a scrape does this for each queue.
        enqueued, dequeued, refused, dropped, grown, shrunk = other
        return Totals(
            self.enqueued + enqueued,
            self.dequeued + dequeued,
            self.refused + refused,
            self.dropped + dropped,
            self.grown + grown,
            self.shrunk + shrunk,
        )

    def since(self, earlier: Totals) -> Totals:
        if earlier == NOTHING:
            return self
        enqueued, dequeued, refused, dropped, grown, shrunk = earlier
        return Totals(
            max(self.enqueued - enqueued, 0),
            max(self.dequeued - dequeued, 0),
            max(self.refused - refused, 0),
            max(self.dropped - dropped, 0),
            max(self.grown - grown, 0),
            max(self.shrunk - shrunk, 0),
        )

    def all_dropped(self) -> Totals:
        """The same when what is inside is gone."""
        return self._replace(dropped=self.dropped + self.depth)

    def all_left(self) -> Totals:
        """The same when what is inside is out of sight, and may come again."""
        return self._replace(dequeued=self.dequeued + self.depth)


NOTHING = Totals()


class Count:
    """What counts of one queue. Messages that are inside at the beginning count as having come since."""

    def __init__(self, now: Totals, is_closed: bool = False) -> None:
        before = now._replace(enqueued=now.enqueued - now.depth)
        self._before = now.all_left() if is_closed else before  # of what is closed nothing counts
        self._seen = now
        self._gone = NOTHING

    def see(self, now: Totals, has_moved: bool = False) -> Totals:
        """Return what counts now.

        If the queue has begun anew, what it had counted until then is kept, and what was inside is gone. In a
        queue that has moved, somebody may have put items into the container itself: those have come, too.
        """
        seen = self._seen
        if has_moved and now.enqueued >= seen.enqueued and (back := seen.dequeued - now.dequeued) > 0:
            before = self._before
            self._before = before._replace(enqueued=before.enqueued - back, dequeued=before.dequeued - back)
        elif now.enqueued < seen.enqueued or now.dequeued < seen.dequeued or now.dropped < seen.dropped:
            self._gone = self._gone.plus(self._seen.since(self._before).all_dropped())
            self._before = Totals(refused=self._seen.refused)
        self._seen = now
        return self.last()

    def last(self) -> Totals:
        """Return what counted at the last look."""
        seen = self._seen.since(self._before)
        return seen if self._gone is NOTHING else self._gone.plus(seen)


class Ages:
    """How many messages had come at which time. So a later look knows how old the oldest can be at most."""

    MOST = 1_000
    """So many looks are kept. After that every second one goes."""

    def __init__(self, begun: float) -> None:
        self._begun = begun
        self._counts: list[int] = []
        self._times: list[float] = []

    def note(self, now: float, come: int, gone: int) -> float | None:
        """Note how many have come, and return the age that the oldest has at most; None: there are none.

        `gone` of them have left, in the order in which they came.
        """
        # The oldest came after all looks that had counted no more than those that are gone.
        index = bisect_right(self._counts, gone)
        since = self._times[index - 1] if index else self._begun
        if index > 1:
            del self._counts[: index - 1], self._times[: index - 1]
        if self._counts and self._counts[-1] == come:
            self._times[-1] = now  # nothing has come since
        else:
            self._counts.append(come)
            self._times.append(now)
        if len(self._counts) > self.MOST:
            del self._counts[1::2], self._times[1::2]
        return max(now - since, 0.0) if come > gone else None
