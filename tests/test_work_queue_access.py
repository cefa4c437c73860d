"""Who may use a work queue on NATS: certificates, passwords, tokens, NKEYs, and what is refused at once."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from nats_jwts import Operator
from nats_servers import Server, need
from support import python

import elasticq
from elasticq import InvalidConfiguration, connect
from elasticq.backends import AccessDenied, Unreachable, WorkQueue

AT_ONCE = 20.0
"""Seconds: far less than the timeout of the calls here, and far more than an error takes."""

PATIENT = 120.0


NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"


class Certificates:
    """An authority, and what it has signed. Made by the command openssl."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.ca = self.folder / "ca.pem"
        self._key = self.folder / "ca.key"
        use = "keyUsage=critical,keyCertSign,cRLSign"  # Python 3.13 and newer look at it
        self._run(
            f"req -x509 {NEW_KEY} -keyout {self._key} -out {self.ca} -days 2 -subj /CN={name} -addext {use}"
        )

    def sign(self, name: str, alternative: str) -> tuple[Path, Path]:
        """The files of a certificate and its key."""
        request, cert, key, more = (self.folder / f"{name}.{kind}" for kind in ("csr", "pem", "key", "ext"))
        more.write_text(f"subjectAltName={alternative}\nauthorityKeyIdentifier=keyid\n", encoding="utf-8")
        self._run(f"req {NEW_KEY} -keyout {key} -out {request} -subj /CN={name}")
        self._run(
            f"x509 -req -in {request} -CA {self.ca} -CAkey {self._key} -CAcreateserial -out {cert} -days 2 "
            f"-extfile {more}"
        )
        return cert, key

    def _run(self, words: str) -> None:
        subprocess.run(["openssl", *words.split()], check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    need("the command openssl", shutil.which("openssl"))
    return Certificates(tmp_path_factory.mktemp("certificates"), "authority")


def tls(cert: Path, key: Path, more: str = "") -> str:
    """The lines of a server's configuration for TLS."""
    return f'tls {{ cert_file: "{cert.as_posix()}", key_file: "{key.as_posix()}" {more} }}'


@pytest.fixture(scope="module")
def encrypted(authority: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that speaks TLS only."""
    pair = authority.sign("server", "IP:127.0.0.1,DNS:localhost")
    with Server(tmp_path_factory.mktemp("tls") / "server", tls(*pair)) as server:
        yield server


def works(queue: WorkQueue[Any]) -> bool:
    """Whether an item goes through a queue."""
    with queue:
        queue.put("job")
        with queue.lease(wait=60) as lease:
            return bool(lease.item == "job")


@contextmanager
def denied_at_once(text: str) -> Iterator[None]:
    """What is done inside is refused at once, with the reason, and not tried again."""
    began = time.monotonic()
    with pytest.raises(AccessDenied) as caught:
        yield
    assert time.monotonic() - began < AT_ONCE
    assert text.lower() in str(caught.value).lower()
    assert isinstance(caught.value, PermissionError)
    assert not caught.value.is_retriable


def denied(url: str, text: str, **settings: Any) -> None:
    """The queue can't be opened."""
    with denied_at_once(text):
        connect(url, timeout=PATIENT, **settings)


@pytest.mark.parametrize("scheme", ["tls", "nats+tls"])
def test_a_connection_is_encrypted(encrypted: Server, authority: Certificates, scheme: str) -> None:
    assert works(connect(encrypted.url(scheme=scheme), ca=authority.ca))
    assert works(connect(encrypted.url(query=f"?ca={authority.ca.as_posix()}", scheme=scheme)))


def test_a_file_of_certificates_means_encryption_whatever_the_scheme(
    encrypted: Server, authority: Certificates
) -> None:
    assert works(connect(encrypted.url(), ca=authority.ca))


def test_a_context_may_be_given(encrypted: Server, authority: Certificates) -> None:
    context = ssl.create_default_context(cafile=str(authority.ca))
    assert works(connect(encrypted.url(scheme="tls"), tls=context))
    with pytest.raises(InvalidConfiguration, match=r"it must be an ssl.SSLContext"):
        connect(encrypted.url(scheme="tls"), tls="yes")
    with pytest.raises(InvalidConfiguration, match="one says it all"):
        connect(encrypted.url(scheme="tls"), tls=context, ca=authority.ca)


def test_a_certificate_of_an_unknown_authority_is_refused_at_once(encrypted: Server) -> None:
    denied(encrypted.url(scheme="tls"), "certificate verify failed")


def test_what_is_refused_is_an_error_and_nothing_is_printed(encrypted: Server) -> None:
    output = python(f"""
        import gc, elasticq
        try:
            elasticq.connect({encrypted.url(scheme="tls")!r})
        except elasticq.QueueError as error:
            print(type(error).__name__)
        gc.collect()
        """)
    assert output == "AccessDenied\n"


def test_a_certificate_for_another_name_is_refused_at_once(
    authority: Certificates, encrypted: Server, tmp_path: Path
) -> None:
    pair = authority.sign("elsewhere", "DNS:elsewhere.example")
    with Server(tmp_path / "elsewhere", tls(*pair)) as server:
        denied(server.url(scheme="tls"), "IP address mismatch", ca=authority.ca)
        assert works(connect(server.url(scheme="tls"), ca=authority.ca, tls_hostname="elsewhere.example"))
    denied(encrypted.url(scheme="tls"), "Hostname mismatch", ca=authority.ca, tls_hostname="other.example")


def test_a_server_can_ask_for_a_certificate(authority: Certificates, tmp_path: Path) -> None:
    pair = authority.sign("both", "IP:127.0.0.1")
    cert, key = authority.sign("client", "DNS:client")
    stranger, stranger_key = Certificates(tmp_path, "strangers").sign("client", "DNS:client")
    demand = f', ca_file: "{authority.ca.as_posix()}", verify: true'
    with Server(tmp_path / "both", tls(*pair, demand)) as server:
        url = server.url(scheme="tls")
        assert works(connect(url, ca=authority.ca, cert=cert, key=key))
        denied(url, "", ca=authority.ca)
        denied(url, "", ca=authority.ca, cert=stranger, key=stranger_key)


def test_certificates_that_can_not_be_used_are_named(authority: Certificates, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate", encoding="utf-8")
    cert, _ = authority.sign("one", "DNS:one")
    _, key = authority.sign("two", "DNS:two")
    for settings in ({"ca": broken}, {"cert": cert, "key": key}):
        with pytest.raises(
            InvalidConfiguration, match=r"the certificates of tls://.* can't be used"
        ) as caught:
            connect("tls://127.0.0.1/jobs", **settings)
        assert all(repr(str(path)) in str(caught.value) for path in settings.values())


def test_credentials_are_not_sent_to_a_server_that_does_not_encrypt(nats_server: Server) -> None:
    """It would be easy for whoever is in between to say that there is no encryption."""
    denied(nats_server.url(scheme="tls"), "offers no encryption, so no credentials were sent", token="secret")


def test_an_encrypted_server_is_not_used_in_the_plain_way(encrypted: Server) -> None:
    with pytest.raises((AccessDenied, Unreachable)):
        connect(encrypted.url(), timeout=1)


def test_a_token_opens_the_door_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    with Server(tmp_path / "token", 'authorization { token: "s3cret" }') as server:
        assert works(connect(server.url(), token="s3cret"))
        assert works(connect(f"nats://s3cret@{server.address}/jobs"))
        denied(server.url(), "Authorization Violation", token="wrong")
        denied(server.url(), "Authorization Violation")
        with pytest.raises(InvalidConfiguration, match="'token' was given twice"):
            connect(f"nats://s3cret@{server.address}/jobs", token="s3cret")


def test_a_password_opens_the_door_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    users = 'authorization { users: [ { user: "me", password: "p@ss/w" } ] }'
    with Server(tmp_path / "users", users) as server:
        assert works(connect(server.url(), user="me", password="p@ss/w"))
        assert works(connect(f"nats://me:p%40ss%2Fw@{server.address}/jobs"))
        denied(server.url(), "Authorization Violation", user="me", password="wrong")


def test_a_server_that_changes_its_credentials_is_waited_for(tmp_path: Path) -> None:
    """The connection that stands is ended by the server, and made again when it lets us in."""
    server = Server(tmp_path / "token", 'authorization { token: "s3cret" }')
    with server, connect(server.url("jobs"), token="s3cret", timeout=60) as queue:
        server.kill()
        server._settings = 'authorization { token: "other" }'
        server.start()
        with pytest.raises(elasticq.QueueError):
            queue.lease(wait=0.5)
        server.kill()
        server._settings = 'authorization { token: "s3cret" }'
        server.start()
        queue.put("job")
        assert queue.lease(wait=60).item == "job"


def test_what_a_user_may_not_do_is_said_at_once(tmp_path: Path) -> None:
    users = """authorization { users: [
        { user: "reader", password: "x", permissions: { publish: ["$JS.API.>", "$JS.ACK.>"] } }
    ] }"""
    with (
        Server(tmp_path / "users", users) as server,
        connect(server.url("jobs"), user="reader", password="x", timeout=PATIENT) as queue,
    ):
        with denied_at_once('permissions violation for publish to "jobs"'):
            queue.put("job")
        assert queue.depth() == 0


@pytest.fixture
def nkeys() -> Any:
    """The package nkeys. It needs one with code in C, which is not there for each Python."""
    if find_spec("nkeys") is None:
        pytest.skip("not installed: nkeys (pip install 'elasticq[nats-nkeys]')")
    return import_module("nkeys")


def seed_and_key(nkeys: Any, folder: Path, name: str) -> tuple[Path, str]:
    """A file with a seed, and the public key to it."""
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    path = folder / name
    path.write_bytes(seed)
    return path, nkeys.from_seed(bytearray(seed)).public_key.decode()


def test_an_nkey_opens_the_door_and_a_wrong_one_does_not(nkeys: Any, tmp_path: Path) -> None:
    seed, public = seed_and_key(nkeys, tmp_path, "user.nk")
    stranger, _ = seed_and_key(nkeys, tmp_path, "stranger.nk")
    with Server(tmp_path / "nkey", f"authorization {{ users: [ {{ nkey: {public} }} ] }}") as server:
        assert works(connect(server.url(), nkey=seed))
        assert works(connect(server.url(query=f"?nkey={seed.as_posix()}")))
        denied(server.url(), "Authorization Violation", nkey=stranger)
        broken = tmp_path / "broken.nk"
        broken.write_text("no seed", encoding="utf-8")
        with pytest.raises(InvalidConfiguration, match=r"broken.nk"):
            connect(server.url(), nkey=broken)
        with pytest.raises(InvalidConfiguration, match=r"the file 'nkey' of .* can't be read"):
            connect(server.url(), nkey=tmp_path / "none.nk")


def test_without_nkeys_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "nkeys", None)
    for setting in ("nkey", "creds"):
        with pytest.raises(ImportError, match=r"pip install 'elasticq\[nats-nkeys\]'"):
            connect("nats://127.0.0.1/jobs", **{setting: tmp_path / "file"})


@pytest.mark.parametrize(
    ("permissions", "named"),
    [
        ('publish: { deny: ["$JS.API.STREAM.INFO.>"] }', 'publish to "$js.api.stream.info.jobs"'),
        ('publish: { deny: ["$JS.API.STREAM.CREATE.>"] }', 'publish to "$js.api.stream.create.jobs"'),
        ('publish: { deny: ["$JS.API.CONSUMER.>"] }', 'publish to "$js.api.consumer.info.jobs.'),
        ('subscribe: { deny: ["_INBOX.>"] }', 'subscription to "_inbox.'),
    ],
)
def test_who_may_not_open_a_queue_is_told_so_at_once(permissions: str, named: str, tmp_path: Path) -> None:
    users = (
        f'authorization {{ users: [ {{ user: "me", password: "x", permissions: {{ {permissions} }} }} ] }}'
    )
    with Server(tmp_path / "users", users) as server:
        denied(server.url("jobs"), f"permissions violation for {named}", user="me", password="x")


def test_what_is_denied_amid_the_work_is_told_and_harms_nothing_else(tmp_path: Path) -> None:
    users = """authorization { users: [
        { user: "all", password: "x" }
        { user: "me", password: "x", permissions: { publish: { deny: ["$JS.API.STREAM.MSG.>"] } } }
    ] }"""
    with (
        Server(tmp_path / "users", users) as server,
        connect(server.url("jobs"), user="me", password="x", timeout=PATIENT) as queue,
    ):
        queue.put("job")
        queue.lease().term("broken")
        with denied_at_once('"$js.api.stream.msg.get.jobs_dead"'):
            queue.dead_letters()
        assert queue.depth() == 0
        with connect(server.url("jobs"), user="all", password="x", timeout=PATIENT) as other:
            assert [letter.item for letter in other.dead_letters()] == ["job"]


def test_who_may_not_lease_is_told_so_at_once(tmp_path: Path) -> None:
    users = """authorization { users: [
        { user: "writer", password: "x", permissions: { publish: { deny: ["$JS.API.CONSUMER.MSG.NEXT.>"] } } }
    ] }"""
    with (
        Server(tmp_path / "users", users) as server,
        connect(server.url("Jobs"), user="writer", password="x", timeout=PATIENT) as queue,
    ):
        queue.put("job")
        with denied_at_once("permissions violation for publish"):
            queue.lease()


def test_a_file_of_credentials_opens_the_door_and_one_of_strangers_does_not(
    nkeys: Any, tmp_path: Path
) -> None:
    operator, strangers = Operator(nkeys), Operator(nkeys)
    with Server(tmp_path / "jwt", operator.settings) as server:
        assert works(connect(server.url(), creds=operator.credentials(tmp_path / "user.creds")))
        denied(server.url(), "Authorization", creds=strangers.credentials(tmp_path / "stranger.creds"))
        broken = tmp_path / "broken.creds"
        broken.write_text("-----BEGIN NATS USER JWT-----\nno\n", encoding="utf-8")
        with pytest.raises((InvalidConfiguration, AccessDenied), match=r"broken\.creds|denies"):
            connect(server.url(), creds=broken, timeout=2)
