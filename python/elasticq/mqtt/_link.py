"""A client that is kept connected, in a thread of its own, until it is stopped."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ._address import Address
from ._told import Teller
from ._wire import Wire

_ROUND_SECONDS = 0.5
_SHORTEST_DELAY, _LONGEST_DELAY = 0.25, 30.0
_LONGEST_DELAY_BETWEEN = 1.0
"""The longest delay after a connection that the broker had accepted."""
_LONG_CONNECTION = 10.0
_CONNECT_SECONDS = 10.0
_FOR_EVER = 0xFFFFFFFF
_FINAL = {0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C}
"""Reason codes of a refused connect after which trying again is of no use, if it has never succeeded."""

_SIDES = {"from": "source", "to": "target"}


def made_client(kind: type[Wire], name: str, version: str, address: Address, context: Any) -> Wire:
    """A client for an address, whose session outlives its connections."""
    if version == "5":
        client = kind(CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
    else:
        client = kind(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
    if address.user is not None:
        client.username_pw_set(address.user, address.password)
    if address.tls:
        client.tls_set_context(context)
    client.connect_timeout = _CONNECT_SECONDS
    return client


class Link(threading.Thread):
    """Keeps a client connected. What happens to the connection is told, each thing once.

    `each_round` is called in the thread after each round of the client's loop. If it returns the reason for a
    pause, the link is closed until `may_go_on` says yes.
    """

    def __init__(self, side: str, address: Address, client: Wire, keepalive: int, teller: Teller) -> None:
        super().__init__(name=f"elasticq.mqtt {side}", daemon=True)
        self.side = side
        self.client = client
        self.address = address
        self.each_round: Callable[[], str | None] = lambda: None
        self.may_go_on: Callable[[], bool] = lambda: True
        self.receive_maximum: int | None = None
        self.begins_anew = False
        """Whether the broker is to forget the session at the next connect."""
        self.when_connected: Callable[[], None] = lambda: None
        self.connected = False
        self.failure: str | None = None
        """Why it has given up: a thing that trying again does not mend."""
        self.has_broken = False
        """Whether that is an error of the disk, or a mistake of ours."""
        self.ended = threading.Event()
        """Set when the thread has given up."""
        self._keepalive = keepalive
        self._teller = teller
        self._stopping = threading.Event()
        self._was_connected = False
        self._told = ""
        self._refusal: Any = None
        self._was_up = False
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect

    def stop(self) -> None:
        """Disconnects, and ends the thread."""
        self._stopping.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        try:
            self._keep_connected()
        except Exception as error:  # so that the proxy ends, and does not stand still
            self.failure, self.has_broken = f"{type(error).__name__}: {error}", True
        finally:
            self.ended.set()

    def _keep_connected(self) -> None:
        delay = _SHORTEST_DELAY
        while not self._stopping.is_set():
            begun = time.monotonic()
            if self._connect():
                pause = self._loop()
                self._down()
                if pause is not None:
                    self._pause(pause)
                    continue
            if self.failure is not None:
                return
            if self._was_up:  # one that ends soon each time must not fill the log
                is_long = time.monotonic() - begun > _LONG_CONNECTION
                delay = _SHORTEST_DELAY if is_long else min(delay, _LONGEST_DELAY_BETWEEN)
            self._stopping.wait(delay)
            delay = min(2 * delay, _LONGEST_DELAY)

    def _connect(self) -> bool:
        """Opens the connection. The broker's answer comes in the loop."""
        self._refusal, self._was_up = None, False
        try:
            if self.client.protocol == mqtt.MQTTv5:
                asked = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
                asked.SessionExpiryInterval = _FOR_EVER
                if self.receive_maximum is not None:
                    asked.ReceiveMaximum = self.receive_maximum
                self.client.connect(
                    self.address.host,
                    self.address.port,
                    self._keepalive,
                    clean_start=self.begins_anew,
                    properties=asked,
                )
            else:
                self.client._clean_session = self.begins_anew
                self.client.connect(self.address.host, self.address.port, self._keepalive)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):  # what is between us and a broker that is not there
            self._no_connection("unreachable", "TLS fails: the connection was closed", never_helps=False)
            return False
        except ssl.SSLError as error:
            self._no_connection("unreachable", f"TLS fails: {_text(error)}", never_helps=True)
            return False
        except (OSError, ValueError) as error:
            self._no_connection("unreachable", f"not reachable: {_text(error)}", never_helps=False)
            return False
        return True

    def _loop(self) -> str | None:
        """Runs the client's loop until the connection ends. Returns why to pause, if that is the end."""
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        while code == MQTTErrorCode.MQTT_ERR_SUCCESS and not self._stopping.is_set():
            code = self.client.loop(_ROUND_SECONDS)
            if pause := self.each_round():
                self._leave()
                return pause
        if self._stopping.is_set():
            self._leave()
        return None

    def _leave(self) -> None:
        """Says good-bye, so that the broker keeps the session and waits no longer for this connection."""
        self.client.disconnect()
        self.client.loop_write()

    def _down(self) -> None:
        """The connection has ended."""
        if self._refusal is not None:
            value = self._refusal.value
            text = f"the broker refuses: {self._refusal} (0x{value:02x})"
            self._no_connection("refused", text, never_helps=value in _FINAL)
        elif self.client.version_refused:
            text = "the broker refuses: it does not know this version of MQTT, or no bridges"
            self._no_connection("refused", text, never_helps=True)
        elif not self._was_up and not self._stopping.is_set():
            self._no_connection("unreachable", "the broker does not answer as one of MQTT", never_helps=False)
        self.connected = False

    def _pause(self, reason: str) -> None:
        self._teller.tell("paused", f"{_SIDES[self.side]}: paused: {reason}", side=self.side)
        while not self._stopping.wait(_ROUND_SECONDS):
            if self.may_go_on():
                self._teller.tell("resumed", f"{_SIDES[self.side]}: there is room again", side=self.side)
                return

    def _no_connection(self, event: str, text: str, *, never_helps: bool) -> None:
        if never_helps and not self._was_connected:
            self.failure = f"{_SIDES[self.side]} {self.address}: {text}"
            return
        if text != self._told:
            self._told = text
            line = f"{_SIDES[self.side]} {self.address}: {text}; trying again"
            self._teller.tell(event, line, side=self.side)

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._refusal = reason
            return
        self.connected = self._was_connected = self._was_up = True
        self.begins_anew = False
        self.when_connected()
        self._told = ""
        session = "its session goes on" if flags.session_present else "a new session"
        line = f"{_SIDES[self.side]} {self.address}: connected; {session}"
        self._teller.tell("connected", line, side=self.side, session_present=bool(flags.session_present))

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        was, self.connected = self.connected, False
        if was and not self._stopping.is_set():
            line = f"{_SIDES[self.side]} {self.address}: connection lost: {reason}"
            self._teller.tell("lost", line, side=self.side)


def _text(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not accepted: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
