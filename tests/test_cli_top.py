"""`elasticq top`: a real process over its socket and over a real page of Prometheus, and what is neither."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command_line import ELASTICQ, Terminal, elasticq, interrupted, running
from support import unix_only

from elasticq.cli import figures
from elasticq.cli.looks import Look, Told, samples

FINE, GONE, FAILED, INTERRUPTED, UNREAD = 0, 1, 2, 130, 141

PROGRAM = r"""
import socket, sys, threading
from prometheus_client import CollectorRegistry, start_http_server
from elasticq import Queue, metrics
from elasticq.metrics.live import serve
from elasticq.metrics.prometheus import Collector

def wait_in(call, queue, end):
    threading.Thread(target=call, daemon=True).start()
    while not getattr(queue.waiters(), end).threads:
        pass

jobs, mails = Queue(4), Queue()
names = metrics.instrument(jobs, "jobs"), metrics.instrument(mails, 'mails "and" \x1b[31m\nmore')
registry = CollectorRegistry()
registry.register(Collector())
server = serve(sys.argv[1]) if hasattr(socket, "AF_UNIX") else None
page, _ = start_http_server(0, addr="127.0.0.1", registry=registry)
print(page.server_port, flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""

SHOWN_NAME = 'mails "and" \\x1b[31m\\nmore'


class Watched:
    """A process that has opted in, and does what it is told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self.page = f"http://127.0.0.1:{self._answer()}/metrics"

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def do(self, code: str) -> None:
        """Runs a line of Python there."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{code}\n")
        self.process.stdin.flush()
        assert self._answer() == "done"

    def where(self, kind: str) -> str:
        """The socket or the page."""
        return os.fspath(self.path) if kind == "socket" else self.page

    def _answer(self) -> str:
        assert self.process.stdout is not None
        answer = self.process.stdout.readline().rstrip("\n")
        assert answer, "the process has ended"
        return answer


@pytest.fixture
def watched(short_folder: Path) -> Iterator[Watched]:
    """Such a process."""
    with Watched(short_folder / "q") as made:
        yield made


over_a_socket = unix_only("sockets with paths")
each_kind = pytest.mark.parametrize("kind", [pytest.param("socket", marks=over_a_socket), "page"])


def told(where: str, *options: str) -> dict[str, dict[str, Any]]:
    """The rows of one look, by queue."""
    done = elasticq("top", "--once", "--json", *options, where)
    assert (done.returncode, done.stderr) == (FINE, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["queue"]: row for row in rows}


def one_line(done: subprocess.CompletedProcess[str], status: int, *texts: str) -> None:
    """Nothing but one line on stderr, with these texts."""
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1), done
    for text in texts:
        assert text in done.stderr


@each_kind
def test_it_tells_the_figures_of_each_queue(watched: Watched, kind: str) -> None:
    watched.do("jobs.put_many([1, 2, 3, 4]); jobs.get(); jobs.put(5)")
    watched.do("wait_in(lambda: jobs.put(6), jobs, 'room')")
    watched.do("wait_in(mails.get, mails, 'item')")
    rows = told(watched.where(kind))
    jobs, mails = rows.pop("jobs"), rows.popitem()[1]
    assert rows == {}
    assert mails["queue"] == 'mails "and" \x1b[31m\nmore'
    assert (jobs["depth"], jobs["max_capacity"], jobs["enqueued"], jobs["dequeued"]) == (4, 4, 5, 1)
    assert (jobs["waiters_for_items"], jobs["waiters_for_room"]) == (0, 1)
    assert (mails["waiters_for_items"], mails["waiters_for_room"], mails["max_capacity"]) == (1, 0, None)
    assert mails["longest_wait_seconds"] > 0
    assert (jobs["in_per_second"], jobs["out_per_second"], jobs["dropped"]) == (None, None, 0)
    assert jobs["process"] == (watched.process.pid if kind == "socket" else None)
    assert jobs["capacity"] >= 4


@each_kind
def test_rates_are_those_since_the_look_before(watched: Watched, kind: str) -> None:
    with running("top", "--json", "--interval", "0.1", watched.where(kind)) as top:
        assert top.stdout is not None
        first = json.loads(top.stdout.readline())
        assert first["in_per_second"] is None
        watched.do("mails.put_many(range(100)); [mails.get() for _ in range(50)]")
        total = 0.0
        while total == 0.0:
            row = json.loads(top.stdout.readline())
            if row["queue"].startswith("mails"):
                total = row["in_per_second"] or 0.0
        assert row["in_per_second"] == pytest.approx(2 * row["out_per_second"])
        assert row["in_per_second"] <= 1000.1  # 100 items in at least 0.1 s
        status, errors = interrupted(top)
    assert (status, errors) == (INTERRUPTED, "python -m elasticq top: interrupted\n")


@each_kind
def test_a_process_that_goes_is_one_line(watched: Watched, kind: str) -> None:
    with running("top", "--interval", "0.1", watched.where(kind)) as top:
        assert top.stdout is not None
        assert "2 queues" in top.stdout.readline()
        watched.process.kill()
        _, errors = top.communicate(timeout=60)
    assert top.returncode == GONE
    assert errors.count("\n") == 1
    assert "the process has gone" in errors
    if kind == "socket":
        one_line(elasticq("top", "--once", watched.path), FAILED, "nobody answers", "has gone")


def test_a_process_that_was_started_again_has_no_rates_at_first(tmp_path: Path) -> None:
    before = Look(1, 10.0, {"q": [Told("elasticq_messages_enqueued_total", {}, 5)]})
    same = Look(1, 12.0, {"q": [Told("elasticq_messages_enqueued_total", {}, 9)]})
    other = Look(2, 12.0, {"q": [Told("elasticq_messages_enqueued_total", {}, 9)]})
    page = Look(None, 12.0, {"q": [Told("elasticq_messages_enqueued_total", {}, 4)]})
    assert [figures.rows(now, before)[0].in_per_second for now in (same, other)] == [2.0, None]
    assert figures.rows(page, before._replace(process=None))[0].in_per_second is None
    assert figures.rows(same, None)[0].in_per_second is None


@over_a_socket
@pytest.mark.parametrize(
    ("by", "first"), [("depth", "jobs"), ("name", "jobs"), ("wait", 'mails "and" \x1b[31m\nmore')]
)
def test_rows_are_sorted(watched: Watched, by: str, first: str) -> None:
    watched.do("jobs.put(1)")
    watched.do("wait_in(mails.get, mails, 'item')")
    assert next(iter(told(watched.where("socket"), "--sort", by))) == first


# What it looks like.


@each_kind
def test_in_a_pipe_it_is_plain_text_without_limits(watched: Watched, kind: str) -> None:
    done = elasticq("top", "--once", watched.where(kind))
    assert (done.returncode, done.stderr) == (FINE, "")
    assert "\x1b" not in done.stdout
    heading, columns, first, second = done.stdout.splitlines()
    assert re.match(r"\d\d:\d\d:\d\d  2 queues", heading)
    assert watched.where(kind) in heading
    assert columns.split() == [
        *("queue", "depth", "capacity", "limit", "in/s", "out/s", "waiting", "longest"),
        *("dropped", "refused", "resizes", "oldest"),
    ]
    assert first.startswith("jobs ")
    assert second.startswith(SHOWN_NAME)


@over_a_socket
@pytest.mark.parametrize("columns", [20, 40, 80])
def test_a_narrow_terminal_leaves_columns_out(watched: Watched, columns: int) -> None:
    shown = elasticq("top", "--once", watched.path, COLUMNS=str(columns)).stdout
    assert max(map(len, shown.splitlines())) <= columns
    assert "depth" in shown
    assert ("in/s" in shown, "capacity" in shown, "oldest" in shown) == (columns > 20, columns > 40, False)


@over_a_socket
@pytest.mark.parametrize("columns", [40, 120])
def test_on_a_terminal_it_is_live(watched: Watched, columns: int) -> None:
    pytest.importorskip("rich")
    with Terminal([*ELASTICQ, "top", "--interval", "0.1", str(watched.path)], columns) as terminal:
        terminal.wait_for("jobs")
        watched.do("jobs.put_many([1, 2, 3])")
        terminal.wait_for(re.compile(r"jobs +3 "))
        widest = max(map(len, re.split(r"[\r\n]+", terminal.plain)))
        terminal.type("\x03")
        status, shown = terminal.wait_for_end()
    assert widest <= columns
    assert (status, "Traceback" in shown) == (INTERRUPTED, False)
    assert "\x1b[1A" in shown  # it goes up and draws again
    assert shown.rstrip().endswith("python -m elasticq top: interrupted")
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back


@over_a_socket
def test_no_color_means_none(watched: Watched) -> None:
    watched.do("jobs.put_many([1, 2, 3, 4])")  # it is full, which is red
    colour = re.compile(r"\x1b\[(?:[0-9;]*;)?3[0-7]m")
    cases: list[tuple[dict[str, Any], bool]]
    cases = [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
    for changes, coloured in cases:
        with Terminal([*ELASTICQ, "top", "--interval", "0.1", str(watched.path)], **changes) as terminal:
            terminal.wait_for("jobs")
            terminal.wait_for("mails")
            terminal.type("\x03")
            _, shown = terminal.wait_for_end()
        assert bool(colour.search(shown)) == coloured, changes


@over_a_socket
def test_without_rich_a_terminal_gets_plain_text(watched: Watched) -> None:
    program = "import sys; sys.modules['rich'] = None; from elasticq.__main__ import main; sys.exit(main())"
    with Terminal([sys.executable, "-c", program, "top", "--interval", "0.1", str(watched.path)]) as terminal:
        terminal.wait_for("mails")
        terminal.type("\x03")
        status, shown = terminal.wait_for_end()
    assert (status, "\x1b" in shown) == (INTERRUPTED, False)


@over_a_socket
def test_a_closed_pipe_ends_it_quietly(watched: Watched) -> None:
    with running("top", "--interval", "0.05", str(watched.path)) as top:
        assert top.stdout is not None
        assert top.stderr is not None
        top.stdout.readline()
        top.stdout.close()
        assert top.stderr.read() == ""
        assert top.wait(60) == UNREAD


@over_a_socket
def test_a_process_without_names_says_so(watched: Watched) -> None:
    program = (
        "import sys; from elasticq.metrics.live import serve; serve(sys.argv[1]); print(flush=True); input()"
    )
    path = watched.path.with_name("none")
    with subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        done = elasticq("top", "--once", path)
        process.kill()
    assert (done.returncode, done.stderr) == (FINE, "")
    assert "no queue has a name yet" in done.stdout


# What can't be watched.


class Page(http.server.BaseHTTPRequestHandler):
    """Answers with what its server has been given."""

    def do_GET(self) -> None:
        status, kind, text = self.server.answer  # type: ignore[attr-defined]
        self.send_response(status, "text \x1b[31m")
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def page(status: int, kind: str, text: str) -> Iterator[str]:
    """The address of a page."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        server.answer = (status, kind, text)  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [(404, "text/plain", "404"), (200, "text/html", "text/html"), (302, "text/plain", "302")],
)
def test_a_page_that_is_none_of_metrics_is_one_line(status: int, kind: str, said: str) -> None:
    with page(status, kind, "x") as where:
        done = elasticq("top", "--once", where)
    one_line(done, FAILED, where, said)
    assert "\x1b" not in done.stderr


def test_a_page_with_other_metrics_has_no_queues() -> None:
    with page(200, "text/plain; version=0.0.4", "# HELP x y\nx 1\nelasticq_queue_depth 5\n") as where:
        done = elasticq("top", "--once", where)
    assert (done.returncode, done.stderr) == (FINE, "")
    assert "no queue has a name yet" in done.stdout


@pytest.mark.parametrize(
    ("where", "said"),
    [
        pytest.param("missing", "No such file", marks=over_a_socket),
        pytest.param(".", "no socket", marks=over_a_socket),
        pytest.param("file", "no socket", marks=over_a_socket),
        ("ftp://host/", "http://"),
        ("http://", "http://"),
        ("http://127.0.0.1:99999/", "address"),
        ("http://[::1/", "address"),
        ("http://127.0.0.1:9/", "nobody answers"),
    ],
)
def test_nothing_to_watch_is_one_line(where: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    one_line(elasticq("top", "--once", where, cwd=tmp_path), FAILED, where, said)


@over_a_socket
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"hello\n",
        b'{"elasticq": 1}\n',
        b"[]\n",
        b'{"elasticq":"1","process":1,"clock":1,"queues":2}\n',
        b'{"elasticq":"1","process":1e400,"clock":1,"queues":0}\n',
        b"[" * 100_000 + b"\n",
    ],
    ids=[
        "nothing",
        "a text",
        "no process",
        "a list",
        "too few queues",
        "an infinite process",
        "lists in lists",
    ],
)
def test_a_socket_of_something_else_is_one_line(answer: bytes, short_folder: Path) -> None:
    path = short_folder / "other"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(os.fspath(path))
        listening.listen()

        def serve() -> None:
            client, _ = listening.accept()
            with client, contextlib.suppress(OSError):  # it may hang up at the first line
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        done = elasticq("top", "--once", path)
        thread.join()
    one_line(done, FAILED, os.fspath(path), "no process")


@pytest.mark.parametrize("interval", ["0", "-1", "nan", "3601", "soon"])
def test_a_wrong_interval_is_one_line(interval: str) -> None:
    one_line(elasticq("top", f"--interval={interval}", "x"), FAILED, "--interval", interval)


# The parser of pages.


def test_lines_of_a_page_are_read_as_prometheus_writes_them() -> None:
    text = "\n".join(
        [
            "# HELP elasticq_queue_depth Messages in the queue.",
            "# TYPE elasticq_queue_depth gauge",
            r'elasticq_queue_depth{queue="a \"b\" \\ \n {c}"} 3.0',
            'elasticq_queue_waiters{end="item", kind="thread",queue="b",} 1e3 1700000000',
            'elasticq_messages_total{queue="c"} 5 # {trace="x"} 1.0 2.0',
            "elasticq_plain 7",
            'elasticq_queue_depth{queue="d"} NaN',
            'elasticq_queue_depth{queue="d"} +Inf',
            'elasticq_queue_depth{queue="d"} none',
            'elasticq_queue_depth{queue="d"}',
            'elasticq_queue_depth{queue="d',
            'other_queue_depth{queue="e"} 1',
            'elasticq_queue_depth{queue="f\u2028g"} 1',
        ]
    )
    assert list(samples(text)) == [
        ("elasticq_queue_depth", {"queue": 'a "b" \\ \n {c}'}, 3.0),
        ("elasticq_queue_waiters", {"end": "item", "kind": "thread", "queue": "b"}, 1000.0),
        ("elasticq_messages_total", {"queue": "c"}, 5.0),
        ("elasticq_plain", {}, 7.0),
        ("elasticq_queue_depth", {"queue": "f\u2028g"}, 1.0),
    ]


def test_a_proxy_of_the_environment_is_not_asked(watched: Watched) -> None:
    changes: dict[str, Any] = {"http_proxy": "http://127.0.0.1:9", "all_proxy": "http://127.0.0.1:9"}
    done = elasticq("top", "--once", watched.page, **changes)
    assert (done.returncode, done.stderr) == (FINE, "")
