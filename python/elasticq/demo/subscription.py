"""The MQTT client that subscribes to all messages of the demo, under one name, so its session outlives it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from elasticq.demo import DemoError, message, network

_CONNECT_SECONDS = 30.0


class Subscription:
    """A client that hands each message to `receive`, in its network thread.

    With `manual_ack`, the broker keeps a message of QoS 1 until `acknowledge`, and hands it over again if the
    process has ended before.
    """

    def __init__(
        self, port: int, qos: int, receive: Callable[[mqtt.MQTTMessage], None], manual_ack: bool = False
    ) -> None:
        self._qos = qos
        self._receive = receive
        self._granted = threading.Event()
        self._refusal = ""
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id="elasticq-demo-subscriber",
            clean_session=False,
            manual_ack=manual_ack,
        )
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = lambda _client, _userdata, delivery: self._receive(delivery)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def wait_until_granted(self) -> None:
        """Returns when the broker has granted the subscription."""
        if not self._granted.wait(_CONNECT_SECONDS):
            raise DemoError(f"no subscription to {message.TOPIC_FILTER} within {_CONNECT_SECONDS:g} s")
        if self._refusal:
            raise DemoError(f"the broker refused to subscribe {message.TOPIC_FILTER}: {self._refusal}")

    def acknowledge(self, delivery: mqtt.MQTTMessage) -> None:
        """Tells the broker that it need not keep the message any longer. Any thread may call this."""
        self._client.ack(delivery.mid, delivery.qos)

    def close(self) -> None:
        """Disconnects. When this returns, no message is on its way to `receive`."""
        network.leave(self._client)

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe(message.TOPIC_FILTER, qos=self._qos)

    def _on_subscribe(self, client: mqtt.Client, userdata: Any, mid: int, codes: list[Any], *_: Any) -> None:
        self._refusal = ", ".join(str(code) for code in codes if code.is_failure)
        self._granted.set()
