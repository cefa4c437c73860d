"""What an outage of all workers costs: how large the backlog grows, and how long they need to catch up.

python examples/outage.py                                      # simulates some outages
python examples/outage.py nats://127.0.0.1:4222/outage         # and measures one on a real queue
python examples/outage.py URL --rate 2000 --workers 8 --batch 50 --work 0.1 --outage 30

Items come at a steady rate. Each worker leases a batch, works on it for a fixed time and acknowledges it. In
the middle all workers stop for a while. The measurement does that with threads and real calls. The simulation
needs only one thing of the real queue: how long the calls of a batch take when all workers are busy, which is
measured before.
"""

from __future__ import annotations

import argparse
import heapq
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import elasticq
from elasticq.backends import WorkQueue

ITEM = b"x" * 100
BATCHES = 20  # that each worker does to find how long the calls take
TICK = 0.05  # seconds between two puts of the producer, and between two looks at the depth


class Plan(NamedTuple):
    """What happens. All times are in seconds."""

    rate: float = 1_000.0  # items that come, per second
    workers: int = 4
    batch: int = 25
    work: float = 0.06  # for a batch
    before: float = 3.0
    outage: float = 5.0

    def capacity(self, calls: float) -> float:
        """The items per second that all workers can do, if the calls of a batch take so long."""
        return self.workers * self.batch / (self.work + calls)


class Outcome(NamedTuple):
    """What an outage has cost."""

    peak: int
    """The largest backlog: items that were put and not acknowledged."""
    recovery: float
    """Seconds from the end of the outage until the backlog was as small as before it."""


class Course:
    """How the backlog of a run goes."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._usual = self._peak = 0
        self._recovery: float | None = None

    def note(self, at: float, depth: int) -> bool:
        """Notes the backlog at a time. True: after the outage, it is as small as it was before."""
        plan = self._plan
        self._peak = max(self._peak, depth)
        if plan.before / 2 <= at < plan.before:
            self._usual = max(self._usual, depth)
        elif at > plan.before + plan.outage and depth <= self._usual:
            self._recovery = at - plan.before - plan.outage
        return self._recovery is not None

    def outcome(self) -> Outcome:
        """What the outage has cost."""
        if self._recovery is None:
            raise ValueError(
                f"no recovery: {self._plan.rate:g} items come per second; the workers do no more"
            )
        return Outcome(self._peak, self._recovery)


def simulate(plan: Plan, calls: float, most: float = 86_400.0) -> Outcome:
    """Plays the plan; the calls of a batch take so long. It gives up after `most` of its own seconds."""
    over = plan.before + plan.outage
    free = [(0.0, 0)] * plan.workers  # when each worker is free, and how many items it ends then
    waiting = done = arrived = 0
    course = Course(plan)
    at = 0.0
    while at < most:
        new = int(plan.rate * at) - arrived
        arrived += new
        waiting += new
        while free[0][0] <= at:
            ended, items = heapq.heappop(free)
            done += items
            stopped = plan.before <= ended < over
            took = 0 if stopped else min(plan.batch, waiting)
            waiting -= took
            pause = over - ended if stopped else TICK / 5  # idle workers look again
            heapq.heappush(free, (ended + (plan.work + calls if took else pause), took))
        if course.note(at, arrived - done):
            break
        at += TICK / 5
    return course.outcome()


class Measured(NamedTuple):
    """What a real run has shown."""

    outcome: Outcome
    calls: float
    """Seconds that the calls of a batch took while all workers were busy, before the run."""


def measure(plan: Plan, url: str, **settings: Any) -> Measured:
    """Plays the plan with threads on a real queue, which must be empty."""
    with elasticq.connect(url, **settings) as queue:
        if queue.depth():
            raise ValueError(f"{url} is not empty")
        calls = calibrate(plan, queue)
        began = time.monotonic()
        over = plan.before + plan.outage
        stop = threading.Event()

        def now() -> float:
            return time.monotonic() - began

        def produce() -> None:
            arrived = 0
            while not stop.wait(TICK / 5):
                new = int(plan.rate * now()) - arrived
                if new:
                    queue.put_many([ITEM] * new)
                    arrived += new

        def work() -> None:
            while not stop.is_set():
                if plan.before <= now() < over:
                    stop.wait(over - now())
                elif not work_once(plan, queue):
                    stop.wait(TICK / 5)

        threads = started([produce, *[work] * plan.workers])
        course = Course(plan)
        try:
            while not course.note(now(), queue.depth()) and now() < over + 20 * plan.outage:
                time.sleep(TICK)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        return Measured(course.outcome(), calls)


def calibrate(plan: Plan, queue: WorkQueue[bytes]) -> float:
    """How long the calls of a batch take while all workers are busy, in seconds."""
    queue.put_many([ITEM] * (plan.workers * plan.batch * BATCHES))

    def work() -> None:
        while work_once(plan, queue):
            pass

    began = time.monotonic()
    for thread in started([work] * plan.workers):
        thread.join()
    return max(0.0, (time.monotonic() - began) / BATCHES - plan.work)


def work_once(plan: Plan, queue: WorkQueue[bytes]) -> bool:
    """Leases a batch, works on it and acknowledges it. False: there was nothing."""
    try:
        leases = queue.lease_many(plan.batch, wait=0)
    except elasticq.Empty:
        return False
    time.sleep(plan.work)  # the work itself
    queue.ack_many(leases)
    return True


def started(runs: list[Callable[[], None]]) -> list[threading.Thread]:
    """Runs functions in threads."""
    threads = [threading.Thread(target=run) for run in runs]
    for thread in threads:
        thread.start()
    return threads


def main() -> None:
    """Simulates, and measures where a URL is given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", nargs="?", help="measure on this work queue, too")
    for name in ("rate", "workers", "batch", "work", "before", "outage"):
        default = getattr(Plan(), name)
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"default: {default:g}")
    given = vars(parser.parse_args())
    url = given.pop("url")
    plan = Plan(**given)
    calls = 0.002
    if url is not None:
        measured = measure(plan, url)
        calls = measured.calls
        print(f"the calls of a batch took {calls * 1e3:.1f} ms, so the workers can do", end=" ")
        print(f"{plan.capacity(calls):,.0f} items per second; {plan.rate:,.0f} come")
        print(f"measured    peak {measured.outcome.peak:>8,}   recovery {measured.outcome.recovery:6.1f} s")
        simulated = simulate(plan, calls)
        print(f"simulated   peak {simulated.peak:>8,}   recovery {simulated.recovery:6.1f} s")
        return
    print(f"{plan.rate:,.0f} items come per second; the workers can do {plan.capacity(calls):,.0f}")
    for outage in (1.0, 10.0, 60.0, 600.0):
        peak, recovery = simulate(plan._replace(outage=outage), calls)
        print(f"outage {outage:4.0f} s   peak {peak:>8,}   recovery {recovery:6.1f} s")


if __name__ == "__main__":
    main()
