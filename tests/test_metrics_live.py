"""`elasticq.metrics.live`: a socket for its user alone, which tells each look, and leaves nothing behind."""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import PATIENCE, holds_in_child, linux_only, need_unix, python, unix_only, wait_until

import elasticq
from elasticq import Queue, metrics
from elasticq.metrics import live
from elasticq.metrics.live import Server, serve


@pytest.fixture
def path(short_folder: Path) -> Path:
    """Where a socket may be made."""
    need_unix("sockets with paths")
    return short_folder / "queues"


@pytest.fixture
def server(path: Path) -> Iterator[Server]:
    """A server there."""
    with serve(path) as made:
        yield made


def connected(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(PATIENCE)
    client.connect(os.fspath(path))
    return client


def told(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """The answer: what it says of the process, and each queue's figures without labels."""
    with connected(path) as client, client.makefile("rb") as answer:
        head, *lines = map(json.loads, answer.read().splitlines())
    queues = {
        line["queue"]: {name: value for name, labels, value in line["samples"] if not labels}
        for line in lines
    }
    return head, queues


@pytest.mark.usefixtures("server")
def test_each_client_is_sent_a_look_at_all_queues(path: Path) -> None:
    jobs: Queue[int] = Queue(5)
    with metrics.instrument(jobs, "jobs of live"):
        jobs.put_many([1, 2, 3])
        head, queues = told(path)
        assert (head["elasticq"], head["process"], head["queues"]) == (
            elasticq.__version__,
            os.getpid(),
            len(queues),
        )
        assert queues["jobs of live"]["elasticq_queue_depth"] == 3
        jobs.get()
        later, queues = told(path)
        assert queues["jobs of live"]["elasticq_queue_depth"] == 2
        assert later["clock"] > head["clock"]


@pytest.mark.usefixtures("server")
def test_a_name_is_told_whatever_it_is(path: Path) -> None:
    for name in ('quote " and \n', "日本", "\udc80"):
        with metrics.instrument(Queue(), name):
            _, queues = told(path)
            assert metrics._series.shown(name) in queues


@pytest.mark.usefixtures("server")
def test_only_its_user_may_open_it(path: Path) -> None:
    mode = path.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_nobody_can_connect_before_the_mode_is_right(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chmod = os.chmod
    refused: list[bool] = []

    def watched(name: str, mode: int) -> None:
        with pytest.raises(ConnectionRefusedError):
            connected(Path(name))
        refused.append(True)
        chmod(name, mode)

    monkeypatch.setattr(os, "chmod", watched)
    with serve(path):
        assert refused == [True]


@pytest.mark.usefixtures("server")
def test_nothing_that_is_sent_does_anything(path: Path) -> None:
    for sent in (b"GET /metrics HTTP/1.1\r\n\r\n", b"\x80\x04c__builtin__\nexec\n", b"x" * 100_000):
        with connected(path) as client:
            try:
                client.sendall(sent)
            except (BrokenPipeError, ConnectionResetError):  # it has answered and gone
                continue
    assert told(path)[0]["process"] == os.getpid()


@pytest.mark.usefixtures("server")
def test_a_client_that_leaves_or_does_not_read_stops_nobody(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_SEND_SECONDS", 0.01)
    answer = live._answer
    monkeypatch.setattr(live, "_answer", lambda: answer() + b"\n" * 10_000_000)
    silent = connected(path)
    silent.recv(1, socket.MSG_PEEK)  # its answer has begun
    connected(path).close()
    monkeypatch.setattr(live, "_answer", answer)
    assert told(path)[0]["process"] == os.getpid()
    silent.close()


@pytest.mark.usefixtures("server")
def test_a_look_that_fails_is_logged_and_the_next_one_is_right(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> Any:
        raise RuntimeError("out of order")

    with metrics.instrument(Queue(), "looked at"):
        with caplog.at_level(logging.ERROR, "elasticq.metrics"), monkeypatch.context() as patched:
            patched.setattr(live, "look", fails)
            assert told(path)[1] == {}
        assert "a look at the queues has failed" in caplog.text
        assert "looked at" in told(path)[1]


# The end.


def test_close_removes_the_socket_and_ends_the_thread(path: Path) -> None:
    before = threading.active_count()
    server = serve(path)
    assert (server.closed, server.path, repr(server)) == (
        False,
        os.fspath(path),
        f"<elasticq.metrics.live.Server {os.fspath(path)!r}>",
    )
    server.close()
    server.close()
    assert (server.closed, path.exists(), threading.active_count()) == (True, False, before)
    assert "closed" in repr(server)


def test_close_leaves_a_socket_that_is_not_its_own(path: Path) -> None:
    first = serve(path)
    path.unlink()
    with serve(path):
        first.close()
        assert told(path)[0]["process"] == os.getpid()
    assert not path.exists()


def test_many_threads_may_close_it(path: Path) -> None:
    for _ in range(20):
        server = serve(path)
        threads = [threading.Thread(target=server.close) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert (server.closed, path.exists()) == (True, False)


PROGRAM = """
import sys
from elasticq.metrics.live import serve
serve(sys.argv[1])
print("ready", flush=True)
sys.stdin.read()
"""


def serving(path: Path) -> subprocess.Popen[str]:
    """A process that serves until its stdin ends, and keeps no server."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_the_end_of_the_process_removes_the_socket(path: Path) -> None:
    with serving(path) as process:
        assert told(path)[0]["process"] == process.pid
    assert (process.returncode, path.exists()) == (0, False)


def test_what_a_killed_process_leaves_behind_is_replaced(path: Path) -> None:
    with serving(path) as process:
        process.kill()
    assert path.exists()
    with serve(path):
        assert told(path)[0]["process"] == os.getpid()


@unix_only("fork")
def test_a_forked_child_does_not_serve_and_the_parent_does(path: Path) -> None:
    server = serve(path)
    other = path.with_name("child")
    kept = [each.fileno() for each in (server._listening, server._stop, server._stopped)]

    def is_open(number: int) -> bool:
        try:
            os.fstat(number)
        except OSError:
            return False
        return True

    def check() -> bool:
        # The child has no part of the socket, or a client would wait at it for ever once the parent is gone.
        left = server.closed and not any(map(is_open, kept))
        server.close()  # does nothing
        with serve(other):  # the child may serve elsewhere
            return left and path.exists() and told(other)[0]["process"] == os.getpid()

    assert holds_in_child(check)
    assert not server.closed
    assert told(path)[0]["process"] == os.getpid()
    server.close()


@unix_only("fork")
def test_it_works_while_a_child_is_forked_again_and_again(path: Path) -> None:
    with serve(path):
        for _ in range(5):
            assert holds_in_child(lambda: True)
            assert told(path)[0]["process"] == os.getpid()


# What can't be served.


@pytest.mark.usefixtures("server")
def test_where_another_one_serves_is_refused(path: Path) -> None:
    with pytest.raises(OSError, match="another one serves there") as caught:
        serve(path)
    assert (caught.value.errno, caught.value.filename) == (errno.EADDRINUSE, os.fspath(path))
    assert told(path)[0]["process"] == os.getpid()


def test_something_else_is_left_alone(path: Path) -> None:
    path.write_text("text")
    with pytest.raises(FileExistsError, match="no socket"):
        serve(path)
    assert path.read_text() == "text"


def test_a_folder_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        serve(path / "deeper" / "queues")
    assert caught.value.filename == os.fspath(path / "deeper" / "queues")


def test_a_path_that_is_too_long_is_named(path: Path) -> None:
    long = path.with_name("x" * 200)
    with pytest.raises(OSError, match="too long") as caught:
        serve(long)
    assert caught.value.filename == os.fspath(long)


def test_a_failed_start_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fails)
    with pytest.raises(RuntimeError, match="new thread"):
        serve(path)
    assert not path.exists()
    assert not live._servers


def test_without_unix_sockets_it_names_the_page(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.delattr(socket, "AF_UNIX", raising=False)
        with pytest.raises(OSError, match="page of metrics") as caught:
            serve(tmp_path / "queues")
    assert caught.value.errno == errno.EAFNOSUPPORT


def test_the_module_is_imported_only_by_who_wants_it() -> None:
    program = (
        "import sys; before = set(sys.modules); import elasticq.metrics; print(*set(sys.modules) - before)"
    )
    printed = python(program)
    assert not {"socket", "elasticq.metrics.live"} & set(printed.split())


@linux_only("/proc, which tells whether a thread sleeps")
def test_it_uses_no_time_while_nobody_asks(path: Path) -> None:
    with serve(path) as server:
        told(path)
        thread = server._thread
        assert thread is not None
        assert thread.daemon
        assert thread.native_id is not None
        stat_of = Path(f"/proc/self/task/{thread.native_id}/stat")
        wait_until(lambda: stat_of.read_text().rpartition(")")[2].split()[0] == "S", "the thread sleeps")
