"""A collector for `prometheus_client` (`pip install elasticq[prometheus]`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector as _Collector
from prometheus_client.samples import Sample as _Sample

from . import ALL, Metric, look
from ._series import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric as Family

__all__ = ["Collector"]


class Collector(_Collector):
    """Tells the figures of all instrumented queues, as they are at the moment of the scrape.

    Between scrapes nothing is done, so the queues get no slower. Safe from any thread.

    Example:
        >>> from elasticq import Queue, metrics
        >>> from elasticq.metrics.prometheus import Collector
        >>> from prometheus_client import CollectorRegistry, generate_latest
        >>> registry = CollectorRegistry()
        >>> registry.register(Collector())
        >>> jobs = Queue()
        >>> registration = metrics.instrument(jobs, "jobs")
        >>> jobs.put("resize a.png")
        >>> b'elasticq_queue_depth{queue="jobs"} 1.0' in generate_latest(registry)
        True
    """

    def collect(self) -> Iterator[Family]:
        """Look at all queues, and tell the metrics that have figures: what a registry calls for a scrape."""
        families = {metric.name: _family(metric) for metric in ALL}
        for queue, samples in look().items():
            name = {"queue": shown(queue)}
            for metric, labels, value in samples:
                # `add_metric` would make a dictionary for each sample. With many queues that takes longest.
                sample = _Sample(metric.name, {**name, **labels} if labels else name, value)
                families[metric.name].samples.append(sample)
        return (family for family in families.values() if family.samples)

    def describe(self) -> Iterator[Family]:
        """Tell the metrics without figures, so that a registry finds names that it has already."""
        return map(_family, ALL)


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return kind(metric.name, metric.description, labels=["queue", *metric.labels])
