"""Metrics: what is exported equals an independent ledger, whatever becomes of the queue."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from support import Threads, held_elsewhere, holds_in_child, unix_only, wait_until

import elasticq
from elasticq import _core, metrics
from elasticq.metrics import _series
from elasticq.metrics.otel import _Looks, observe
from elasticq.metrics.prometheus import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
KINDS: dict[str, Callable[[Path], Any]] = {
    "Queue": lambda _: elasticq.Queue(),
    "LifoQueue": lambda _: elasticq.LifoQueue(),
    "PriorityQueue": lambda _: elasticq.PriorityQueue(),
    "SimpleQueue": lambda _: elasticq.SimpleQueue(),
    "DynamicCircularBuffer": lambda _: elasticq.DynamicCircularBuffer(),
    "BufferChannel": lambda _: elasticq.BufferChannel(),
    "LockFreeMPMCQueue": lambda _: elasticq.LockFreeMPMCQueue(),
    "LockFreeMPSCQueue": lambda _: elasticq.LockFreeMPSCQueue(),
    "LockFreeSPSCQueue": lambda _: elasticq.LockFreeSPSCQueue(),
    "PriorityCircularBuffer": lambda _: elasticq.PriorityCircularBuffer(),
    "PersistentCircularBuffer": lambda folder: elasticq.PersistentCircularBuffer(folder / "queue", "no_sync"),
}


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name of the test's own, since series live as long as the process."""
    return str(request.node.nodeid)


def seen(name: str) -> dict[str, float]:
    """What is told of a queue; labels stand behind the metric's name."""
    return {
        sample.metric.name.removeprefix("elasticq_")
        + "".join(f",{label}" for label in sample.labels.values()): (sample.value)
        for sample in metrics.look()[name]
    }


def counters(name: str) -> tuple[float, ...]:
    """Enqueued, dequeued, dropped, refused and depth, which agree."""
    told = seen(name)
    enqueued, dequeued, dropped, refused = (
        told[f"messages_{what}_total"] for what in ("enqueued", "dequeued", "dropped", "refused")
    )
    assert enqueued == dequeued + dropped + told["queue_depth"]
    return enqueued, dequeued, dropped, refused, told["queue_depth"]


def scraped(name: str, registry: CollectorRegistry) -> dict[str, float]:
    page = generate_latest(registry).decode()
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.labels["queue"] == name and len(sample.labels) == 1
    }


@contextlib.contextmanager
def kind(make: Callable[[Path], Any], folder: Path) -> Iterator[Any]:
    queue = make(folder)
    yield queue
    if hasattr(queue, "close"):
        queue.close()


def put(queue: Any, item: int) -> None:
    next(getattr(queue, name) for name in ("put", "push", "send") if hasattr(queue, name))(item)


def get(queue: Any) -> int:
    return int(next(getattr(queue, name) for name in ("get", "pop", "recv") if hasattr(queue, name))())


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_what_is_told_equals_the_ledger(make: Callable[[Path], Any], name: str, tmp_path: Path) -> None:
    with kind(make, tmp_path) as queue:
        for item in range(5):
            put(queue, item)
        registration = metrics.instrument(queue, name)
        assert counters(name) == (5, 0, 0, 0, 5), "what is inside counts as enqueued"
        for item in range(5, 20):
            put(queue, item)
        for _ in range(8):
            get(queue)
        assert counters(name) == (20, 8, 0, 0, 12)
        registration.close()
        assert counters(name) == (20, 20, 0, 0, 0), "what is inside is out of sight"


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_a_queue_that_is_gone_is_counted_to_its_end(
    make: Callable[[Path], Any], name: str, tmp_path: Path
) -> None:
    queue = make(tmp_path)
    metrics.instrument(queue, name)
    for item in range(20):
        put(queue, item)
    for _ in range(8):
        get(queue)
    if isinstance(queue, elasticq.PriorityQueue):
        metrics.look()  # one that has moved leaves nothing: the last look counts
    durable = isinstance(queue, elasticq.PersistentCircularBuffer)
    del queue
    gc.collect()
    assert counters(name) == ((20, 20, 0, 0, 0) if durable else (20, 8, 12, 0, 0))


def test_a_queue_in_a_cycle_is_counted_to_its_end(name: str) -> None:
    queue = elasticq.Queue[Any]()
    metrics.instrument(queue, name)
    for _ in range(3):
        queue.put(queue)
    queue.get()
    del queue
    gc.collect()
    assert counters(name) == (3, 1, 2, 0, 0)


def test_a_durable_queue_that_is_closed_and_opened_again_is_counted_on(name: str, tmp_path: Path) -> None:
    for opening in range(1, 3):
        queue = elasticq.PersistentCircularBuffer[int](tmp_path / "queue")
        metrics.instrument(queue, name)
        queue.push_batch(range(10))
        for _ in range(4):
            queue.pop()
        queue.close()
        enqueued = 10 if opening == 1 else 10 + 6 + 10
        assert counters(name) == (enqueued, enqueued, 0, 0, 0)


def test_refused_dropped_and_evicted_messages_are_told_apart(name: str) -> None:
    queue = elasticq.Queue[int](maxsize=2)
    metrics.instrument(queue, name)
    queue.put_many([1, 2])
    with pytest.raises(elasticq.Full):
        queue.put_nowait(3)
    queue.get()
    queue.shutdown(immediate=True)
    with pytest.raises(elasticq.ShutDown):
        queue.put(4)
    assert counters(name) == (2, 1, 1, 2, 0)

    evicting = elasticq.Queue[int](maxsize=2, overflow="drop_oldest")
    metrics.instrument(evicting, name + " evicting")
    evicting.put_many(range(5))
    assert counters(name + " evicting") == (5, 0, 3, 0, 2)


def test_figures_agree_while_eight_threads_are_at_work_and_are_exact_at_the_end(name: str) -> None:
    queue = elasticq.Queue[int](maxsize=100)
    metrics.instrument(queue, name)
    registry = CollectorRegistry()
    registry.register(Collector())
    put_by, got_by = [0] * 4, [0] * 4
    ended = threading.Event()

    def produce(index: int) -> None:
        for item in range(3_000):
            queue.put(item)
            put_by[index] += 1

    def consume(index: int) -> None:
        with contextlib.suppress(elasticq.ShutDown):
            while True:
                queue.get()
                got_by[index] += 1

    def scrape() -> None:
        last: dict[str, float] = {}
        while not ended.is_set():
            told = scraped(name, registry)
            enqueued, dequeued = (
                told[f"elasticq_messages_{what}_total"] for what in ("enqueued", "dequeued")
            )
            assert enqueued == dequeued + told["elasticq_queue_depth"]
            assert all(told[key] >= value for key, value in last.items() if key.endswith("_total"))
            last = told

    producers = [threading.Thread(target=produce, args=(index,)) for index in range(4)]
    consumers = [threading.Thread(target=consume, args=(index,)) for index in range(4)]
    failed: list[BaseException] = []

    def watched() -> None:
        try:
            scrape()
        except BaseException as error:
            failed.append(error)

    scraping = threading.Thread(target=watched)
    threads = [*producers, *consumers, scraping]
    for thread in threads:
        thread.start()
    for thread in producers:
        thread.join()
    queue.shutdown()
    for thread in consumers:
        thread.join()
    ended.set()
    scraping.join()
    assert not failed, failed
    assert sum(put_by) == sum(got_by) == 12_000
    assert counters(name) == (12_000, 12_000, 0, 0, 0)


def test_the_same_queue_counts_once_under_one_name_and_twice_under_two(name: str) -> None:
    queue = elasticq.Queue[int]()
    first, second = metrics.instrument(queue, name), metrics.instrument(queue.sync_q, name)
    metrics.instrument(queue, name + " too")
    queue.put(1)
    assert counters(name)[0] == counters(name + " too")[0] == 1
    first.close()
    first.close()
    queue.put(2)
    assert counters(name)[0] == 2, "the second registration still watches it"
    second.close()
    queue.put(3)
    assert counters(name)[0] == 2
    assert counters(name + " too")[0] == 3


def test_queues_of_one_name_add_up(name: str) -> None:
    queues = [elasticq.Queue[int](maxsize=10) for _ in range(3)]
    for number, queue in enumerate(queues):
        metrics.instrument(queue, name)
        queue.put_many(range(number + 1))
    told = seen(name)
    assert told["queue_depth"] == 6
    assert told["queue_max_capacity"] == 30
    assert told["queue_utilization_ratio"] == pytest.approx(0.2)


def test_a_queue_without_a_limit_has_no_utilization(name: str) -> None:
    queue = elasticq.Queue[int]()
    metrics.instrument(queue, name)
    assert not {"queue_max_capacity", "queue_utilization_ratio"} & seen(name).keys()


def test_who_waits_is_told(name: str) -> None:
    queue, full = elasticq.Queue[int](), elasticq.Queue[int](maxsize=1)
    full.put(0)
    metrics.instrument(queue, name)
    metrics.instrument(full, name)

    async def main() -> None:
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(queue.aget()) for _ in range(2)]
        tasks.append(asyncio.create_task(full.aput(1)))
        while queue.waiters().item.tasks < 2 or full.waiters().room.tasks < 1:  # noqa: ASYNC110
            await asyncio.sleep(0)
        told = seen(name)
        assert told["queue_waiters,item,task"] == 2
        assert told["queue_waiters,room,task"] == 1
        assert told["queue_waiters,item,thread"] == 1
        assert told["queue_longest_wait_seconds,item"] > 0
        assert told["queue_longest_wait_seconds,room"] > 0
        for task in tasks:
            task.cancel()

    thread = threading.Thread(target=queue.get)
    thread.start()
    wait_until(lambda: queue.waiters().item.threads == 1, "the thread waits for an item")
    asyncio.run(main())
    queue.put(1)
    thread.join()
    assert seen(name)["backpressure_seconds_total"] > 0, "a task has waited for room at one of the looks"


def test_what_is_rare_is_told_from_its_first_figure_above_zero_on(name: str) -> None:
    queue = elasticq.Queue[int]()
    metrics.instrument(queue, name)
    assert not any("wait" in what or "resizes" in what or "backpressure" in what for what in seen(name))
    queue.put_many(range(100_000))
    assert seen(name)["resizes_total,grow"] > 0
    queue.drain()
    threads = Threads()
    threads.start(queue.get)
    wait_until(lambda: queue.waiters().item.threads == 1, "a thread waits for an item")
    assert seen(name)["queue_waiters,item,thread"] == 1
    queue.put(1)
    threads.join()
    told = seen(name)
    assert told["queue_waiters,item,thread"] == told["queue_longest_wait_seconds,item"] == 0
    assert "queue_waiters,room,thread" not in told


def test_the_oldest_items_age_is_exact_with_times_and_bounded_from_above_without(name: str) -> None:
    timed = elasticq.PriorityCircularBuffer[int](age_statistics=True)
    plain, lifo = elasticq.Queue[int](), elasticq.LifoQueue[int]()
    for queue, kind in ((timed, "timed"), (plain, "plain"), (lifo, "lifo")):
        metrics.instrument(queue, f"{name} {kind}")
    assert seen(f"{name} timed")["queue_oldest_item_age_seconds"] == 0
    timed.push(1)
    plain.put(1)
    lifo.put(1)
    first = seen(f"{name} plain")["queue_oldest_item_age_seconds"]
    assert first > 0
    assert seen(f"{name} timed")["queue_oldest_item_age_seconds"] > 0
    assert seen(f"{name} plain")["queue_oldest_item_age_seconds"] > first
    plain.put(2)
    plain.get()
    second = seen(f"{name} plain")["queue_oldest_item_age_seconds"]
    assert 0 < second < seen(f"{name} timed")["queue_oldest_item_age_seconds"], "it came after the last look"
    assert "queue_oldest_item_age_seconds" not in seen(f"{name} lifo"), "its items leave in another order"


def test_levels_have_figures_of_their_own(name: str) -> None:
    queue = elasticq.PriorityCircularBuffer[int](levels=3)
    metrics.instrument(queue, name)
    queue.push_batch_with_priority([1, 2, 3], 2)
    queue.push_with_priority(4, 0)
    queue.pop()
    told = seen(name)
    assert [told[f"level_depth,{level}"] for level in range(3)] == [1, 0, 2]
    assert [told[f"level_enqueued_total,{level}"] for level in range(3)] == [1, 0, 3]


def test_a_name_may_be_any_text_and_nothing_else(name: str) -> None:
    queue = elasticq.Queue[int]()
    odd = name + ' "quoted" \\ back\nline ünïcode'
    metrics.instrument(queue, odd)
    registry = CollectorRegistry()
    registry.register(Collector())
    assert scraped(odd, registry)["elasticq_queue_depth"] == 0
    with pytest.raises(TypeError, match="'name' must be a text, not int"):
        metrics.instrument(queue, 7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'queue' must be a queue of this package, not dict"):
        metrics.instrument({}, name)
    assert name not in metrics.look(), "what was refused leaves no series"


def test_a_queue_that_cannot_be_read_harms_no_other(name: str, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(elasticq.Queue[int]):
        broken = False

        def _qsize(self) -> int:
            if self.broken:
                raise OSError("gone")
            return super()._qsize()

    broken, sound = Broken(), elasticq.Queue[int]()
    metrics.instrument(broken, name + " broken")
    metrics.instrument(sound, name)
    broken.put(1)
    sound.put(1)
    assert counters(name + " broken")[0] == 1
    broken.broken = True
    assert counters(name)[0] == counters(name + " broken")[0] == 1
    assert "could not be read" in caplog.text


def test_a_queue_that_is_collected_during_a_scrape_is_counted(name: str) -> None:
    class Dying(elasticq.Queue[int]):
        def _qsize(self) -> int:
            queues.clear()  # lets go of the other queue, while all are read
            gc.collect()
            return super()._qsize()

    dying = Dying()
    queues = [elasticq.Queue[int]()]
    queues[0].put_many([1, 2])
    metrics.instrument(dying, name)
    queues.append(elasticq.Queue[int]())
    queues[-1].put(3)
    metrics.instrument(queues[-1], name)
    for _ in range(2):
        metrics.look()
    assert counters(name)[:3] == (1, 0, 1)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@unix_only("fork")
def test_a_forked_child_counts_on(name: str) -> None:
    queue = elasticq.Queue[int]()
    metrics.instrument(queue, name)
    queue.put(1)

    def counts_on() -> bool:
        queue.put(2)
        return counters(name)[0] == 2

    with held_elsewhere(metrics._lock):
        assert holds_in_child(counts_on)
    assert counters(name)[0] == 1


def test_opentelemetry_gets_all_figures_by_one_look(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = elasticq.Queue[int](maxsize=4)
    metrics.instrument(queue, name)
    reader = InMemoryMetricReader()
    observe(MeterProvider([reader]).get_meter("test"))
    queue.put_many([1, 2, 3])
    queue.get()
    looks = 0
    look = metrics.look

    def counted() -> Any:
        nonlocal looks
        looks += 1
        return look()

    monkeypatch.setattr("elasticq.metrics.otel.look", counted)
    for collection in range(1, 3):
        data: Any = reader.get_metrics_data()
        told = {
            (metric.name, point.attributes.get("elasticq.direction")): (point.value, metric.unit)
            for metric in data.resource_metrics[0].scope_metrics[0].metrics
            for point in metric.data.data_points
            if point.attributes["messaging.destination.name"] == name
        }
        assert told["messaging.client.sent.messages", None] == (3, "{message}")
        assert told["messaging.client.consumed.messages", None] == (1, "{message}")
        assert told["elasticq.queue.depth", None] == (2, "{message}")
        assert told["elasticq.queue.utilization", None] == (0.5, "1")
        assert looks == collection


def test_the_names_are_those_of_the_crate() -> None:
    text = (ROOT / "rust/elasticq/src/metrics/catalog.rs").read_text(encoding="utf-8")
    crate = dict(re.findall(r'"(elasticq_\w+)", "([^"]+)"', text))
    ours = {metric.name: metric.description for metric in metrics.ALL}
    assert ours == {
        name: text for name, text in crate.items() if name != "elasticq_operation_duration_seconds"
    }


def test_a_registry_finds_the_names_twice() -> None:
    registry = CollectorRegistry()
    registry.register(Collector())
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        registry.register(Collector())


def test_a_durable_queue_tells_of_its_files_and_its_syncs(name: str, tmp_path: Path) -> None:
    with elasticq.PersistentCircularBuffer[int](tmp_path / "queue", "every_write") as queue:
        metrics.instrument(queue, name)
        queue.push_batch(range(10))
        lease = queue.lease()
        while True:
            stats, told = queue.stats(), seen(name)
            if queue.stats() == stats:
                break  # and not between two steps of the queue's thread, which makes files ahead of time
        assert told["durable_leased"] == 1
        assert told["durable_disk_bytes"] == stats.bytes_on_disk > 0
        assert told["durable_syncs_total"] == stats.syncs >= 1
        assert told["durable_sync_seconds_total"] == pytest.approx(stats.sync_time)
        assert 0 < told["durable_sync_longest_seconds"] <= told["durable_sync_seconds_total"]
        assert told["queue_oldest_item_age_seconds"] >= 0
        lease.ack()
    assert seen(name)["durable_syncs_total"] >= stats.syncs, "counters stay"


@pytest.mark.parametrize("kind", ["LifoQueue", "PriorityQueue", "moved"])
def test_a_queue_with_the_standard_machinery_is_counted_to_its_end(kind: str, name: str) -> None:
    queue = elasticq.Queue[int]() if kind == "moved" else getattr(elasticq, kind)()
    metrics.instrument(queue, name)
    queue.put(1)
    if kind == "moved":
        metrics.look()
        with queue.mutex:
            pass
    queue.put(2)
    queue.get()
    del queue
    gc.collect()
    assert counters(name) == (2, 1, 1, 0, 0)


def test_a_look_while_a_queue_goes_loses_nothing(name: str) -> None:
    class Looking:
        def __del__(self) -> None:
            metrics.look()

    class Mine(elasticq.DynamicCircularBuffer[Any]):
        pass

    mine = Mine()
    mine.looking = Looking()  # type: ignore[attr-defined]
    metrics.instrument(mine, name)
    mine.push(1)
    mine.push(2)
    mine.pop()
    del mine  # its attributes go before its items do
    gc.collect()
    assert counters(name) == (2, 1, 1, 0, 0)


def test_looks_that_interrupt_looks_change_no_figures(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = _core._reading

    def interrupted(queue: Any) -> Any:
        reading = read(queue)
        if interrupts:
            interrupts.pop()()
        return reading

    def put_and_look() -> None:
        first.put(1)
        metrics.look()

    def let_go_and_look() -> None:
        gone.clear()
        metrics.look()

    first, gone, late = elasticq.Queue[int](), [elasticq.Queue[int]()], elasticq.Queue[int]()
    closed = elasticq.Queue[int]()
    metrics.instrument(first, name)
    first.put(1)
    gone[0].put(1)
    metrics.instrument(gone[0], name)
    registration = metrics.instrument(closed, name)
    interrupts: list[Callable[[], Any]] = []
    monkeypatch.setattr(_series, "_core", mock.Mock(wraps=_core, _reading=interrupted))
    highest = 0.0
    for interrupt in (
        put_and_look,
        let_go_and_look,
        lambda: metrics.instrument(late, name),
        registration.close,
        metrics.look,
    ):
        interrupts.append(interrupt)
        told = counters(name)
        assert told[0] >= highest
        highest = told[0]
    late.put(1)
    assert counters(name) == (4, 0, 1, 0, 3)
    assert metrics.names_of(closed) == []


def test_a_queue_that_begins_anew_takes_back_no_figure(name: str) -> None:
    queue = elasticq.Queue[int]()
    metrics.instrument(queue, name)
    queue.put_many(range(5))
    queue.get_many(5)
    assert counters(name) == (5, 5, 0, 0, 0)
    queue.__init__()  # type: ignore[misc]
    queue.put_many(range(10))
    assert counters(name) == (15, 5, 0, 0, 10)


def test_items_that_are_put_into_the_container_have_come(name: str) -> None:
    queue = elasticq.Queue[int]()
    metrics.instrument(queue, name)
    queue.put_many(range(3))
    queue.get_many(3)
    assert counters(name) == (3, 3, 0, 0, 0)
    with queue.mutex:
        queue.queue.append(1)
    assert counters(name) == (4, 3, 0, 0, 1)


def test_of_a_durable_queue_that_is_closed_already_nothing_counts(name: str, tmp_path: Path) -> None:
    queue = elasticq.PersistentCircularBuffer[int](tmp_path / "queue", "no_sync")
    metrics.instrument(queue, name)
    queue.push_batch([1, 2])
    queue.pop()
    queue.close()
    for _ in range(2):
        metrics.instrument(queue, name)
        assert counters(name) == (2, 2, 0, 0, 0)


def test_a_name_of_half_characters_is_exported(name: str) -> None:
    queue = elasticq.Queue[int]()
    metrics.instrument(queue, name + "\udc80")
    registry = CollectorRegistry()
    registry.register(Collector())
    assert rb"\\udc80" in generate_latest(registry)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@unix_only("fork")
def test_a_child_that_is_forked_during_a_collection_collects(monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly() -> dict[str, list[metrics.Sample]]:
        if threading.current_thread() is thread:
            held.set()
            leave.wait()
        return {}

    monkeypatch.setattr(elasticq.metrics.otel, "look", slowly)
    held, leave = threading.Event(), threading.Event()
    looks = _Looks()
    thread = threading.Thread(target=lambda: looks.of(metrics.ALL[0]))
    thread.start()
    held.wait()
    holds = holds_in_child(lambda: looks.of(metrics.ALL[0]) is not None)
    leave.set()
    thread.join()
    assert holds


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@unix_only("fork")
def test_a_child_without_the_thread_that_held_a_queues_lock_tells_the_last_figures(name: str) -> None:
    queue, sound = elasticq.LifoQueue[int](), elasticq.Queue[int]()
    metrics.instrument(queue, name)
    metrics.instrument(sound, name + " sound")
    queue.put(1)
    assert counters(name)[0] == 1

    def the_others_count() -> bool:
        sound.put(2)
        return (counters(name)[0], counters(name + " sound")[0]) == (1, 1)

    with held_elsewhere(queue.mutex):
        assert holds_in_child(the_others_count)
        assert counters(name)[0] == 1, "nor does a look wait for a thread that keeps the lock"
