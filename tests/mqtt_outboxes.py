"""What the tests of the outbox share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion


def made_client(name: str = "outbox", version: str = "3.1.1") -> mqtt.Client:
    """A client as a program makes it, whose session lives on."""
    if version == "5":
        return mqtt.Client(CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5)
    return mqtt.Client(CallbackAPIVersion.VERSION2, name, clean_session=False)


class Watched:
    """A queue that calls a function before one of its methods."""

    def __init__(self, queue: Any, method: str, before: Callable[[], object]) -> None:
        self._queue, self._method, self._before = queue, method, before

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._queue, name)
        if name != self._method:
            return method

        def watched(*arguments: Any, **settings: Any) -> Any:
            self._before()
            return method(*arguments, **settings)

        return watched

    def __len__(self) -> int:
        return len(self._queue)
