"""Work queues on NATS: what is special there, with a real server that is stopped, killed and restarted."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nats_servers import Server, bare, new_stream
from ports import free_port
from support import IS_UNIX, Threads, holds_in_child, python, unix_only, wait_until, wait_until_asleep

import elasticq
from elasticq import InvalidConfiguration, connect
from elasticq.backends import TooLarge, Unreachable

pytestmark = pytest.mark.usefixtures("nats_server")


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server that a test may stop."""
    with Server(tmp_path / "own") as server:
        yield server


def test_other_clients_read_bytes_and_put_bytes(nats_server: Server) -> None:
    url = nats_server.url()
    stream = url.rpartition("/")[2]
    with connect(url) as queue:
        queue.put(b"ours", id="1")
        queue.put("text")

        async def read(client: Any) -> list[tuple[bytes, dict[str, str]]]:
            stored = client.jetstream()
            return [((raw := await stored.get_msg(stream, n)).data, raw.headers) for n in (1, 2)]

        (data, headers), (_, coded) = bare(nats_server, read)
        assert (data, headers) == (b"ours", {"Nats-Msg-Id": "1"})
        assert coded["Elasticq-Codec"] == "plain"

        async def put(client: Any) -> None:
            await client.jetstream().publish(stream, b"theirs", headers={"From": "elsewhere"})

        bare(nats_server, put)
        leases = queue.lease_many(3)
        assert [lease.item for lease in leases] == [b"ours", "text", b"theirs"]
        assert [lease.headers for lease in leases] == [None, None, {"From": "elsewhere"}]
        assert leases[2].id is None


def test_a_long_lease_is_kept_alive_and_a_short_one_ends(nats_server: Server) -> None:
    url = nats_server.url()
    with connect(url, ttl=0.3) as queue, connect(url) as other:
        queue.put("job")
        lease = queue.lease(ttl=60)
        with pytest.raises(elasticq.Empty):  # for longer than the server waits by itself
            other.lease(wait=1)
        lease.extend(0.4)
        assert other.lease(wait=60, ttl=0.1).deliveries == 2
        assert queue.lease(wait=60).deliveries == 3


def test_a_long_lease_that_nobody_has_is_kept_alive_no_more(nats_server: Server) -> None:
    with connect(nats_server.url(), ttl=0.3) as queue:
        queue.put("job")
        lease = queue.lease(ttl=60)
        assert lease.deliveries == 1
        del lease
        gc.collect()
        assert queue.lease(wait=60).deliveries == 2


def test_settings_of_an_existing_stream_are_compared_and_left_alone(nats_server: Server) -> None:
    url = nats_server.url()
    stream = url.rpartition("/")[2]

    def config() -> Any:
        async def read(client: Any) -> Any:
            return (await client.jetstream().stream_info(stream)).config

        return bare(nats_server, read)

    connect(url, max_depth=5, duplicate_window=60, ttl=20).close()
    before = config()
    assert (before.retention, before.storage, before.discard) == ("workqueue", "file", "new")
    with pytest.raises(InvalidConfiguration) as caught:
        connect(url, max_depth=6, duplicate_window=61, subject="other")
    text = str(caught.value)
    assert f"the stream {stream!r} exists with other settings" in text
    for part in (
        "max_depth (max_msgs) is 5, wanted 6",
        "duplicate_window is 60.0, wanted 61.0",
        f"subjects is ['{stream}'], wanted ['other']",
        "It was not changed",
    ):
        assert part in text
    with pytest.raises(InvalidConfiguration, match=r"ttl \(ack_wait\) is 20.0, wanted 21.0"):
        connect(url, ttl=21)
    with pytest.raises(InvalidConfiguration, match="a work queue has one consumer"):
        connect(url, consumer="others")
    assert config() == before
    with connect(url) as queue:
        assert queue.max_depth == 5, "what nobody asks for is taken as it is there"


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"retention": "limits"}, "retention is 'limits', wanted 'workqueue'"),
        ({"retention": "workqueue", "max_msgs": 5, "discard": "old"}, "discard is 'old', wanted 'new'"),
        ({"retention": "workqueue", "max_age": 60}, "max_age is 60.0, wanted 0"),
        ({"retention": "workqueue", "storage": "memory"}, "storage is 'memory', wanted 'file'"),
        ({"retention": "workqueue", "no_ack": True}, "no_ack is True, wanted False"),
        ({"retention": "workqueue", "max_msgs_per_subject": 1}, "max_msgs_per_subject is 1, wanted 0"),
    ],
)
def test_a_stream_that_would_lose_messages_is_refused(
    nats_server: Server, wrong: dict[str, Any], text: str
) -> None:
    stream = new_stream()

    async def make(client: Any) -> None:
        await client.jetstream().add_stream(name=stream, subjects=[stream], **wrong)

    bare(nats_server, make)
    with pytest.raises(InvalidConfiguration) as caught:
        connect(nats_server.url(stream))
    assert text in str(caught.value)


def test_a_consumer_that_delivers_no_payloads_is_refused(nats_server: Server) -> None:
    stream = new_stream()

    async def make(client: Any) -> None:
        from nats.js.api import AckPolicy, ConsumerConfig

        config = ConsumerConfig(durable_name="workers", ack_policy=AckPolicy.EXPLICIT, headers_only=True)
        await client.jetstream().add_stream(name=stream, subjects=[stream], retention="workqueue")
        await client.jetstream().add_consumer(stream, config)

    bare(nats_server, make)
    with pytest.raises(InvalidConfiguration, match="headers_only is True, wanted False"):
        connect(nats_server.url(stream))


def test_replicas_that_the_cluster_does_not_have_are_refused(nats_server: Server) -> None:
    with pytest.raises(InvalidConfiguration, match=r"replicas|peers"):
        connect(nats_server.url(), replicas=3)


def test_a_payload_above_the_servers_limit_is_refused_before_it_is_sent(nats_server: Server) -> None:
    with connect(nats_server.url()) as queue:
        most = queue.native.max_payload
        with pytest.raises(TooLarge, match=r"1,048,577 bytes is too large .* 1,048,576 bytes"):
            queue.put(bytes(most + 1))
        with pytest.raises(ValueError, match="nothing was sent"):
            queue.put_many([b"small", bytes(most)])
        assert queue.depth() == 0
        queue.put(bytes(most - 300))
        assert len(queue.lease().item) == most - 300
        assert queue.native.is_connected


def test_names_that_no_header_can_carry_are_refused(nats_server: Server) -> None:
    with connect(nats_server.url()) as queue:
        for wrong in ("", " a", "a\nb", "\u00fc", "_eq.1"):
            with pytest.raises(ValueError, match="'id' is"):
                queue.put(b"", id=wrong)
        with pytest.raises(ValueError, match="'id' has 32,769 characters: on NATS it may"):
            queue.put(b"", id="x" * 32_769)
        with pytest.raises(TypeError, match="'id' must be text, not int"):
            queue.put(b"", id=7)  # type: ignore[arg-type]
        assert queue.depth() == 0


@pytest.mark.parametrize(
    ("rest", "text"),
    [
        ("", "the URL names no stream"),
        ("/a.b", "'a.b' can't name a stream"),
        ("/a?consumer=b%20c", "'b c' can't name a consumer"),
        ("/a?subject=b.*", "the subject 'b.*' can't be sent to"),
        ("/a?ttl=0.01", "it must be seconds, at least 0.1"),
        ("/a?replicas=0", "it must be a whole number, at least 1"),
        ("/a?user=me", "needs 'user' and 'password', or neither"),
        ("/a?token=x&user=me&password=y", "more than one credential: user, token"),
        ("/a?nope=1", "nats:// has no setting 'nope'; it has: ca, cert"),
        ("/a?cert=/none", "needs 'cert' and 'key', or neither"),
        ("/a?ca=/none/ca.pem", "the file 'ca' of nats://127.0.0.1:4222/a can't be read"),
    ],
)
def test_what_is_wrong_in_a_url_is_named(rest: str, text: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        connect(f"nats://127.0.0.1:4222{rest}")
    assert text in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1:x", "127.0.0.1:70000", ":4222", "a:1,,b:2"])
def test_a_server_that_is_none_is_named(host: str) -> None:
    with pytest.raises(InvalidConfiguration, match="is no server: write host:port"):
        connect(f"nats://{host}/jobs")


def test_an_unreachable_server_is_an_error_after_the_deadline() -> None:
    url = f"nats://127.0.0.1:{free_port()}/jobs"
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"nats://127.0.0.1:\d+/jobs was not reached in 0.5 s: ") as caught:
        connect(url, timeout=0.5)
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.is_retriable
    assert time.monotonic() - began < 30


def test_a_server_that_comes_late_is_waited_for(tmp_path: Path, threads: Threads) -> None:
    server = Server(tmp_path / "late", port=free_port())
    wait_until_asleep(threads.start(lambda: connect(server.url("jobs"), timeout=60).close()))
    with server:
        threads.join()


def test_a_server_without_jetstream_says_so(tmp_path: Path) -> None:
    with (
        Server(tmp_path / "plain", jetstream=False) as server,
        pytest.raises((Unreachable, InvalidConfiguration), match="JetStream"),
    ):
        connect(server.url(), timeout=0.5)


def test_a_put_over_a_broken_connection_stays_one_message(own_server: Server, threads: Threads) -> None:
    """The server is killed and started again while items are put: each is there once."""
    with connect(own_server.url("jobs"), timeout=60) as queue:
        done = 0

        def put() -> None:
            nonlocal done
            for number in range(300):
                assert queue.put(number)
                done += 1
            assert queue.put_many(range(300, 5_000)) == 4_700

        threads.start(put)
        for after in (50, 200):

            def some(after: int = after) -> bool:
                return done >= after

            wait_until(some, "some were put")
            own_server.kill()
            own_server.start()
        threads.join()
        assert queue.depth() == 5_000
        taken: list[int] = []
        while len(taken) < 5_000:
            leases = queue.lease_many(1_000, wait=60)
            taken += [lease.item for lease in leases]
            queue.ack_many(leases)
        assert sorted(taken) == list(range(5_000))


def test_an_outage_that_lasts_is_an_error_that_loses_nothing(own_server: Server) -> None:
    with connect(own_server.url("jobs"), timeout=1.5) as queue:
        queue.put("job")
        lease = queue.lease()
        own_server.kill()
        with pytest.raises(Unreachable):
            queue.put("x")
        with pytest.raises(Unreachable) as caught:
            queue.put_many([1, 2, 3])
        assert caught.value.remaining == [1, 2, 3]
        with pytest.raises(Unreachable):
            queue.lease(wait=0)
        with pytest.raises(Unreachable):
            queue.lease(wait=0.2)
        with pytest.raises(Unreachable, match="may be delivered once more"):
            lease.ack()
        with pytest.raises(Unreachable):
            queue.depth()
        own_server.start()
        wait_until(lambda: queue.native.is_connected, "it reconnects by itself")
        assert queue.depth() >= 1


def test_whoever_waits_for_ever_waits_through_an_outage(own_server: Server, threads: Threads) -> None:
    with connect(own_server.url("jobs"), timeout=1.5) as queue:
        taken: list[Any] = []

        def take() -> None:
            with queue.lease() as lease:
                taken.append(lease.item)

        wait_until_asleep(threads.start(take))
        own_server.kill()
        own_server.start()
        wait_until(lambda: queue.native.is_connected, "it reconnects by itself")
        queue.put("job")
        threads.join()
        assert taken == ["job"]


@unix_only("SIGSTOP")
def test_a_server_that_answers_no_more_is_noticed(own_server: Server) -> None:
    with connect(own_server.url("jobs"), timeout=1.5) as queue:
        with own_server.stopped(), pytest.raises(Unreachable, match="did not answer"):
            queue.put("x", id="1")
        wait_until(lambda: queue.depth() == 1, "the server goes on")
        queue.put("x", id="1")
        assert queue.depth() == 1


def test_a_connection_that_the_server_ends_for_good_is_made_anew(own_server: Server) -> None:
    """nats-py closes itself for good after some errors of the server. The queue goes on all the same."""
    with connect(own_server.url("jobs"), timeout=30) as queue:
        before = queue.native
        queue._home._thread.run(before._process_err("'User Authentication Expired'"))  # type: ignore[attr-defined]
        wait_until(lambda: before.is_closed, "the client has given up")
        queue.put("job")
        assert queue.native is not before
        with queue.lease() as lease:
            assert lease.item == "job"


def test_a_consumer_that_was_removed_is_named(own_server: Server) -> None:
    with connect(own_server.url("jobs")) as queue:

        async def remove(client: Any) -> None:
            await client.jetstream().delete_consumer("jobs", "workers")

        bare(own_server, remove)
        with pytest.raises(elasticq.InvalidOperation, match="'workers' was removed"):
            queue.lease(wait=5)


def test_an_item_above_the_streams_own_limit_is_refused(nats_server: Server) -> None:
    stream = new_stream()

    async def make(client: Any) -> None:
        config = {"retention": "workqueue", "max_msg_size": 1_000, "discard": "new"}
        await client.jetstream().add_stream(name=stream, subjects=[stream], **config)

    bare(nats_server, make)
    with connect(nats_server.url(stream)) as queue:
        with pytest.raises(TooLarge, match="takes 1,000 bytes"):
            queue.put_many([b"small", bytes(2_000), b"small"])
        assert queue.depth() == 0


def test_items_that_are_leased_go_back_when_the_queue_is_closed(nats_server: Server) -> None:
    url = nats_server.url()
    with connect(url) as queue:
        queue.put_many(range(10))
        leases = queue.lease_many(10)
    with connect(url) as queue:
        assert len(queue.lease_many(10, wait=1)) == 10
    assert len(leases) == 10


def test_a_queue_that_nobody_has_closes_itself(nats_server: Server) -> None:
    names = {thread.name for thread in threading.enumerate()}
    queue = connect(nats_server.url())
    (thread,) = (thread for thread in threading.enumerate() if thread.name not in names)
    queue.put("job")
    del queue
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()


@unix_only("fork")
def test_a_forked_child_is_told_to_open_the_queue_anew(nats_server: Server) -> None:
    with connect(nats_server.url()) as queue:
        queue.put("job")

        def child() -> bool:
            with pytest.raises(elasticq.InvalidOperation, match="before this process was forked"):
                queue.put("x")
            queue.close()
            return True

        assert holds_in_child(child)
        assert queue.depth() == 1


def test_a_program_that_ends_without_closing_ends(nats_server: Server) -> None:
    url = nats_server.url()
    python(f"""
        import elasticq
        queue = elasticq.connect({url!r})
        queue.put("job")
        lease = queue.lease()
        """)
    with connect(url) as queue:
        assert queue.lease(wait=5).deliveries == 2, "it was given back"


def test_keyboard_interrupt_while_waiting_leaves_the_item(nats_server: Server) -> None:
    with connect(nats_server.url()) as queue:
        main = threading.get_ident()

        def interrupt() -> None:
            signal.pthread_kill(main, signal.SIGINT) if IS_UNIX else signal.raise_signal(signal.SIGINT)

        timer = threading.Timer(0.2, interrupt)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            queue.lease()
        timer.join()
        queue.put("job")
        assert queue.lease(wait=60).item == "job"


def test_the_password_of_a_url_is_shown_nowhere(nats_server: Server) -> None:
    with connect(f"nats://me:secret@{nats_server.address}/{new_stream()}") as queue:
        assert "secret" not in repr(queue)
    with pytest.raises(Unreachable) as caught:
        connect(f"nats://me:secret@127.0.0.1:{free_port()}/jobs", timeout=0.3)
    assert "secret" not in str(caught.value)


def test_a_batch_of_large_items_comes_in_parts_that_the_server_can_send(nats_server: Server) -> None:
    """A server ends the connection of a client for which it has to keep more than 64 MB."""
    size = 900_000
    with connect(nats_server.url()) as queue:
        assert queue.put_many([bytes(size)] * 100) == 100
        taken = 0
        while taken < 100:
            leases = queue.lease_many(100, wait=0)
            assert sum(len(lease.item) for lease in leases) <= 16 << 20
            queue.ack_many(leases)
            taken += len(leases)
        assert queue.native.stats["reconnects"] == 0


def waiting_requests(server: Server, stream: str) -> int:
    """How many requests for messages the server has."""

    async def read(client: Any) -> int:
        return int((await client.jetstream().consumer_info(stream, "workers")).num_waiting)

    return bare(server, read)


def test_more_workers_than_usual_may_wait(nats_server: Server, threads: Threads) -> None:
    """A consumer lets 512 requests wait, unless it is told otherwise."""
    many = 600
    url = nats_server.url()
    stream = url.rpartition("/")[2]
    done: list[Any] = []
    with connect(url) as queue:

        async def work() -> None:
            async def take() -> Any:
                async with await queue.alease(wait=60) as lease:
                    return lease.item

            done.extend(await asyncio.gather(*(take() for _ in range(many))))

        threads.start(lambda: asyncio.run(work()))
        wait_until(lambda: waiting_requests(nats_server, stream) == many, "the server knows all requests")
        queue.put_many(range(many))
        threads.join()
    assert sorted(done) == list(range(many))


def test_a_request_that_was_given_up_is_forgotten_by_the_server(nats_server: Server) -> None:
    """Otherwise the next item would go there first, and count as delivered."""
    url = nats_server.url()
    stream = url.rpartition("/")[2]
    with connect(url) as queue:

        async def give_up() -> None:
            waiting = [asyncio.create_task(queue.alease()) for _ in range(10)]
            while await asyncio.to_thread(waiting_requests, nats_server, stream) < 10:
                pass
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

        asyncio.run(give_up())
        queue.depth()  # a trip to the server, behind what was sent before
        queue.put("job")
        assert queue.lease().deliveries == 1


@unix_only("SIGSTOP")
def test_a_silent_server_is_not_an_empty_queue(own_server: Server) -> None:
    with connect(own_server.url("jobs"), timeout=1.5) as queue:
        queue.put("job")
        with own_server.stopped(), pytest.raises(Unreachable, match="did not answer"):
            queue.lease(wait=0)
        assert queue.lease(wait=60).item == "job"
