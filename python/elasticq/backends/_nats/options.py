"""What a URL of a queue on NATS and its settings say."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import SplitResult, unquote

from elasticq._errors import InvalidConfiguration

from .._settings import seconds, settings_of, text, whole

DEFAULT_PORT = 4222
LONGEST = 365 * 86_400.0
"""Seconds: the longest time that a setting may be."""


def _context(value: Any) -> ssl.SSLContext:
    if not isinstance(value, ssl.SSLContext):
        raise TypeError("it must be an ssl.SSLContext, as a keyword")
    return value


_READERS = {
    "ca": text,
    "cert": text,
    "consumer": text,
    "creds": text,
    "duplicate_window": seconds(0.1),
    "key": text,
    "max_deliveries": whole(1),
    "max_depth": whole(1),
    "nkey": text,
    "password": text,
    "put_timeout": seconds(),
    "replicas": whole(1),
    "subject": text,
    "timeout": seconds(beyond=True),
    "tls": _context,
    "tls_hostname": text,
    "token": text,
    "ttl": seconds(0.1),
    "user": text,
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where the queue is, and all its settings. None where nothing was said."""

    shown: str
    """The URL without a password, for people."""
    servers: tuple[str, ...]
    stream: str
    subject: str
    consumer: str
    timeout: float
    put_timeout: float
    ttl: float | None
    max_deliveries: int | None
    max_depth: int | None
    replicas: int | None
    duplicate_window: float | None
    user: str | None
    password: str | None
    token: str | None
    nkey: str | None
    creds: str | None
    tls: ssl.SSLContext | None
    tls_hostname: str | None


def options_of(url: str, parts: SplitResult, keywords: Mapping[str, Any]) -> Options:
    """Reads `scheme://[user:password@]host[:port][,host...]/stream?settings`."""
    found = settings_of(parts.scheme, parts.query, keywords, _READERS)
    credentials, _, hosts = parts.netloc.rpartition("@")
    servers = tuple(_server(host) for host in hosts.split(","))
    stream = _name("stream", unquote(parts.path).strip("/"))
    shown = f"{parts.scheme}://{hosts}/{stream}"
    if credentials:
        name, colon, password = credentials.partition(":")
        inside = {"user": unquote(name), "password": unquote(password)} if colon else {"token": unquote(name)}
        for setting, value in inside.items():
            if setting in found:
                raise InvalidConfiguration(f"{shown} has a {setting} of its own; {setting!r} was given twice")
            found[setting] = value
    _check_credentials(shown, found)
    encrypted = parts.scheme != "nats" or any(name in found for name in ("tls", "ca", "cert"))
    return Options(
        shown=shown,
        servers=tuple(f"{'tls' if encrypted else 'nats'}://{server}" for server in servers),
        stream=stream,
        subject=_subject(found.get("subject", stream)),
        consumer=_name("consumer", found.get("consumer", "workers")),
        timeout=found.get("timeout", 10.0),
        put_timeout=found.get("put_timeout", 0.0),
        tls=_tls(shown, found) if encrypted else None,
        **{
            name: found.get(name)
            for name in (
                "ttl",
                "max_deliveries",
                "max_depth",
                "replicas",
                "duplicate_window",
                "user",
                "password",
                "token",
                "nkey",
                "creds",
                "tls_hostname",
            )
        },
    )


def _server(host: str) -> str:
    """`host:port`; the port may be left out."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, str(DEFAULT_PORT)
    if not name or not port.isdigit() or not 0 < int(port) < 65_536:
        raise InvalidConfiguration(f"{host!r} is no server: write host:port, and a comma between two of them")
    return f"{name}:{port}"


def _name(what: str, name: str) -> str:
    """A name as JetStream allows it."""
    if not name:
        raise InvalidConfiguration(f"the URL names no {what}: write nats://host:port/{what}")
    if set(name) & set(".*>/\\ \t\r\n") or not name.isprintable() or len(name) > 200:
        raise InvalidConfiguration(
            f"{name!r} can't name a {what}: it must be up to 200 characters, without spaces and '.*>/\\'"
        )
    return name


def _subject(subject: str) -> str:
    """A subject that messages can be sent to."""
    if not subject.isprintable() or any(not word or set(word) & set("*> ") for word in subject.split(".")):
        raise InvalidConfiguration(
            f"the subject {subject!r} can't be sent to: it must be words with '.' between, no '*' and no '>'"
        )
    return subject


def _check_credentials(shown: str, found: Mapping[str, Any]) -> None:
    ways = [way for way in ("user", "token", "nkey", "creds") if way in found]
    if len(ways) > 1:
        raise InvalidConfiguration(f"{shown} was given more than one credential: {', '.join(ways)}")
    if ("password" in found) != ("user" in found):
        raise InvalidConfiguration(f"{shown} needs 'user' and 'password', or neither")
    if ("cert" in found) != ("key" in found):
        raise InvalidConfiguration(f"{shown} needs 'cert' and 'key', or neither")
    if "tls" in found and ("ca" in found or "cert" in found):
        raise InvalidConfiguration(f"{shown} was given 'tls' and a file of a certificate: one says it all")
    for way in ("nkey", "creds"):
        if way in found:
            _need_nkeys(shown, way)
            _readable(shown, way, found[way])


def _need_nkeys(shown: str, way: str) -> None:
    try:
        import_module("nkeys")
    except ModuleNotFoundError:
        raise ImportError(
            f"{shown} with {way!r} needs the package nkeys: pip install 'elasticq[nats-nkeys]'", name="nkeys"
        ) from None


def _readable(shown: str, setting: str, path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise InvalidConfiguration(
            f"the file {setting!r} of {shown} can't be read: {error.strerror}: {path!r}"
        ) from error


def _tls(shown: str, found: Mapping[str, Any]) -> ssl.SSLContext:
    """How to encrypt: as the system does by default, with the files that were named."""
    if "tls" in found:
        context: ssl.SSLContext = found["tls"]
        return context
    for setting in ("ca", "cert", "key"):
        if setting in found:
            _readable(shown, setting, found[setting])
    try:
        context = ssl.create_default_context(cafile=found.get("ca"))
        if "cert" in found:
            context.load_cert_chain(found["cert"], found["key"])
    except (ssl.SSLError, OSError) as error:
        files = ", ".join(f"{name} {found[name]!r}" for name in ("ca", "cert", "key") if name in found)
        raise InvalidConfiguration(f"the certificates of {shown} can't be used ({files}): {error}") from error
    return context
