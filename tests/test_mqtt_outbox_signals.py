"""`Outbox` and signal handlers, which run in the middle of what their thread does."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from mqtt_outboxes import made_client

from elasticq.mqtt import Outbox


@pytest.fixture
def client() -> mqtt.Client:
    """A client that is never connected."""
    return made_client()


def test_a_signal_handler_may_publish_while_its_thread_does(client: mqtt.Client, tmp_path: Path) -> None:
    with Outbox(client, tmp_path / "outbox", sync_mode="no_sync", max_disk=4 << 20) as outbox:
        numbers: list[int] = []

        def handler(frame: FrameType, event: str, _argument: object) -> Any:
            """Publishes at each line that the outbox itself runs, as a handler may at any of them."""
            if not frame.f_code.co_filename.endswith("_outbox.py"):
                return None
            if event == "line":
                sys.settrace(None)
                numbers.append(outbox.publish("t", "handler"))
                sys.settrace(handler)
            return handler

        before = sys.gettrace()
        sys.settrace(handler)
        try:
            numbers.append(outbox.publish("t", "thread"))
        finally:
            sys.settrace(before)
        assert len(numbers) > 10
        assert len(set(numbers)) == len(numbers) == outbox.depth


def test_a_signal_handler_that_publishes_takes_no_id_of_another(
    client: mqtt.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Outbox(client, tmp_path / "outbox", sync_mode="no_sync") as outbox:
        monkeypatch.setattr(time, "time_ns", partial(int, outbox._ids(1)))  # the clock stands
        numbers: list[int] = []

        def handler(frame: FrameType, event: str, _argument: object) -> None:
            """Publishes after each call that the outbox makes: there Python calls handlers."""
            if event == "c_return" and frame.f_code.co_filename.endswith("_outbox.py"):
                sys.setprofile(None)
                numbers.append(outbox.publish("t", "handler"))
                sys.setprofile(handler)

        sys.setprofile(handler)
        try:
            numbers.append(outbox.publish("t", "thread"))
        finally:
            sys.setprofile(None)
        assert len(numbers) > 3
        assert len(set(numbers)) == len(numbers) == outbox.depth
