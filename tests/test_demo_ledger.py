"""The ledger's arithmetic and the messages that it counts: each kind of fault is named and fails the run."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import pytest

from elasticq.demo import message
from elasticq.demo.ledger import Account, Depth, Latency, Ledger, Levels, Sample, percentile, settle
from elasticq.demo.message import MessageId

QOS0, QOS1, QOS2 = (MessageId(publisher=1, sequence=qos, qos=qos) for qos in message.QOS_LEVELS)
SENT = frozenset({QOS0, QOS1, QOS2})
SAYS = "the queue's stats() say"


@dataclasses.dataclass(frozen=True)
class Stats:
    messages_enqueued: int = 3
    messages_dequeued: int = 3
    messages_dropped: int = 0
    messages_refused: int = 0
    current_size: int = 0
    current_capacity: int = 64
    peak_size: int | None = 2
    grown: int = 0
    shrunk: int = 0


def scrape(**changes: int) -> dict[str, int]:
    """What a scrape of such a queue says, except for the changes."""
    counts = {"enqueued": 3, "dequeued": 3, "dropped": 0, "refused": 0, **changes}
    return {f"elasticq_messages_{what}_total": count for what, count in counts.items()}


def account(received: Counter[MessageId], processed: Counter[MessageId] | None = None) -> Account:
    return settle(SENT, len(SENT), received, received if processed is None else processed)


def ledger(entry: Account, **changes: Any) -> Ledger:
    """A ledger with one account and a queue that agrees with it, except for the changes."""
    values: dict[str, Any] = {
        "accounts": {1: entry},
        "corrupt": 0,
        "malformed": 0,
        "latency": {0: Latency.of([1_000_000]), 1: None},
        "depth": Depth(64, 3, [Sample(0.0, 0, 64), Sample(0.5, 2, 128), Sample(1.0, 0, 64)]),
        "stats": Stats(messages_enqueued=entry.received, messages_dequeued=entry.processed),
        "seconds": 1.0,
        "broker": {"pid": 1},
    }
    return Ledger(**{**values, **changes})


def test_a_good_run() -> None:
    good = ledger(account(Counter(SENT)))
    assert good.total == Account(sent=3, acknowledged=3, received=3, processed=3)
    assert (good.problems(), good.exit_status) == ([], 0)
    assert ledger(account(Counter(SENT)), scraped=scrape()).problems() == []


@pytest.mark.parametrize("dropped", SENT)
def test_a_message_taken_but_not_processed_is_lost_whatever_its_qos(dropped: MessageId) -> None:
    entry = account(Counter(SENT), Counter(SENT - {dropped}))
    assert entry.lost == 1
    assert entry.missing == entry.undelivered == 0
    bad = ledger(entry)
    assert bad.problems() == ["1 messages lost between broker and database"]
    assert bad.exit_status == 1


def test_one_copy_of_two_lost_is_lost_too() -> None:
    entry = account(Counter({**Counter(SENT), QOS1: 2}), Counter(SENT))
    assert (entry.received, entry.processed, entry.lost) == (4, 3, 1)


@pytest.mark.parametrize("absent", [QOS1, QOS2])
def test_a_guaranteed_message_that_never_came_is_missing(absent: MessageId) -> None:
    entry = account(Counter(SENT - {absent}))
    assert (entry.missing, entry.undelivered, entry.lost) == (1, 0, 0)
    assert ledger(entry).problems() == ["1 messages of QoS 1 or 2 never received"]


def test_a_qos_0_message_that_never_came_is_counted_apart_and_is_no_fault() -> None:
    entry = account(Counter(SENT - {QOS0}))
    assert (entry.missing, entry.undelivered, entry.lost) == (0, 1, 0)
    assert ledger(entry).exit_status == 0


def test_qos_1_may_be_received_twice() -> None:
    entry = account(Counter({**Counter(SENT), QOS1: 3}))
    assert (entry.duplicated_qos1, entry.received, entry.processed) == (2, 5, 5)
    assert ledger(entry).exit_status == 0


@pytest.mark.parametrize("doubled", [QOS0, QOS2])
def test_the_others_may_not(doubled: MessageId) -> None:
    entry = account(Counter({**Counter(SENT), doubled: 2}))
    assert ledger(entry).problems() == [f"1 messages of QoS {doubled.qos} received more than once"]


def test_a_message_that_was_never_sent_or_never_received_is_unknown() -> None:
    stranger = MessageId(1, 99, 1)
    assert account(Counter(SENT | {stranger})).unknown == 1
    assert account(Counter(SENT), Counter(SENT | {stranger})).unknown == 1
    assert account(Counter(SENT), Counter({**Counter(SENT), QOS0: 2})).unknown == 1


def test_a_message_without_acknowledgement_is_a_fault() -> None:
    entry = settle(SENT, 2, Counter(SENT), Counter(SENT))
    assert ledger(entry).problems() == ["1 messages never acknowledged by the broker"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"corrupt": 2}, "2 messages with a wrong checksum"),
        ({"malformed": 3}, "3 messages that could not be read"),
        ({"failures": ["publisher 2: exit status 1"]}, "publisher 2: exit status 1"),
        ({"stats": Stats(messages_enqueued=4)}, f"{SAYS} messages_enqueued = 4, the ledger says 3"),
        ({"stats": Stats(messages_dequeued=2)}, f"{SAYS} messages_dequeued = 2, the ledger says 3"),
        ({"stats": Stats(messages_dropped=1)}, f"{SAYS} messages_dropped = 1, the ledger says 0"),
        ({"stats": Stats(messages_refused=1)}, f"{SAYS} messages_refused = 1, the ledger says 0"),
        ({"stats": Stats(current_size=1)}, f"{SAYS} current_size = 1, the ledger says 0"),
        (
            {"scraped": scrape(dequeued=2)},
            "a scrape says elasticq_messages_dequeued_total = 2, the ledger says 3",
        ),
        (
            {"scraped": scrape(dropped=1)},
            "a scrape says elasticq_messages_dropped_total = 1, the ledger says 0",
        ),
        (
            {"scraped": scrape(refused=1)},
            "a scrape says elasticq_messages_refused_total = 1, the ledger says 0",
        ),
        ({"stats": Stats(peak_size=1)}, f"{SAYS} peak_size = 1, the ledger says between 2 and 3"),
        ({"stats": Stats(peak_size=4)}, f"{SAYS} peak_size = 4, the ledger says between 2 and 3"),
    ],
)
def test_every_other_fault_is_named(change: dict[str, Any], problem: str) -> None:
    bad = ledger(account(Counter(SENT)), **change)
    assert (bad.problems(), bad.exit_status) == ([problem], 1)


def test_the_total_adds_up_the_publishers() -> None:
    one = account(Counter(SENT - {QOS0}))
    assert ledger(one, accounts={1: one, 2: one}).total == one + one == Account(6, 6, 4, 4, undelivered=2)


def test_capacity_over_time() -> None:
    capacity = ledger(account(Counter(SENT))).as_dict()["capacity"]
    assert capacity == {"initial": 64, "peak": 128, "final": 64}


def test_percentiles_are_values_that_occurred() -> None:
    assert percentile([7], 0.99) == 7
    assert [percentile(range(1, 101), fraction) for fraction in (0.0, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]
    assert Latency.of([]) is None
    assert Latency.of([3_000_000, 1_000_000, 2_000_000]) == Latency(3, 2.0, 3.0, 3.0)


@pytest.mark.parametrize("filler", [b"", b"x", bytes(1000)])
def test_a_message_comes_back_as_it_was(filler: bytes) -> None:
    payload = message.encode(QOS2, 123456789, filler)
    assert len(payload) == message.MIN_PAYLOAD + len(filler)
    assert message.decode(payload) == (QOS2, 123456789, True)
    assert message.identify(payload) == QOS2


def test_any_changed_bit_is_noticed() -> None:
    payload = message.encode(QOS1, 42, b"filler")
    for position in range(8 * len(payload)):
        damaged = bytearray(payload)
        damaged[position // 8] ^= 1 << position % 8
        if position < 32:
            with pytest.raises(ValueError, match="no demo message"):
                message.decode(bytes(damaged))
        else:
            assert not message.decode(bytes(damaged)).intact


def test_a_payload_too_short_is_no_message() -> None:
    whole = message.encode(QOS1, 42, b"")
    with pytest.raises(ValueError, match="at least 24 bytes"):
        message.identify(whole[:-1])


def levels(**changes: Any) -> Levels:
    """Counters of a queue that serves by QoS and got one message of each, except for the changes."""
    agreeing = {name: [1, 1, 1] for name in ("pushed", "popped", "received", "processed")}
    return Levels(**{**agreeing, **changes})


def test_a_good_run_by_qos() -> None:
    latency = {0: Latency.of([5_000_000]), 1: Latency.of([2_000_000]), 2: Latency.of([1_000_000])}
    good = ledger(account(Counter(SENT)), levels=levels(), latency=latency)
    assert (good.problems(), good.exit_status) == ([], 0)
    assert good.as_dict()["levels"]["pushed"] == [1, 1, 1]


@pytest.mark.parametrize("of_qos_0", [1_000_000, 999_999])
def test_a_qos_2_that_waits_as_long_as_qos_0_fails_a_run_by_qos_and_no_other(of_qos_0: int) -> None:
    latency = {0: Latency.of([of_qos_0]), 2: Latency.of([1_000_000])}
    entry = account(Counter(SENT))
    assert ledger(entry, latency=latency).problems() == []
    bad = ledger(entry, latency=latency, levels=levels())
    assert [problem[:28] for problem in bad.problems()] == ["the p99 latency of QoS 2 is "]
    assert bad.exit_status == 1


@pytest.mark.parametrize("absent", [0, 2])
def test_a_run_by_qos_that_cannot_tell_fails(absent: int) -> None:
    latency = {0: Latency.of([5_000_000]), 2: Latency.of([1_000_000]), absent: None}
    bad = ledger(account(Counter(SENT)), levels=levels(), latency=latency)
    complaint = "the p99 latencies of QoS 2 and QoS 0 cannot be compared: one had no messages"
    assert bad.problems() == [complaint]
    assert bad.exit_status == 1


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"pushed": [1, 2, 1]}, "2 pushed at level 1, the ledger says 1"),
        ({"processed": [1, 1, 0]}, "1 popped at level 2, the ledger says 0"),
    ],
)
def test_counters_by_level_that_contradict_the_ledger_fail_the_run(
    changes: dict[str, list[int]], complaint: str
) -> None:
    latency = {0: Latency.of([5_000_000]), 2: Latency.of([1_000_000])}
    bad = ledger(account(Counter(SENT)), levels=levels(**changes), latency=latency)
    assert bad.problems() == [f"the buffer's stats() say {complaint}"]
