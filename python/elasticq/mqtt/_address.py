"""Where a broker is, and how it knows us: URLs, users, passwords and certificates."""

from __future__ import annotations

import os
import re
import socket
import ssl
from typing import NamedTuple
from urllib.parse import unquote

from elasticq.cli.common import CommandError, text_of

_URL = re.compile(
    r"(?P<scheme>[a-z]+)://(?:(?P<user>[^@/]*)@)?(?P<host>\[[^\]/]+\]|[^:@/\[\]]+)(?::(?P<port>\d+))?/?"
)
_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Address(NamedTuple):
    """A broker. The password is in no text that is made of it."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"

    def __repr__(self) -> str:
        return str(self)


def parse(text: str) -> Address:
    """The broker that a URL names: mqtt:// or mqtts://, with [USER[:PASSWORD]@]HOST[:PORT].

    Raises:
        ValueError: It is no such URL. The text does not repeat a password.
    """
    scheme, _, rest = text.partition("://")
    shown = text
    if "@" in text:  # a password may have any character, in an URL that is wrong
        shown = f"{scheme}://" if rest and "@" not in scheme else ""
        shown += f"…@{text.rpartition('@')[2]}"
        scheme = scheme.rpartition("@")[2]
    if "://" in text and scheme not in _PORTS:
        raise ValueError(f"{shown!r} has the scheme {scheme!r}: must be mqtt or mqtts")
    match = _URL.fullmatch(text)
    if match is None:
        raise ValueError(f"{shown!r} is no address of a broker: must be like mqtt://host:1883")
    port = int(match["port"]) if match["port"] else _PORTS[scheme]
    if not 1 <= port <= 65_535:
        raise ValueError(f"{shown!r} has the port {port}: must be from 1 to 65535")
    user, password = None, None
    if match["user"]:
        name, colon, secret = match["user"].partition(":")
        user, password = unquote(name), unquote(secret) if colon else None
    return Address(match["host"].strip("[]"), port, scheme == "mqtts", user, password)


def with_credentials(address: Address, side: str, user: str | None, password_file: str | None) -> Address:
    """The address with user and password. Options come before the URL, and the URL before the environment.

    `side` is FROM or TO, as in ELASTICQ_FROM_USER.
    """
    name = user or address.user or os.environ.get(f"ELASTICQ_{side}_USER")
    secret = address.password or os.environ.get(f"ELASTICQ_{side}_PASSWORD")
    if password_file is not None:
        try:
            with open(password_file, encoding="utf-8") as file:
                secret = file.read().rstrip("\r\n")
        except OSError as error:
            raise CommandError(text_of(error)) from error
        except UnicodeDecodeError as error:
            raise CommandError(f"{password_file}: no text in UTF-8") from error
    if secret is not None and name is None:
        raise CommandError(f"there is a password for {address}, but no user")
    return address._replace(user=name, password=secret)


def tls_context(ca: str | None, cert: str | None, key: str | None) -> ssl.SSLContext:
    """What is needed to check a broker's certificate, and to show our own."""
    if key is not None and cert is None:
        raise CommandError(f"there is the key {key}, but no certificate")
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise CommandError(f"{ca}: no certificates in it: {_reason(error)}") from error
    if cert is not None:
        try:
            context.load_cert_chain(cert, key)
        except (OSError, ssl.SSLError) as error:
            names = cert if key is None else f"{cert}, {key}"
            raise CommandError(f"{names}: no certificate with its key: {_reason(error)}") from error
    return context


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def are_the_same(one: Address, other: Address) -> bool:
    """Whether two addresses lead to one broker, as far as names tell."""
    if one.port != other.port:
        return False
    return one.host.lower() == other.host.lower() or bool(_numbers(one) & _numbers(other))


def _numbers(address: Address) -> set[str]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError:  # it may be known later
        return set()
    numbers = {str(entry[4][0]) for entry in found}
    return {"loopback" if number == "::1" or number.startswith("127.") else number for number in numbers}
