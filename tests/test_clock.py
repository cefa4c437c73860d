"""Timeouts use a clock that can't be stopped, since tests freeze Python's clock."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from freezegun import freeze_time
from kinds import ALL, Kind, by_name
from support import PATIENCE

from elasticq import Empty, Full, PriorityCircularBuffer, Queue, Timeout


class Hooked(Queue[Any]):
    """A subclass with a hook."""

    def _put(self, item: Any) -> None:
        super()._put(item)


TIMEOUT = 0.01


HOOKED = Kind("hooked", Hooked, by_name("Queue").settings, standard=True)
each = pytest.mark.parametrize("kind", [*ALL, HOOKED])


def waits_in_vain(kind: Kind) -> None:
    """Makes every plain call that has a timeout."""
    timeout = {"timeout": TIMEOUT} if kind.calls.take_timeouts else {}
    empty = kind.make(None, TIMEOUT)
    with pytest.raises((Empty, Timeout)):
        kind.get(empty, **timeout)
    if kind.calls.batches == "in pieces":
        with pytest.raises(Empty):
            kind.get_many(empty, 10, **timeout)
    if kind.bounded:
        full = kind.make(1, TIMEOUT)
        kind.put(full, 1)
        with pytest.raises((Full, Timeout)):
            kind.put(full, 2, **timeout)
        if kind.calls.batches != "never":
            with pytest.raises((Full, Timeout)):
                kind.put_many(full, [2], **timeout)


@pytest.mark.timeout(PATIENCE)
@each
def test_timeouts_end_while_time_is_frozen(kind: Kind) -> None:
    with freeze_time("2026-01-01"):
        before = time.monotonic()
        waits_in_vain(kind)
        assert time.monotonic() == before


@pytest.mark.timeout(PATIENCE)
@each
def test_timeouts_end_while_a_test_has_replaced_the_clocks(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    for clock in ("monotonic", "time", "perf_counter"):
        monkeypatch.setattr(time, clock, lambda: 0.0)
    waits_in_vain(kind)


@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize("timeout", [TIMEOUT, timedelta(seconds=TIMEOUT)])
def test_the_timeouts_of_a_view_end_as_well(timeout: Any) -> None:
    with freeze_time("2026-01-01"):
        full, view = Queue[int](1), PriorityCircularBuffer[int]().sync_q
        full.put(1)
        with pytest.raises(Full):
            full.sync_q.put(2, True, timeout)
        with pytest.raises(Empty):
            view.get(True, timeout)
