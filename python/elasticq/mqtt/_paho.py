"""What this package needs of paho's client beyond its public interface, all in one place.

It is little, the same in paho-mqtt 2.1 and 2.2, and held together by the tests of the outbox:

- packet identifiers of one's own choice for QoS 2, and the mark of a message that is sent again (`Sending`);
- taking a message back that the client keeps to send it again (`forget`), and sending it from the start if
  the broker has lost its session (`begin_anew`);
- waking the client's loop from another thread if the program runs `loop_forever` (`make_wakeable`).
"""

from __future__ import annotations

import socket
import threading
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MessageState, MQTTErrorCode
from paho.mqtt.properties import Properties

from elasticq import AlreadyOpen

FIRST_CHOSEN = 0x8000
"""Packet identifiers from here on belong to the outbox; those below to everybody else."""


class Sending:
    """Lets one thread choose the packet identifiers of its messages, and mark them as sent before.

    A broker knows an unfinished message of QoS 2 by its packet identifier, for as long as the session lives.
    paho starts at 1 in each process. So after a restart a new message could have the identifier of an old
    one, and be taken for it; and the old one could get a new identifier, and arrive twice.
    """

    def __init__(self, client: mqtt.Client) -> None:
        """Raises AlreadyOpen if there is one for the client: both would choose the same identifiers."""
        if isinstance(getattr(client._mid_generate, "__self__", None), Sending):
            name = client._client_id.decode("utf-8", "replace")
            raise AlreadyOpen(f"the client {name!r} serves another outbox, which is not closed")
        self._client = client
        self._others = client._mid_generate
        self._send = client._send_publish
        self._lock = threading.Lock()
        self._thread = 0
        self._mid = 0
        self._is_again = False
        client._mid_generate = self._next_mid  # type: ignore[method-assign]
        client._send_publish = self._send_publish  # type: ignore[method-assign]

    def choose(self, mid: int, *, is_again: bool) -> None:
        """From now on this thread's messages have this identifier (0: as usual), and this flag."""
        self._thread = threading.get_ident()
        self._mid, self._is_again = mid, is_again

    def release(self) -> None:
        """Leaves the client as it was."""
        for name, ours in (("_mid_generate", self._next_mid), ("_send_publish", self._send_publish)):
            if vars(self._client).get(name) == ours:
                delattr(self._client, name)

    def _next_mid(self) -> int:
        if self._mid and threading.get_ident() == self._thread:
            return self._mid
        with self._lock:
            mid = self._others()
            if mid >= FIRST_CHOSEN:
                self._client._last_mid = 0
                mid = self._others()
            return mid

    def _send_publish(  # noqa: PLR0917 - as it is in paho
        self,
        mid: int,
        topic: bytes,
        payload: bytes | bytearray = b"",
        qos: int = 0,
        retain: bool = False,
        dup: bool = False,
        info: mqtt.MQTTMessageInfo | None = None,
        properties: Properties | None = None,
    ) -> MQTTErrorCode:
        if self._is_again and qos and threading.get_ident() == self._thread:
            dup = True
        return self._send(mid, topic, payload, qos, retain, dup, info, properties)


def forget(client: mqtt.Client, mid: int) -> bool:
    """Takes back a message that the client would send again after the next connect.

    One of QoS 2 that the broker has received already stays: what is left to do for it is to release it.

    Returns:
        Whether the client has it no longer.
    """
    with client._out_message_mutex:
        message = client._out_messages.get(mid)
        if message is None:
            return True
        if message.state in (
            MessageState.MQTT_MS_WAIT_FOR_PUBCOMP,
            MessageState.MQTT_MS_RESEND_PUBREL,
        ):
            return False
        if message.state in (MessageState.MQTT_MS_WAIT_FOR_PUBACK, MessageState.MQTT_MS_WAIT_FOR_PUBREC):
            client._inflight_messages -= 1
        del client._out_messages[mid]
        return True


def begin_anew(client: mqtt.Client) -> None:
    """The broker has forgotten the session: what it had received and not passed on is gone with it.

    paho would only release that. So it is sent again from the start. Call it in `on_connect`.
    """
    with client._out_message_mutex:
        for message in client._out_messages.values():
            if message.state == MessageState.MQTT_MS_RESEND_PUBREL:
                message.state = MessageState.MQTT_MS_PUBLISH
                message.dup = True


def make_wakeable(client: mqtt.Client) -> None:
    """Lets another thread publish while the program runs `loop_forever` or `loop`. Call it in that loop.

    Without that, paho writes to the socket from the thread that publishes, at the same time as the loop. And
    the loop, which nothing wakes, sends what waits only a second later.
    """
    if client._thread is not None:  # after loop_start paho does all that itself
        return
    if client.on_socket_register_write is None:
        client.on_socket_register_write = _leave_it_to_the_loop
    if client._sockpairR is None:
        client._sockpairR, client._sockpairW = socket.socketpair()
        client._sockpairR.setblocking(False)
        client._sockpairW.setblocking(False)


def _leave_it_to_the_loop(client: mqtt.Client, userdata: Any, sock: Any) -> None:
    """Being there is all: then paho does not write in the thread that publishes."""
