"""A cluster of three real servers loses nothing when its leader is killed in the middle of the work.

ELASTICQ_CLUSTER_MESSAGES is how many messages; `make verify` has 50,000.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from nats_servers import Server, cluster
from support import wait_until
from work_cluster import BATCH

import elasticq

MESSAGES = int(os.environ.get("ELASTICQ_CLUSTER_MESSAGES", "5000"))
WORKERS = 4
STREAM = "jobs"
SETTINGS = f"/{STREAM}?replicas=3&ttl=5&timeout=60"


def leader(server: Server) -> str:
    """The name of the server that leads the stream, as another one of the cluster says."""
    import nats

    async def ask() -> str:
        client = await nats.connect(f"nats://{server.address}")
        try:
            info = await client.jetstream(timeout=30).stream_info(STREAM)
            return str(info.cluster and info.cluster.leader)
        finally:
            await client.close()

    return asyncio.run(ask())


def start(*arguments: object) -> subprocess.Popen[str]:
    """Starts a producer or a consumer."""
    script = Path(__file__).with_name("work_cluster.py")
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)], stderr=subprocess.PIPE, encoding="utf-8"
    )


def kill(processes: list[subprocess.Popen[str]]) -> None:
    """Ends processes, also if the test has failed."""
    for process in processes:
        process.kill()


def numbers(logs: list[Path], word: str = "") -> list[int]:
    """The numbers that processes have noted; with a word, only those behind it."""
    lines = [line for log in logs if log.exists() for line in log.read_text(encoding="ascii").splitlines()]
    return [int(line.removeprefix(word)) for line in lines if line.startswith(word)]


def finish(processes: list[subprocess.Popen[str]]) -> None:
    """Waits for processes, which must have ended well."""
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors


@pytest.mark.timeout(900)
def test_nothing_is_lost_when_the_leader_is_killed(tmp_path: Path) -> None:
    puts = [tmp_path / f"put{n}" for n in range(WORKERS)]
    takes = [tmp_path / f"take{n}" for n in range(WORKERS)]
    stop = tmp_path / "stop"
    share = MESSAGES // WORKERS
    running: list[subprocess.Popen[str]] = []
    with cluster(tmp_path) as servers, ExitStack() as stack:
        stack.callback(kill, running)
        url = f"nats://{','.join(server.address for server in servers)}{SETTINGS}"
        with elasticq.connect(url) as queue:
            producers = [start("produce", url, log, n * share, share) for n, log in enumerate(puts)]
            consumers = [start("consume", url, log, stop) for log in takes]
            running += [*producers, *consumers]
            wait_until(lambda: len(numbers(takes, "done ")) >= MESSAGES // 4, "a quarter is done")
            name = leader(servers[0])
            (killed,) = (server for number, server in enumerate(servers) if name == f"n{number}")
            killed.kill()
            began = time.monotonic()
            before = len(numbers(takes, "done "))
            wait_until(lambda: len(numbers(takes, "done ")) > before + 100, "the work goes on")
            outage = time.monotonic() - began
            finish(producers)
            killed.start()
            _wait_for_all(takes)
            wait_until(lambda: queue.depth() == 0, "all are acknowledged")
            assert queue.dead_letters() == []
        stop.touch()
        finish(consumers)
    had = Counter(numbers(takes, "had "))
    acknowledged = numbers(puts)
    assert len(acknowledged) == share * WORKERS
    assert set(acknowledged) <= set(had), "what a put has returned for was delivered"
    again = sum(times - 1 for times in had.values())
    print(f"{len(had)} messages, {again} delivered again, work stood still for {outage:.1f} s")
    # What was on lease or being acknowledged when the leader was lost: a batch or two of each consumer.
    assert again <= 4 * WORKERS * BATCH


def _wait_for_all(takes: list[Path]) -> None:
    deadline = time.monotonic() + 240
    while len(set(numbers(takes, "had "))) < MESSAGES // WORKERS * WORKERS:
        assert time.monotonic() < deadline, "some messages were never delivered"
        time.sleep(0.1)


def test_a_healthy_cluster_delivers_each_item_once(tmp_path: Path) -> None:
    """What the servers say about one request may arrive while the next one is under way."""
    with cluster(tmp_path) as servers:
        url = f"nats://{','.join(server.address for server in servers)}{SETTINGS}"
        with elasticq.connect(url) as queue:
            putting = threading.Thread(target=lambda: [queue.put_many(range(500)) for _ in range(20)])
            putting.start()
            taken = 0
            while taken < 10_000:
                leases = queue.lease_many(500, wait=60)
                assert [lease.deliveries for lease in leases] == [1] * len(leases)
                queue.ack_many(leases)
                taken += len(leases)
            putting.join()


def test_a_lease_that_waits_survives_the_loss_of_the_leader(tmp_path: Path) -> None:
    """Nobody tells a client that its request was lost with a server that it is not connected to."""
    with cluster(tmp_path) as servers:
        url = f"nats://{','.join(server.address for server in servers)}{SETTINGS}"
        with elasticq.connect(url) as queue:
            name = leader(servers[0])
            waiting: list[Any] = []
            thread = threading.Thread(target=lambda: waiting.append(queue.lease(wait=120)))
            thread.start()
            next(server for number, server in enumerate(servers) if name == f"n{number}").kill()
            queue.put("job", id="1")
            thread.join()
            with waiting.pop() as lease:
                assert lease.item == "job"
            wait_until(lambda: queue.depth() == 0, "all servers know that it is done")
