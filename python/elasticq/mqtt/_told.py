"""What the proxy tells: a line for each event, and its figures for Prometheus."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from elasticq.cli.common import print_json, say

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

Figures = dict[str, Any]


class Teller:
    """Tells events: a line on stderr for people, or an object on stdout for machines. Any thread may."""

    def __init__(self, program: str, as_json: bool) -> None:
        self._program = program
        self._as_json = as_json
        self._lock = threading.Lock()

    def tell(self, event: str, text: str, **facts: Any) -> None:
        """Tells one event."""
        with self._lock:
            if self._as_json:
                at = datetime.now(UTC).isoformat(timespec="milliseconds")
                print_json({"time": at, "event": event, **facts, "text": text})
                sys.stdout.flush()
            else:
                say(f"{self._program}: {text}")


COUNTERS = {
    "received": ("Messages that came from the source, those that it sent again included.", "qos"),
    "forwarded": ("Messages that the target has acknowledged; of QoS 0, that were sent.", "qos"),
    "redelivered": ("Messages that the source has sent again.", ""),
    "duplicates": ("Messages of those that were known, and not stored again.", ""),
    "repeated": ("Messages that were sent to the target once more.", ""),
    "dropped": ("Messages that were lost on purpose, and why.", "reason"),
    "given_up": ("Messages that the target does not take. They are kept as dead messages.", ""),
}
GAUGES = {
    "depth": ("Messages that are stored and not acknowledged by the target.", ""),
    "disk_bytes": ("What the files take on the disk.", ""),
    "oldest_age_seconds": ("How long the oldest of them has been stored; 0 if there is none.", ""),
    "connected": ("Whether a side is connected: 1, or 0.", "side"),
}


def collector(look: Callable[[], Figures]) -> Any:
    """A collector for `prometheus_client` that tells what `look` finds at each scrape."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.registry import Collector

    class _Proxy(Collector):
        def collect(self) -> Iterator[Family]:
            seen = look()
            for kind, metrics in ((CounterMetricFamily, COUNTERS), (GaugeMetricFamily, GAUGES)):
                for name, (text, label) in metrics.items():
                    family = kind(f"elasticq_mqtt_{name}", text, labels=[label] if label else [])
                    yield _filled(family, seen[name])

    return _Proxy()


def _filled(family: Any, figures: Any) -> Any:
    if isinstance(figures, dict):
        for label, value in figures.items():
            family.add_metric([str(label)], value)
    else:
        family.add_metric([], figures)
    return family
