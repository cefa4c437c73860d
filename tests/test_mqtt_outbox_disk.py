"""`Outbox` at the limit of its disk: what is refused, what is dropped, and what stays."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from mqtt_outboxes import Watched, made_client

import elasticq
from elasticq.mqtt import Message, Outbox, OutboxFull
from elasticq.mqtt._entry import Entry


@pytest.fixture
def client() -> mqtt.Client:
    """A client that is never connected."""
    return made_client()


async def test_a_task_waits_for_room_without_blocking_the_event_loop(
    client: mqtt.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Outbox(client, tmp_path / "outbox", max_disk=4 << 20) as outbox:
        threads = []
        queue = Watched(outbox._queues[1], "compact", lambda: threads.append(threading.current_thread()))
        monkeypatch.setitem(outbox._queues, 1, queue)
        with pytest.raises(OutboxFull):
            await outbox.apublish("t", bytes(5 << 20))
    assert threads
    assert threading.current_thread() not in threads


def fill(outbox: Outbox) -> OutboxFull:
    """Publishes until there is no room."""
    while True:
        try:
            outbox.publish("t", bytes(10_000))
        except OutboxFull as error:
            return error


def test_the_disk_limit_refuses_or_drops_the_oldest_of_the_lowest_qos(
    client: mqtt.Client, tmp_path: Path
) -> None:
    limit = 4 * 1024 * 1024
    with Outbox(client, tmp_path / "a", sync_mode="no_sync", max_disk=limit) as outbox:
        refusal = fill(outbox)
        assert "max_disk is 4,194,304" in str(refusal)
        held = outbox.depth
        assert held > 200
    with Outbox(client, tmp_path / "a", max_disk=limit, overflow="drop_oldest") as outbox:
        newest = [outbox.publish("t", bytes(10_000), 2) for _ in range(50)]
        assert outbox.depth < held + 50
        assert len(outbox._queues[2]) == len(newest)


@pytest.mark.parametrize("size", [20, 1_000, 60_000])
@pytest.mark.parametrize("sync_mode", ["no_sync", "every_write", elasticq.SyncMode.periodic(60)], ids=str)
def test_at_the_limit_most_of_what_is_stored_stays(
    sync_mode: Any, size: int, client: mqtt.Client, tmp_path: Path
) -> None:
    limit = 4 * 1024 * 1024
    at_once = max(50_000 // size, 1)
    with Outbox(
        client, tmp_path / "a", sync_mode=sync_mode, max_disk=limit, overflow="drop_oldest"
    ) as outbox:
        most = published = 0
        while published * (size + 50) < 3 * limit:
            before = outbox.depth
            outbox.publish_batch([Message("t", bytes(size))] * at_once)
            most = max(most, before + at_once - outbox.depth)
            published += at_once
        assert 0 < most < before / 3
        assert outbox.depth * (size + 50) > limit / 2


async def test_tasks_that_wait_for_room_drop_no_more_than_one_alone_and_each_keeps_its_order(
    client: mqtt.Client, tmp_path: Path
) -> None:
    limit = 16 * 1024 * 1024
    with Outbox(
        client, tmp_path / "a", sync_mode="no_sync", max_disk=limit, overflow="drop_oldest"
    ) as outbox:

        async def publish_some() -> list[int]:
            return [await outbox.apublish("t", bytes(4_000)) for _ in range(5)]

        while outbox._has_room(50_000):
            outbox.publish("t", bytes(4_000))
        before = outbox.depth
        published = await asyncio.gather(*(publish_some() for _ in range(8)))
        assert before + 40 - outbox.depth < before / 4
        ids = [Entry.unpack(item).id for item in outbox._queues[1]]
        for mine in published:
            assert [number for number in ids if number in mine] == mine


async def test_the_id_of_a_task_that_waits_for_room_is_newer_than_what_goes_before_it(
    client: mqtt.Client, tmp_path: Path
) -> None:
    limit = 4 * 1024 * 1024
    with Outbox(
        client, tmp_path / "a", sync_mode="no_sync", max_disk=limit, overflow="drop_oldest"
    ) as outbox:
        while outbox._has_room(4_100):
            outbox.publish("t", bytes(4_000))
        with outbox._making_room:  # so the task waits for its turn
            waiting = asyncio.create_task(outbox.apublish("t", bytes(4_000)))
            await asyncio.sleep(0)
            before = outbox._ids(1)
        assert await waiting > before


def test_what_can_never_fit_drops_nothing(client: mqtt.Client, tmp_path: Path) -> None:
    limit = 4 * 1024 * 1024
    with Outbox(
        client, tmp_path / "a", sync_mode="no_sync", max_disk=limit, overflow="drop_oldest"
    ) as outbox:
        outbox.publish("t", "small")
        with pytest.raises(OutboxFull):
            outbox.publish("t", bytes(limit + 1))
        assert outbox.depth == 1
