"""The demo with --metrics: only this machine sees the page, which ends with it and agrees with the ledger."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from demos import need_the_extra, processes_of, shows_processes, start
from ports import free_port
from prometheus_server import get
from support import Threads, unix_only, wait_until_asleep

import elasticq
from elasticq import metrics
from elasticq.demo.broker import find_program
from elasticq.demo.ledger import Ledger

if TYPE_CHECKING:
    from elasticq.demo.exporter import Exporter

FROM_PROMETHEUS = {"X-Prometheus-Scrape-Timeout-Seconds": "10"}


@pytest.fixture(scope="module", autouse=True)
def extra() -> None:
    """These tests need the extra `demo`."""
    need_the_extra()


@pytest.fixture(autouse=True)
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process counts under a name as long as it lives. Each test begins without any."""
    monkeypatch.setattr(metrics, "_all", {})


@contextlib.contextmanager
def serving() -> Iterator[Exporter]:
    """The page of a queue that has counted what COUNTED says, and of another one."""
    from elasticq.demo.exporter import INGEST, Exporter, listen

    queue: elasticq.Queue[int] = elasticq.Queue()
    with Exporter(listen(0), {INGEST: queue, "other": elasticq.Queue()}) as exporter:
        queue.put_many([1, 2, 3])
        queue.get()
        yield exporter


@pytest.fixture
def page() -> Iterator[Exporter]:
    with serving() as exporter:
        yield exporter


COUNTED = {
    "elasticq_messages_enqueued_total": 3,
    "elasticq_messages_dequeued_total": 1,
    "elasticq_messages_dropped_total": 0,
    "elasticq_messages_refused_total": 0,
}


def test_a_scrape_has_the_counters_of_the_queue(page: Exporter) -> None:
    assert page.final() == COUNTED


def test_a_prometheus_that_has_come_before_is_waited_for(page: Exporter, threads: Threads) -> None:
    assert get(page.port, "/metrics", FROM_PROMETHEUS)[0] == 200
    results: list[object] = []
    waiting = threads.start(lambda: results.append(page.final()))
    wait_until_asleep(waiting)
    assert get(page.port, "/metrics")[0] == 200  # somebody else
    wait_until_asleep(waiting)
    assert results == []
    assert get(page.port, "/metrics", FROM_PROMETHEUS)[0] == 200
    waiting.join()
    assert results == [COUNTED]


def test_a_prometheus_that_does_not_come_again_is_not_waited_for_endlessly(
    page: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elasticq.demo.exporter._LAST_SCRAPE_SECONDS", 0.01)
    assert get(page.port, "/metrics", FROM_PROMETHEUS)[0] == 200
    assert page.final() == COUNTED


def test_the_page_and_its_threads_are_gone_at_the_end() -> None:
    from elasticq.demo.exporter import listen

    before = threading.active_count()
    with serving() as exporter:
        assert 'queue="ingest"' in get(exporter.port, "/metrics")[1]
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        get(exporter.port, "/metrics")
    listen(exporter.port).close()  # somebody else may have the port


def test_a_client_that_says_nothing_does_not_keep_the_demo_from_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from elasticq.demo import exporter

    monkeypatch.setattr(exporter._Handler, "timeout", 0.1)
    with serving() as page:
        silent = socket.create_connection(("127.0.0.1", page.port))
        assert page.final() == COUNTED
    silent.close()


@shows_processes
@pytest.mark.parametrize("options", [(), ("--durable",)], ids=["plain", "durable"])
def test_a_stopped_run_leaves_nothing_behind(options: tuple[str, ...], tmp_path: Path) -> None:
    with start(tmp_path, "--metrics=0", *options) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("metrics: "):
                    port = int(line.rpartition(":")[2].partition("/")[0])
                elif "publishing: received" in line:
                    break
            assert 'queue="ingest"' in get(port, "/metrics", FROM_PROMETHEUS)[1]
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate()
        finally:
            process.kill()
    assert process.returncode == 128 + signal.SIGINT
    assert "Traceback" not in errors
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConnectionRefusedError):
        get(port, "/metrics")


def test_without_the_option_there_is_no_page(tmp_path: Path) -> None:
    with start(tmp_path, "--publishers=1", "--messages=1") as process:
        output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert "metrics" not in output


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="plain"),
        pytest.param(("--durable",), id="durable", marks=unix_only("sockets that processes hand on")),
    ],
)
def test_a_port_that_is_taken_is_named(options: tuple[str, ...], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with start(tmp_path, f"--metrics={port}", *options) as process:
            _, errors = process.communicate()
    assert process.returncode == 1
    assert f"no metrics on port {port} of 127.0.0.1" in errors
    assert "Traceback" not in errors


def test_no_other_machine_can_read_the_page() -> None:
    from elasticq.demo.exporter import address_of, listen

    port = free_port()
    with listen(port) as listening:
        assert listening.getsockname() == ("127.0.0.1", port)
        assert address_of(listening) == f"http://127.0.0.1:{port}/metrics"


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (" 39.0", "a scrape says elasticq_messages_enqueued_total = 39, the ledger says 40"),
        (None, "a scrape says elasticq_messages_enqueued_total = None, the ledger says 40"),
    ],
    ids=["one too few", "absent"],
)
def test_a_page_that_contradicts_the_ledger_is_found_out(
    wrong: str | None, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prometheus_client import make_wsgi_app

    def make_wrong(registry: Any) -> Any:
        def answer(request: dict[str, Any], respond: Any) -> list[bytes]:
            lines = b"".join(make_wsgi_app(registry)(request, respond)).decode().splitlines(keepends=True)
            counter = 'elasticq_messages_enqueued_total{queue="ingest"}'
            replacement = "" if wrong is None else f"{counter}{wrong}\n"
            return [(replacement if line.startswith(counter) else line).encode("utf-8") for line in lines]

        return answer

    monkeypatch.setattr("elasticq.demo.exporter.make_wsgi_app", make_wrong)
    ledger = run_with_metrics()
    assert ledger.problems() == [complaint]
    assert ledger.exit_status == 1


def run_with_metrics() -> Ledger:
    from rich.console import Console

    from elasticq.demo.display import Progress
    from elasticq.demo.exporter import listen
    from elasticq.demo.publisher import Load
    from elasticq.demo.run import run

    program = find_program()
    assert program is not None
    load = Load(publishers=1, messages=40, payload=64)
    return run(program, elasticq.Queue(), load, Progress(Console(quiet=True)), listening=listen(0))
