"""A broker that does what a test tells it: it answers as far as it should, and notes each packet it gets.

No real broker can be made to lose a connection between two given packets.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import NamedTuple

from support import wait_until

CONNECT, PUBLISH, PUBREL, SUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 6, 8, 12, 14


class Packet(NamedTuple):
    """What has come: in which connection, of which kind, with which identifier and payload."""

    connection: int
    kind: int
    mid: int = 0
    payload: bytes = b""
    dup: bool = False


class FakeBroker:
    """Accepts connections one after the other, until the end of its `with`."""

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self.acknowledges = True
        """Whether it answers a PUBLISH."""
        self.completes = True
        """Whether it answers a PUBREL."""
        self.keeps_sessions = True
        """Whether it knows the session when a client comes again."""
        self.poison: bytes | None = None
        """It ends the connection when this payload comes."""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._connection: socket.socket | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> FakeBroker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        with contextlib.suppress(OSError):  # a new client ends the wait for one on every system
            socket.create_connection(("127.0.0.1", self.port)).close()
        self.drop()
        self._thread.join()
        self._listening.close()

    def drop(self) -> None:
        """Ends the present connection."""
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def published(self, connection: int | None = None) -> list[Packet]:
        """The messages that have come, in one connection or in all."""
        return [
            packet
            for packet in list(self.packets)
            if packet.kind == PUBLISH and connection in (None, packet.connection)
        ]

    def wait_for(self, kind: int, count: int) -> None:
        """Returns when so many packets of a kind have come."""

        def came() -> bool:
            return sum(packet.kind == kind for packet in list(self.packets)) >= count

        wait_until(came, f"{count} of kind {kind}")

    def _serve(self) -> None:
        number = 0
        while not self._ended:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._connection = connection
            if self._ended:
                connection.close()
                return
            number += 1
            with connection, connection.makefile("rb") as stream, contextlib.suppress(OSError, EOFError):
                while self._answer(number, connection, *_packet(stream)):
                    pass
            self.drop()

    def _answer(self, number: int, connection: socket.socket, first: int, body: bytes) -> bool:
        kind = first >> 4
        if kind == PUBLISH:
            qos = first >> 1 & 3
            at = 2 + int.from_bytes(body[:2], "big")
            mid = int.from_bytes(body[at : at + 2], "big") if qos else 0
            payload = body[at + 2 if qos else at :]
            self.packets.append(Packet(number, kind, mid, payload, bool(first & 8)))
            if payload == self.poison:
                return False
            if qos and self.acknowledges:
                connection.sendall(bytes([0x40 if qos == 1 else 0x50, 2]) + mid.to_bytes(2, "big"))
            return True
        mid = int.from_bytes(body[:2], "big") if kind in (PUBREL, SUBSCRIBE) else 0
        self.packets.append(Packet(number, kind, mid, body))
        if kind == CONNECT:
            connection.sendall(bytes([0x20, 2, number > 1 and self.keeps_sessions, 0]))
        elif kind == PUBREL and self.completes:
            connection.sendall(b"\x70\x02" + mid.to_bytes(2, "big"))
        elif kind == SUBSCRIBE:
            connection.sendall(b"\x90\x03" + mid.to_bytes(2, "big") + b"\x02")
        elif kind == PINGREQ:
            connection.sendall(b"\xd0\x00")
        return kind != DISCONNECT


def _packet(stream: object) -> tuple[int, bytes]:
    """Reads one packet: its first byte, and its body."""
    read = stream.read  # type: ignore[attr-defined]
    first = read(1)
    if not first:
        raise EOFError
    length = shift = 0
    while True:
        byte = read(1)[0]
        length |= (byte & 127) << shift
        if byte < 128:
            return first[0], read(length)
        shift += 7
