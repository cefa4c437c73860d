"""A client of paho that reads and writes many packets with one call of the system.

paho reads a packet with three calls, the first two for a byte each, and writes each packet with one. Here a
buffer stands between paho and its socket.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_READ = 16_384
"""So many bytes are asked for at a time."""
_MOST_READS = 1
"""After so many reads what has come is dealt with, however much more there is: it is what comes twice if the
process is killed just then."""
_MOST_UNSENT = 262_144
"""If more bytes than that wait to be written, they are written before others come."""
_FAILURE = 0x80
"""Reason codes from here on are refusals."""
_PUBACK, _PUBCOMP = 0x40, 0x70
_REFUSED_VERSION = 1


class BufferedSocket:
    """A socket that does not block, with a buffer in each direction: what paho needs of a socket."""

    def __init__(self, inner: socket.socket) -> None:
        self.inner = inner
        self._read = b""
        self._at = 0
        self._unsent = bytearray()

    def recv(self, size: int) -> bytes:
        """Some bytes. Reads from the system only if the buffer is empty."""
        begin = self._at
        if begin == len(self._read):
            self._read = self.inner.recv(max(size, _READ))
            begin = 0
        found = self._read[begin : begin + size]
        self._at = begin + len(found)
        return found

    def pending(self) -> int:
        """How many bytes can be had without waiting."""
        inside = self.inner.pending() if isinstance(self.inner, ssl.SSLSocket) else 0
        return len(self._read) - self._at + inside

    def take(self, taker: Callable[[int, bytes], MQTTErrorCode | None]) -> MQTTErrorCode:
        """Hands over whole packets, command and body, until one is not taken or an error comes of it."""
        read, at, size = self._read, self._at, len(self._read)
        code: MQTTErrorCode | None = MQTTErrorCode.MQTT_ERR_SUCCESS
        while code == MQTTErrorCode.MQTT_ERR_SUCCESS and at + 1 < size:
            length, begin = read[at + 1], at + 2
            if length > 127:
                length &= 127
                shift = 7
                while begin < size:
                    byte = read[begin]
                    begin += 1
                    length |= (byte & 127) << shift
                    shift += 7
                    if byte < 128 or shift > 21:
                        break
                else:
                    break
            end = begin + length
            if end > size:
                break
            code = taker(read[at], read[begin:end])
            if code is not None:
                at = self._at = end
        return MQTTErrorCode.MQTT_ERR_SUCCESS if code is None else code

    def send(self, some: bytes | bytearray) -> int:
        """Keeps bytes to be written by `flush`."""
        if len(self._unsent) >= _MOST_UNSENT:
            self.flush()
            if len(self._unsent) >= _MOST_UNSENT:
                raise BlockingIOError
        self._unsent += some
        return len(some)

    @property
    def unsent(self) -> int:
        """How many bytes wait to be written."""
        return len(self._unsent)

    def flush(self) -> None:
        """Writes what the system takes now."""
        while self._unsent:
            try:
                done = self.inner.send(self._unsent)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            del self._unsent[:done]

    def close(self) -> None:
        """Writes what the system takes, the word of good-bye being the last, and closes."""
        with contextlib.suppress(OSError):
            self.flush()
        self.inner.close()

    def fileno(self) -> int:
        return self.inner.fileno()

    def setblocking(self, flag: bool) -> None:
        self.inner.setblocking(flag)


class Wire(mqtt.Client):
    """paho's client over such a socket, with a short way for the packets that come in great numbers.

    It also reports a refusal of QoS 2, which paho passes over.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._is_woken = False
        self.version_refused = False
        """Whether the broker does not know this version of MQTT."""
        self._success = ReasonCode(PacketTypes.PUBACK)
        self._nothing = Properties(PacketTypes.PUBACK)  # type: ignore[no-untyped-call]

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Reads packets until the buffer has none that is whole, or until some 32 KiB were read."""
        code = super().loop_read()
        for _ in range(_MOST_READS):
            wire = self._sock
            if code != MQTTErrorCode.MQTT_ERR_SUCCESS or not isinstance(wire, BufferedSocket):
                break
            if not wire.pending():
                break
            if self._in_packet["command"] == 0:
                code = wire.take(self._take)
            if code == MQTTErrorCode.MQTT_ERR_SUCCESS and wire.pending():
                code = super().loop_read()
        return code

    def loop_write(self) -> MQTTErrorCode:
        """Writes packets, many with one call."""
        self._is_woken = False
        code = super().loop_write()
        wire = self._sock
        if isinstance(wire, BufferedSocket):
            try:
                wire.flush()
            except OSError:
                return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        return code

    def want_write(self) -> bool:
        """Whether something waits to be written."""
        wire = self._sock
        return super().want_write() or (isinstance(wire, BufferedSocket) and wire.unsent > 0)

    def _take(self, command: int, body: bytes) -> MQTTErrorCode | None:
        """Deals with a packet. None: paho is to do it."""
        if command not in (_PUBACK, _PUBCOMP) or len(body) != 2:
            return None
        mid = body[0] << 8 | body[1]
        with self._out_message_mutex:
            if mid not in self._out_messages:
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            return self._do_on_publish(mid, self._success, self._nothing)

    def _packet_queue(
        self,
        command: int,
        packet: bytes | bytearray,
        mid: int,
        qos: int,
        info: mqtt.MQTTMessageInfo | None = None,
    ) -> MQTTErrorCode:
        """Leaves a packet to the loop, and wakes it once for all packets that wait."""
        self._out_packet.append(
            {
                "command": command,
                "mid": mid,
                "qos": qos,
                "pos": 0,
                "to_process": len(packet),
                "packet": packet,
                "info": info,
            }
        )
        if not self._is_woken and self._sockpairW is not None:
            self._is_woken = True
            with contextlib.suppress(BlockingIOError):
                self._sockpairW.send(b"\0")
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _create_socket(self) -> Any:
        self._is_woken = False
        return BufferedSocket(super()._create_socket())  # type: ignore[arg-type]

    def _handle_connack(self) -> MQTTErrorCode:
        """Does not try an older version of MQTT, as paho does: nobody has asked for that."""
        packet = self._in_packet["packet"]
        if self._protocol != mqtt.MQTTv5 and len(packet) == 2 and packet[1] == _REFUSED_VERSION:
            self.version_refused = True
            return MQTTErrorCode.MQTT_ERR_CONN_REFUSED
        return super()._handle_connack()

    def _handle_pubrec(self) -> MQTTErrorCode:
        packet = self._in_packet["packet"]
        if self._protocol != mqtt.MQTTv5 or len(packet) < 3 or packet[2] < _FAILURE:
            return super()._handle_pubrec()
        mid = int.from_bytes(packet[:2], "big")
        with self._out_message_mutex:
            if mid not in self._out_messages:
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            reason = ReasonCode(PacketTypes.PUBREC, identifier=packet[2])
            return self._do_on_publish(mid, reason, self._nothing)
