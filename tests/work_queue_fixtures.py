"""Fixtures for what every work queue has to do: a queue in memory, in files or on a NATS server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nats_servers import Server, new_stream
from work_queues import Connect

import elasticq
from elasticq.backends import WorkQueue

SCHEMES = ("memory", "file", "nats")


@pytest.fixture(params=SCHEMES)
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(scheme: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The URL of a queue that is new."""
    if scheme == "nats":
        server: Server = request.getfixturevalue("nats_server")
        return server.url()
    return f"memory://{new_stream()}" if scheme == "memory" else f"{tmp_path.as_uri()}/queue"


@pytest.fixture
def connect(url: str) -> Iterator[Connect]:
    """Opens the queue, which is closed at the end."""
    opened: list[WorkQueue[Any]] = []

    def connect(**settings: Any) -> WorkQueue[Any]:
        opened.append(elasticq.connect(url, **settings))
        return opened[-1]

    yield connect
    for queue in opened:
        queue.close()
