"""How long an item is on its way through a queue that is mostly empty: percentiles.

A producer puts the time at a steady pace; the consumer, a thread or a task that waits, compares it with the
clock. In each round every queue has its turn, and the figure is the median of the rounds' percentiles.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import quantiles

import pytest
from versus import Outcome

from elasticq.bench.ends import (
    OURS,
    FromThread,
    Plain,
    culsans_from_thread,
    elastic_from_thread,
    elastic_queue,
    janus_from_thread,
    simple_queue,
    standard_queue,
)
from elasticq.bench.standings import Standing

pytest_plugins = ["versus.plugin"]

ROUNDS = 15
ITEMS = 2_000
"""Of a round; the smallest number of which a thousandth are two."""
PACE = 0.0002
"""Seconds from one item to the next."""
PERCENTILES = {"p50": 500, "p99": 990, "p99.9": 999}

Sample = Callable[[int], list[int]]


def put_times(put: Callable[[int], object], items: int) -> None:
    """Puts the time at which it puts, at the pace."""
    due = time.perf_counter()
    for _ in range(items):
        due += PACE
        time.sleep(max(0.0, due - time.perf_counter()))
        put(time.perf_counter_ns())


def age(put: int) -> int:
    """How long ago that was."""
    return time.perf_counter_ns() - put


def in_threads(make: Callable[[], Plain], items: int) -> list[int]:
    """The latencies in nanoseconds from a thread to another one."""
    ends = make()
    with ThreadPoolExecutor(1) as pool:
        producer = pool.submit(put_times, ends.put, items)
        latencies = [age(ends.get()) for _ in range(items)]
        producer.result()
    return latencies


def to_a_task(make: Callable[[int, asyncio.AbstractEventLoop], FromThread], items: int) -> list[int]:
    """The latencies in nanoseconds from a thread to a task."""

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        ends = make(0, loop)
        producer = loop.run_in_executor(None, put_times, ends.put, items)
        latencies = [age(await ends.get()) for _ in range(items)]
        await producer
        await ends.close()
        return latencies

    return asyncio.run(main())


def percentiles(latencies: list[int]) -> list[float]:
    """Those of PERCENTILES, in their order."""
    cuts = quantiles(latencies, n=1_000, method="inclusive")
    return [cuts[thousandth - 1] for thousandth in PERCENTILES.values()]


def run(
    title: str, samples: dict[str, Sample], tell: Callable[[Outcome], None], config: pytest.Config
) -> None:
    """Takes samples in turns, and tells a figure for each percentile."""
    smoke = config.getoption("benchmark_disable")
    rounds, items = (1, 20) if smoke else (ROUNDS, ITEMS)
    found: dict[str, list[list[float]]] = {name: [] for name in samples}
    names = list(samples)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            latencies = samples[name](items)
            assert len(latencies) == items
            assert min(latencies) > 0
            found[name].append(percentiles(latencies))
    if smoke:
        return
    for index, percentile in enumerate(PERCENTILES):
        ours, *others = (
            Standing(name, 1, [figures[index] / 1e9 for figures in found[name]]) for name in names
        )
        tell(Outcome(f"latency, {title}, {percentile}", ours, others, []))


def test_latency_from_thread_to_thread(tell: Callable[[Outcome], None], pytestconfig: pytest.Config) -> None:
    makers = {OURS: elastic_queue, "queue.Queue": standard_queue, "queue.SimpleQueue": simple_queue}
    samples: dict[str, Sample] = {name: partial(in_threads, make) for name, make in makers.items()}
    run("thread to thread", samples, tell, pytestconfig)


def test_latency_from_thread_to_task(tell: Callable[[Outcome], None], pytestconfig: pytest.Config) -> None:
    makers = {OURS: elastic_from_thread, "janus": janus_from_thread, "culsans": culsans_from_thread}
    samples: dict[str, Sample] = {name: partial(to_a_task, make) for name, make in makers.items()}
    run("thread to task", samples, tell, pytestconfig)
