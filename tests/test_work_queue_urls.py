"""URLs of work queues: settings, errors that name what is wrong, and schemes that packages add."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from nats_servers import new_stream
from support import holds_in_child, python, unix_only

import elasticq
from elasticq import InvalidConfiguration, PersistentCircularBuffer, SyncMode, connect

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("jobs", {}, "'jobs' is no URL of a work queue"),
    ("kafka://host/jobs", {}, "no work queue has the scheme 'kafka'; known are file, memory, nats"),
    ("memory://", {}, "names no queue in memory"),
    ("memory://a/b", {}, "names no queue in memory"),
    ("memory://a?sync=1", {}, "memory:// has no setting 'sync'; it has: codec, "),
    ("file://", {}, "names no folder"),
    ("file://jobs", {}, "names a host; a path begins with a third slash"),
    ("file:///tmp/a#b", {}, "has a fragment; write '#' as %23"),
    ("file:///tmp/a?depth=1", {}, "file:// has no setting 'depth'"),
    ("file:///tmp/a?max_depth=0", {}, "'max_depth' of file:// is '0': it must be a whole number, at least 1"),
    ("file:///tmp/a?max_depth=1&max_depth=2", {}, "'max_depth' of file:// was given twice"),
    ("file:///tmp/a?max_depth=1", {"max_depth": 1}, "'max_depth' of file:// was given twice"),
    ("file:///tmp/a", {"max_depth": 1.5}, "'max_depth' of file:// is 1.5"),
    ("file:///tmp/a", {"max_depth": True}, "'max_depth' of file:// is True"),
    ("file:///tmp/a?sync=often", {}, "it must be every_write, no_sync, or seconds between two syncs"),
    ("file:///tmp/a?sync=0", {}, "it must be every_write"),
    ("file:///tmp/a?codec=json", {}, "it must be one of plain, pickle"),
    ("file:///tmp/a?ttl=0", {}, "it must be seconds, more than 0"),
    ("file:///tmp/a?put_timeout=-1", {}, "it must be seconds, at least 0"),
    ("file:///tmp/a?ttl=nan", {}, "it must be seconds, more than 0"),
]


@pytest.mark.parametrize(("url", "settings", "text"), WRONG, ids=[f"{url} {more}" for url, more, _ in WRONG])
def test_what_is_wrong_is_named_with_its_rule(url: str, settings: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        connect(url, **settings)
    assert text in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_a_url_is_text() -> None:
    with pytest.raises(TypeError, match=r"must be text, not (Posix|Windows)Path"):
        connect(Path("/tmp"))  # type: ignore[arg-type]


def test_settings_of_files_come_from_the_url_and_from_keywords(tmp_path: Path) -> None:
    folder = tmp_path.as_uri()
    with connect(f"{folder}/a%20queue?sync=every_write&max_depth=7", max_deliveries=3) as queue:
        native = queue.native
        assert isinstance(native, PersistentCircularBuffer)
        assert native.path is not None
        assert (Path(native.path), native.maxsize) == (tmp_path / "a queue", 7)
        assert native.sync_mode == SyncMode.EVERY_WRITE
        assert (queue.max_depth, queue.max_deliveries) == (7, 3)
    with connect(f"{folder.replace('file://', 'file://localhost')}/other?sync=0.5") as queue:
        assert queue.native.sync_mode == SyncMode.periodic(0.5)
    with connect(f"{folder}/third", sync=SyncMode.NO_SYNC, max_depth=None) as queue:
        assert queue.native.sync_mode == SyncMode.NO_SYNC


def test_a_queue_in_files_is_the_durable_queue(tmp_path: Path) -> None:
    with connect(f"{tmp_path.as_uri()}/queue") as queue:
        queue.put("by its URL", id="1")
        with pytest.raises(elasticq.AlreadyOpen):
            connect(f"{tmp_path.as_uri()}/queue")
    with PersistentCircularBuffer[str](tmp_path / "queue") as native:
        assert native.peek() == "by its URL"
        native.push("by its class", headers={"from": "web"})
    with connect(f"{tmp_path.as_uri()}/queue") as queue:
        first, second = queue.lease_many(2)
        assert (first.id, first.headers) == ("1", None)
        assert (second.id, second.headers) == (None, {"from": "web"})


def test_a_name_in_memory_is_one_queue_for_as_long_as_somebody_has_it_open() -> None:
    name = new_stream()
    with connect(f"memory://{name}", max_depth=5) as one, connect(f"memory://{name}") as other:
        one.put("job")
        assert other.max_depth == 5
        lease = other.lease(wait=0)
        one.close()
        with pytest.raises(elasticq.ShutDown):
            one.put("more")
        other.ack_many([lease])
        other.put("kept")
        with pytest.raises(InvalidConfiguration, match="max_depth is 5, wanted 6"):
            connect(f"memory://{name}?max_depth=6")
        with connect(f"memory://{name}") as third:
            assert third.lease(wait=0).item == "kept"
    with connect(f"memory://{name}") as new:
        assert (new.depth(), new.max_depth) == (0, None)


def test_a_queue_in_memory_goes_when_nobody_has_it_any_more() -> None:
    url = f"memory://{new_stream()}"
    connect(url).put("lost")
    gc.collect()
    with connect(url) as queue:
        assert queue.depth() == 0


@unix_only("fork")
def test_a_forked_child_has_queues_in_memory_of_its_own() -> None:
    url = f"memory://{new_stream()}"
    with connect(url) as queue:
        queue.put("the parent's")

        def child() -> bool:
            with pytest.raises(elasticq.InvalidOperation):
                queue.put("x")
            with connect(url) as mine:
                mine.put("the child's")
                return mine.depth() == 1

        assert holds_in_child(child)
        assert queue.lease(wait=0).item == "the parent's"


def test_without_the_extra_the_error_says_what_to_install() -> None:
    output = python("""
        import sys
        sys.modules["nats"] = None
        import elasticq
        for url in ("nats://localhost/jobs", "tls://localhost/jobs", "nats+tls://localhost/jobs"):
            try:
                elasticq.connect(url)
            except ImportError as error:
                print(error)
        """)
    assert output.count("needs the package nats-py: pip install 'elasticq[nats]'") == 3


def test_connect_is_imported_with_the_package_and_its_engines_are_not() -> None:
    output = python("""
        import sys, elasticq
        def ours():
            return sorted(name for name in sys.modules if name.startswith(("elasticq.backends", "nats")))
        print(ours())
        elasticq.connect("memory://a").close()
        print("elasticq.backends._nats" in sys.modules, "nats" in sys.modules)
        """)
    assert output == "[]\nFalse False\n"


ENGINE = '''
"""A package that adds a scheme."""

import elasticq

def open_it(url, **settings):
    return elasticq.connect("memory://" + url.partition("://")[2], **settings)
'''


def test_an_installed_package_adds_a_scheme(tmp_path: Path) -> None:
    """A distribution as pip leaves it: a module, and beside it a folder that says what it is."""
    (tmp_path / "elsewhere_queue.py").write_text(ENGINE, encoding="utf-8")
    about = tmp_path / "elsewhere_queue-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere-queue\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[elasticq.backends]\nelsewhere = elsewhere_queue:open_it\n")
    output = python(f"""
        import sys
        sys.path.append({str(tmp_path)!r})
        import elasticq
        with elasticq.connect("elsewhere://jobs", max_depth=1) as queue:
            print(queue.put("job"), queue.max_depth, queue.lease().item)
        try:
            elasticq.connect("nowhere://jobs")
        except elasticq.InvalidConfiguration as error:
            print(error)
        """)
    lines = output.splitlines()
    assert lines[0] == "True 1 job"
    assert "known are elsewhere, file, memory, nats, nats+tls, tls" in lines[1]


def test_a_scheme_of_ours_can_not_be_taken_over(tmp_path: Path) -> None:
    about = tmp_path / "thief-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: thief\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[elasticq.backends]\nmemory = thief:open_it\n")
    output = python(f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import elasticq
        print(elasticq.connect("memory://jobs"))
        """)
    assert output == "<work queue memory://jobs>\n"


@pytest.mark.parametrize(
    "url",
    ["nats://me:secret#1@h/jobs", "nats://me:[secret@h/jobs", "nats:me:secret@h/jobs", "x?token=secret"],
)
def test_an_error_about_a_url_shows_no_password(url: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        elasticq.connect(url)
    assert "secret" not in str(caught.value)


def test_an_error_about_a_password_does_not_show_it() -> None:
    with pytest.raises(InvalidConfiguration, match="'password'") as caught:
        elasticq.connect("nats://h/jobs", user="me", password=b"secret")
    assert "secret" not in str(caught.value)


def test_closing_gives_back_what_is_leased_to_others_who_have_it_open() -> None:
    url = f"memory://{new_stream()}"
    with connect(url) as other:
        with connect(url) as queue:
            queue.put_many(["job", "done"])
            leases = queue.lease_many(2)
            leases[1].ack()
        with other.lease(wait=0) as lease:
            assert (lease.item, lease.deliveries) == ("job", 2)
        assert not leases[0].active


@unix_only("fork")
def test_a_forked_child_is_told_to_open_a_queue_in_memory_anew() -> None:
    with connect(f"memory://{new_stream()}") as queue:
        queue.put("job")

        def child() -> bool:
            for call in (lambda: queue.put("x"), lambda: queue.lease(wait=0), queue.depth):
                with pytest.raises(elasticq.InvalidOperation, match="before this process was forked"):
                    call()
            queue.close()
            return True

        assert holds_in_child(child)
        assert queue.depth() == 1
