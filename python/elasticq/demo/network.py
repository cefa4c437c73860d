"""How an MQTT client leaves the network."""

from __future__ import annotations

from contextlib import suppress

import paho.mqtt.client as mqtt


def leave(client: mqtt.Client) -> None:
    """Disconnects, and returns when the client's network thread does nothing any more.

    After a disconnect that thread ends by itself. If it does so while `loop_stop` is about to wait for it,
    `loop_stop` of paho-mqtt 2.1 finds no thread any more, and fails.
    """
    client.disconnect()
    with suppress(AttributeError):
        client.loop_stop()
