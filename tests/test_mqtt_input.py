"""What goes wrong in `elasticq mqtt-proxy` is one line that names it, with a documented exit status."""

from __future__ import annotations

import errno
import json
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from command_line import elasticq
from mqtt_fake import CONNECT, DISCONNECT, FakeBroker
from mqtt_servers import Mosquitto, Nats, Proxy, Server, missing, program
from paho.mqtt.enums import CallbackAPIVersion
from support import python, unix_only

from elasticq import StorageError
from elasticq.cli.common import CommandError
from elasticq.mqtt import _address
from elasticq.mqtt._entry import Entry, id_of
from elasticq.mqtt._link import Link, made_client
from elasticq.mqtt._source import Received, Receiver, Source
from elasticq.mqtt._state import State
from elasticq.mqtt._told import Teller
from elasticq.mqtt._wire import Wire
from elasticq.mqtt.cli import parser

FAILED, TERMINATED = 2, 143


def line_of(*arguments: object, **environment: Any) -> str:
    """What the proxy says when it can't do its work: one line, and status 2."""
    done = elasticq("mqtt-proxy", *arguments, **environment)
    assert (done.returncode, done.stdout) == (FAILED, ""), done
    lines = done.stderr.splitlines()
    assert all(line.startswith("python -m elasticq mqtt-proxy: ") for line in lines)
    assert len(lines) == 1
    return lines[-1].partition(": ")[2]


def between(source: str, target: str, folder: Path, *more: object) -> tuple[object, ...]:
    """The arguments that every call has."""
    return ("--from", source, "--to", target, "--queue", folder / "q", *more)


# The command line.


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("--from", "http://a", "has the scheme 'http': must be mqtt or mqtts"),
        ("--from", "a", "'a' is no address of a broker"),
        ("--from", "mqtt://a:0", "has the port 0: must be from 1 to 65535"),
        ("--from", "mqtt://u:secret@a:b", "'mqtt://…@a:b' is no address"),
        ("--from", "mqtt://u:secret/@a", "'mqtt://…@a' is no address"),
        ("--from", "mqtt://u:p@secret@a", "'mqtt://…@a' is no address"),
        ("--from", "u:secret@a", "'…@a' is no address"),
        ("--topic", "a/#/b", "# the last one"),
        ("--topic", "a+", "+ must be a level of its own"),
        ("--topic-prefix", "a/+/", "must have no wildcard"),
        ("--max-disk", "10X", "'10X' is no size: must be like 500M or 10G"),
        ("--max-disk", "1M", "1M is out of range: must be from 4M to 8388608T"),
        ("--max-disk", "9" * 400, "is out of range"),
        ("--max-inflight", "0", "0 is out of range: must be from 1 to 16384"),
        ("--keepalive", "x", "'x' is no whole number"),
        ("--overflow", "wait", "invalid choice: 'wait'"),
        ("--protocol", "4", "invalid choice: '4'"),
    ],
)
def test_a_wrong_argument_names_itself_and_the_rule(
    option: str, value: str, text: str, tmp_path: Path
) -> None:
    line = line_of(*between("mqtt://127.0.0.1:1", "mqtt://127.0.0.1:2", tmp_path), option, value)
    assert text in line
    assert "secret" not in line
    assert not (tmp_path / "q").exists()


@pytest.mark.parametrize("other", ["mqtt://127.0.0.1:1883", "mqtts://127.0.0.1:1883", "mqtt://localhost"])
def test_one_broker_on_both_sides_is_refused(other: str, tmp_path: Path) -> None:
    line = line_of(*between("mqtt://127.0.0.1", other, tmp_path))
    assert "the same broker, mqtt://127.0.0.1:1883: each message would come back for ever" in line


def test_options_of_tls_need_mqtts(tmp_path: Path) -> None:
    line = line_of(*between("mqtt://127.0.0.1:1", "mqtt://127.0.0.1:2", tmp_path, "--to-ca", "x"))
    assert "--to-ca is for mqtts://, and --to is mqtt://127.0.0.1:2" in line


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    sides = between("mqtt://127.0.0.1:1", "mqtts://127.0.0.1:2", tmp_path)
    assert "no-ca: no certificates in it: No such file" in line_of(*sides, "--to-ca", "no-ca")
    assert "no-cert: no certificate with its key" in line_of(*sides, "--to-cert", "no-cert")
    assert "there is the key k, but no certificate" in line_of(*sides, "--to-key", "k")
    assert "no-file: No such file" in line_of(*sides, "--from-user", "u", "--from-pass-file", "no-file")
    assert "a password for mqtt://127.0.0.1:1, but no user" in line_of(*sides, ELASTICQ_FROM_PASSWORD="x")
    with pytest.raises(FileNotFoundError) as missing:  # each system says it in its own words
        (tmp_path / "no/q").mkdir()
    line = line_of("--from", "mqtt://127.0.0.1:1", "--to", "mqtt://127.0.0.1:2", "--queue", tmp_path / "no/q")
    assert f"{tmp_path / 'no/q'}: {missing.value.strerror}" in line


def test_a_missing_extra_says_what_to_install() -> None:
    printed = python(
        """
        import sys
        sys.modules["paho"] = sys.modules["prometheus_client"] = None
        sys.stderr = sys.stdout
        sys.argv[0] = "elasticq"
        from elasticq.__main__ import main
        sides = ["--from", "mqtt://a", "--to", "mqtt://b", "--queue", "q"]
        print(main(["mqtt-proxy", *sides]), main(["mqtt-proxy", *sides, "--metrics", "0"]))
        """
    )
    assert "not installed: paho-mqtt; pip install 'elasticq[mqtt]' installs what is missing" in printed
    assert "not installed: paho-mqtt, prometheus-client; pip install 'elasticq[mqtt,prometheus]'" in printed
    assert printed.endswith("2 2\n")


@pytest.mark.checkout
def test_the_examples_have_arguments_that_it_takes() -> None:
    folder = Path(__file__).parent.parent / "examples/mqtt-proxy"
    unit = (folder / "elasticq-mqtt-proxy.service").read_text().replace("\\\n", " ")
    (started,) = (line for line in unit.splitlines() if line.startswith("ExecStart="))
    options = parser("p").parse_args(started.split()[2:])
    assert (options.queue, options.max_disk) == ("${STATE_DIRECTORY}/queue", 10 << 30)
    assert f"SuccessExitStatus={TERMINATED}\nRestartPreventExitStatus={FAILED}\n" in unit
    container = (folder / "Containerfile").read_text()
    (entry,) = (line for line in container.splitlines() if line.startswith("ENTRYPOINT "))
    words = json.loads(entry.partition(" ")[2])
    assert parser("p").parse_args([*words[2:], "--from", "mqtt://a", "--to", "mqtt://b"]).queue


@unix_only("sockets with paths")
def test_a_socket_that_another_one_serves_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "live").write_text("")
    sides = between("mqtt://127.0.0.1:1", "mqtt://127.0.0.1:2", tmp_path)
    assert "something else that is no socket" in line_of(*sides, "--live", tmp_path / "live")


# Where credentials come from.


def test_options_come_before_the_url_and_the_url_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELASTICQ_TO_USER", "of the environment")
    monkeypatch.setenv("ELASTICQ_TO_PASSWORD", "its password")
    file = tmp_path / "password"
    file.write_text("of the file\n")
    plain, named = _address.parse("mqtt://h"), _address.parse("mqtts://of%20url:p%40ss@h:1")
    assert _address.with_credentials(plain, "TO", None, None)[3:] == ("of the environment", "its password")
    assert _address.with_credentials(named, "TO", None, None)[3:] == ("of url", "p@ss")
    assert _address.with_credentials(named, "TO", "me", str(file))[3:] == ("me", "of the file")
    file.write_bytes(b"\xff")
    with pytest.raises(CommandError, match="no text in UTF-8"):
        _address.with_credentials(named, "TO", None, str(file))


def test_an_address_is_shown_without_its_password() -> None:
    address = _address.parse("mqtts://me:secret@[::1]:8884")
    assert f"{address} {address!r}" == "mqtts://[::1]:8884 mqtts://[::1]:8884"


def test_a_connection_that_ends_during_the_handshake_is_tried_again(tmp_path: Path) -> None:
    """So ends one to a gateway whose broker is not there just now."""
    teller = Teller("proxy", as_json=True)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = _address.parse(f"mqtts://127.0.0.1:{listening.getsockname()[1]}")
        client = made_client(Wire, "x", "3.1.1", address, _address.tls_context(None, None, None))
        link = Link("to", address, client, 60, teller)
        link.start()
        try:
            for _ in range(2):
                connection, _peer = listening.accept()
                connection.recv(4096)
                connection.close()
        finally:
            link.stop()
    assert link.failure is None


def test_an_entry_comes_back_byte_by_byte() -> None:
    entry = Entry(7, b"t\xff" * 40_000, bytes(range(256)), True, b"\x03abc")
    assert Entry.unpack(entry.pack()) == entry
    assert id_of(entry.pack()) == 7


class FullDisk:
    """An outbox on a disk that is full."""

    def _store(self, *_: object) -> None:
        raise StorageError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_pauses_and_nothing_is_acknowledged(tmp_path: Path) -> None:
    receiver = Receiver(CallbackAPIVersion.VERSION2, "receiver", clean_session=False)
    teller = Teller("p", as_json=True)
    link = Link("from", _address.parse("mqtt://h"), receiver, 60, teller)
    full: Any = FullDisk()
    source = Source(
        link,
        receiver,
        full,
        State(tmp_path),
        teller,
        filters=["#"],
        prefix=b"",
        drops_newest=True,
        room_again=bool,
    )
    for qos in (0, 1, 2):
        receiver.batch.append(Received(qos, 7, b"t", b"x", False, b""))
    assert source.store() == "the disk is full: No space left on device"
    assert (list(receiver._out_packet), receiver.unreleased, source.dropped) == ([], set(), 1)


def test_a_damaged_file_of_the_proxy_is_named(tmp_path: Path) -> None:
    (tmp_path / "q").mkdir()
    (tmp_path / "q/proxy.json").write_text("{}")
    line = line_of(*between("mqtt://127.0.0.1:1", "mqtt://127.0.0.1:2", tmp_path))
    assert f"{tmp_path / 'q' / 'proxy.json'}: damaged: 'from_id'; remove it to begin new sessions" in line


# What brokers say.


def ends_with(proxy: Proxy, *texts: str) -> None:
    """The proxy ends by itself with status 2, and says why in one line."""
    assert proxy.wait_for_end() == FAILED
    assert proxy.errors.count("\n") == 1
    for text in texts:
        assert text in proxy.errors


def test_a_wrong_password_ends_it(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run([program("mosquitto_passwd"), "-b", "-c", passwords, "me", "right"], check=True)
    rule = f"allow_anonymous false\npassword_file {passwords}"
    with Mosquitto(tmp_path / "source") as one, Mosquitto(tmp_path / "target", rule) as other:
        for version, reason in (("3.1.1", "Not authorized"), ("5", "Not authorized")):
            options = ("--to-user", "me", "--protocol", version)
            with Proxy(one, other, tmp_path / "q", *options, ELASTICQ_TO_PASSWORD="wrong") as proxy:
                ends_with(proxy, f"target {other.url}: the broker refuses: {reason}")
            with Proxy(one, other, tmp_path / "q", *options, ELASTICQ_TO_PASSWORD="right") as proxy:
                proxy.wait_until_both_are_connected()
                assert proxy.stop() == TERMINATED


def test_a_version_that_the_broker_does_not_know_ends_it(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "source") as one, Nats(tmp_path / "target") as other:
        with Proxy(one, other, tmp_path / "q", "--to-protocol", "5") as proxy:
            ends_with(proxy, f"target {other.url}: the broker refuses: ")
        with Proxy(other, one, tmp_path / "q", "--bridge") as proxy:
            ends_with(proxy, f"source {other.url}: the broker refuses: it does not know this version")


def test_a_queue_that_is_in_use_is_refused(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path / "source") as one,
        Nats(tmp_path / "target") as other,
        Proxy(one, other, tmp_path / "q") as first,
    ):
        first.wait_until_connected()
        with Proxy(one, other, tmp_path / "q") as second:
            assert first.process is not None
            ends_with(second, "in use", str(first.process.pid))


class Fake(Server):
    """The address of a broker that does what it is told."""

    def __init__(self, broker: FakeBroker) -> None:
        self.port = broker.port


def test_it_says_good_bye_to_both_brokers(tmp_path: Path) -> None:
    with FakeBroker() as one, FakeBroker() as other:
        with Proxy(Fake(one), Fake(other), tmp_path / "q") as proxy:
            proxy.wait_until_connected()
            assert proxy.stop() == TERMINATED
        one.wait_for(DISCONNECT, 1)
        other.wait_for(DISCONNECT, 1)


def test_a_new_folder_begins_a_new_session_at_the_target_and_only_there(tmp_path: Path) -> None:
    with FakeBroker() as one, FakeBroker() as other:
        for _ in range(2):
            with Proxy(Fake(one), Fake(other), tmp_path / "q") as proxy:
                proxy.wait_until_both_are_connected()
                assert proxy.stop() == TERMINATED
    clean = [
        [bool(packet.payload[7] & 2) for packet in broker.packets if packet.kind == CONNECT]
        for broker in (one, other)
    ]
    assert clean == [[False, False], [True, False]]


# TLS.


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and what it has signed for this machine (`here`), for another one, and for a client."""
    folder = tmp_path_factory.mktemp("certificates")
    openssl = shutil.which("openssl") or missing("openssl")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], check=True, cwd=folder, capture_output=True)

    new = ["-newkey", "rsa:2048", "-nodes", "-keyout"]
    use = "keyUsage=critical,keyCertSign,cRLSign"  # Python 3.13 and newer look at it
    authority = ["-days", "2", "-subj", "/CN=authority", "-addext", use]
    run("req", "-x509", *new, "ca.key", "-out", "ca.crt", *authority)
    for name, alternative in (("here", "IP:127.0.0.1"), ("elsewhere", "DNS:elsewhere"), ("client", "DNS:me")):
        (folder / f"{name}.ext").write_text(f"subjectAltName={alternative}\n")
        run("req", "-new", *new, f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{name}.ext"]
        run("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.crt", "-days", "2")
    return folder


def secure(folder: Path, certificates: Path, name: str, *more: str) -> Mosquitto:
    """mosquitto with a certificate."""
    files = (f"certfile {certificates}/{name}.crt", f"keyfile {certificates}/{name}.key")
    return Mosquitto(folder, tls=[f"cafile {certificates}/ca.crt", *files, *more])


class Tls(Server):
    """The address of a broker with TLS."""

    def __init__(self, broker: Server) -> None:
        self.port = broker.port

    @property
    def url(self) -> str:
        return f"mqtts://127.0.0.1:{self.port}"


def test_both_sides_speak_tls_and_show_certificates(tmp_path: Path, certificates: Path) -> None:
    demands = "require_certificate true"
    with (
        Nats(tmp_path / "source") as one,
        secure(tmp_path / "target", certificates, "here", demands) as other,
    ):
        mine = ("--to-cert", certificates / "client.crt", "--to-key", certificates / "client.key")
        with Proxy(one, Tls(other), tmp_path / "q", "--to-ca", certificates / "ca.crt", *mine) as proxy:
            proxy.wait_until_both_are_connected()
            assert proxy.stop() == TERMINATED


@pytest.mark.parametrize(
    ("name", "has_authority", "text"),
    [
        ("elsewhere", True, "IP address mismatch"),
        ("here", False, "self-signed certificate in certificate chain"),
    ],
)
def test_a_certificate_that_does_not_match_ends_it(
    name: str, has_authority: bool, text: str, tmp_path: Path, certificates: Path
) -> None:
    with Nats(tmp_path / "source") as one, secure(tmp_path / "target", certificates, name) as other:
        options = ("--to-ca", certificates / "ca.crt") if has_authority else ()
        with Proxy(one, Tls(other), tmp_path / "q", *options) as proxy:
            ends_with(proxy, "the broker's certificate is not accepted", text)
