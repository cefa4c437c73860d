"""Observable instruments of OpenTelemetry (`pip install elasticq[otel]`).

Where the semantic conventions for messaging have a name, it is used: `messaging.client.sent.messages` for
what was enqueued, `messaging.client.consumed.messages` for what was dequeued, and the attributes
`messaging.system` (`elasticq`), `messaging.destination.name` (the queue) and `messaging.operation.name`. All
else has the metric's own name, with dots: `elasticq.queue.depth`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import CallbackOptions, Meter, Observation, get_meter

from elasticq import __version__, metrics

from . import ALL, Metric, Sample, look
from . import _catalog as catalog
from ._series import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["observe"]

_CONVENTIONS = {
    catalog.ENQUEUED: ("messaging.client.sent.messages", "put"),
    catalog.DEQUEUED: ("messaging.client.consumed.messages", "get"),
}
_UNITS = {"seconds": "s", "bytes": "By", "ratio": "1"}


def observe(meter: Meter | None = None) -> None:
    """Create the instruments. Each collection then looks at all instrumented queues, once.

    Args:
        meter: Where to create them; None: the meter of the global provider. To create them twice in one meter
            is a mistake, as with any instrument.

    Example:
        >>> from elasticq import Queue, metrics
        >>> from elasticq.metrics.otel import observe
        >>> from opentelemetry.sdk.metrics import MeterProvider
        >>> from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        >>> reader = InMemoryMetricReader()
        >>> observe(MeterProvider([reader]).get_meter("example"))
        >>> jobs = Queue()
        >>> registration = metrics.instrument(jobs, "jobs")
        >>> scopes = reader.get_metrics_data().resource_metrics[0].scope_metrics
        >>> "elasticq.queue.depth" in [metric.name for metric in scopes[0].metrics]
        True
    """
    meter = meter or get_meter("elasticq", __version__)
    looks = _Looks()
    for metric in ALL:
        create: Callable[..., Any] = (
            meter.create_observable_counter
            if metric.kind == "counter"
            else meter.create_observable_up_down_counter
            if metric.unit in ("", "bytes")
            else meter.create_observable_gauge
        )
        create(
            _name(metric),
            [_Callback(metric, looks)],
            unit=_UNITS.get(metric.unit, "{message}"),
            description=metric.description,
        )


def _name(metric: Metric) -> str:
    if metric in _CONVENTIONS:
        return _CONVENTIONS[metric][0]
    name = metric.name.removesuffix("_total")
    for unit in ("_seconds", "_ratio", "_bytes"):
        name = name.removesuffix(unit)
    package, subject, *rest = name.split("_", 2)
    return ".".join([package, subject, *rest])


class _Looks:
    """One look for all instruments of a collection: a new one when an instrument comes again."""

    def __init__(self) -> None:
        self._served: set[Metric] = set(ALL)
        self._last: dict[str, list[Sample]] = {}

    def of(self, metric: Metric) -> Iterator[tuple[str, Sample]]:
        with metrics._lock:  # a fork gives the child a new one
            if metric in self._served:
                self._last = look()
                self._served.clear()
            self._served.add(metric)
            last = self._last
        return (
            (queue, sample)
            for queue, samples in last.items()
            for sample in samples
            if sample.metric is metric
        )


class _Callback:
    def __init__(self, metric: Metric, looks: _Looks) -> None:
        self._metric = metric
        self._looks = looks

    def __call__(self, options: CallbackOptions) -> Iterable[Observation]:
        fixed = {"messaging.system": "elasticq"}
        if self._metric in _CONVENTIONS:
            fixed["messaging.operation.name"] = _CONVENTIONS[self._metric][1]
        for queue, sample in self._looks.of(self._metric):
            labels = {f"elasticq.{name}": value for name, value in sample.labels.items()}
            yield Observation(sample.value, {**fixed, "messaging.destination.name": shown(queue), **labels})
