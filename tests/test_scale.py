"""docs/scale.md: the simulation of an outage does what arithmetic says, and what a real queue shows."""

from __future__ import annotations

import examples
import pytest
from nats_servers import Server, new_stream

import elasticq

outage = examples.load("outage")

SHORT = outage.Plan(rate=500.0, workers=4, batch=25, work=0.06, before=1.0, outage=1.5)


@pytest.mark.parametrize("seconds", [1.0, 10.0, 100.0])
@pytest.mark.parametrize("rate", [100.0, 1_000.0])
def test_the_simulation_agrees_with_arithmetic(seconds: float, rate: float) -> None:
    """What comes during the outage waits, and is done by what the workers can do beyond what comes."""
    plan = outage.Plan()._replace(rate=rate, outage=seconds)
    peak, recovery = outage.simulate(plan, 0.004)
    assert peak == pytest.approx(rate * seconds, rel=0.02, abs=0.1 * rate)
    expected = rate * seconds / (plan.capacity(0.004) - rate)
    assert recovery == pytest.approx(expected, rel=0.05, abs=0.3)


def test_workers_that_can_do_no_more_than_what_comes_never_recover() -> None:
    with pytest.raises(ValueError, match="no recovery"):
        outage.simulate(outage.Plan()._replace(rate=2_000.0), 0.004, most=60.0)


@pytest.mark.parametrize("scheme", ["memory", "nats"])
def test_the_simulation_agrees_with_a_real_queue(scheme: str, request: pytest.FixtureRequest) -> None:
    url = f"memory://{new_stream()}"
    if scheme == "nats":
        server: Server = request.getfixturevalue("nats_server")
        url = server.url()
    measured = outage.measure(SHORT, url)
    simulated = outage.simulate(SHORT, measured.calls)
    print(measured, simulated)
    # How long workers take depends on what else the machine does; docs/scale.md has figures of a calm one.
    # What came during the outage is there in any case.
    assert measured.outcome.peak >= 0.9 * SHORT.rate * SHORT.outage
    assert simulated.peak == pytest.approx(SHORT.rate * SHORT.outage, rel=0.2)
    assert measured.outcome.recovery > 0


def test_a_queue_that_is_not_empty_is_not_measured() -> None:
    url = f"memory://{new_stream()}"
    with elasticq.connect(url) as queue:
        queue.put("mine")
        with pytest.raises(ValueError, match="is not empty"):
            outage.measure(SHORT, url)
        assert queue.depth() == 1
