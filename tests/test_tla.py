"""The models in tla+ hold, and each mistake that is made in them on purpose is found.

docs/verification.md says what is modelled, and which property finds which mistake. An ordinary run of pytest
leaves this file out, since it doesn't depend on the Python that runs it. `scripts/test tla` runs it, or
`pytest -m tla`.

The checker's answer depends on nothing but the files of the model. So everything is checked if one of them
was just changed, or with ELASTICQ_MODELS=all. Otherwise a third is checked, by turns.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest
import turns

pytestmark = [pytest.mark.tla, pytest.mark.timeout(1200)]

T = TypeVar("T")

ROOT = Path(__file__).parent.parent
MODELS = ROOT / "tla+"
FILES = set(MODELS.iterdir())

Run = subprocess.CompletedProcess[str]

THIRDS = 3


def concerned() -> bool:
    """Whether anything that the answers depend on was just changed, or nobody knows."""
    try:
        changed = turns.just_changed()
    except (OSError, subprocess.CalledProcessError):  # not in a clone
        return True
    return any(name.startswith("tla+/") or name in ("scripts/tlc", "tests/test_tla.py") for name in changed)


ALL = os.environ.get("ELASTICQ_MODELS", "") == "all" or concerned()


def whose_turn_it_is(things: Sequence[T]) -> Sequence[T]:
    """All things, or a third of them, by turns."""
    return things if ALL else things[turns.turn() % THIRDS :: THIRDS]


def is_invariant(config: str, name: str) -> bool:
    """Whether a configuration lists a property among those of single states."""
    return name in (MODELS / f"{config}.cfg").read_text().partition("PROPERTIES")[0].split()


def tlc(
    folder: Path,
    config: str,
    mistake: str = "",
    found_by: str = "",
    constants: dict[str, object] | None = None,
) -> Run:
    """Runs the model checker, on one processor, on the model whose name the configuration's name begins with.

    With a mistake in the model, only the property meant for it is checked, so that no other fails first.
    """
    model = re.match("LockFreeMP[SM]CQueue|DurableLog|DurableRoot", config)
    assert model
    text = (MODELS / f"{config}.cfg").read_text()
    if mistake:
        invariants = text.partition("PROPERTIES")[0]
        assert re.search(rf"(?m)^ +{found_by}$", text), f"{config} doesn't check {found_by}"
        kind = "INVARIANT" if is_invariant(config, found_by) else "PROPERTY"
        text = f"{invariants.partition('INVARIANTS')[0]}{kind} {found_by}\n"
    for name, value in {**(constants or {}), **({"Mutant": f'"{mistake}"'} if mistake else {})}.items():
        text, replaced = re.subn(rf"(?m)^( *{name} =).*$", rf"\1 {value}", text)
        assert replaced == 1, name
    file = folder / f"{config}.cfg"
    file.write_text(text)
    return subprocess.run(
        [ROOT / "scripts" / "tlc", f"{model[0]}.tla", "-config", str(file), "-workers", "1"],
        cwd=MODELS,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def at_work(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Run]]]:
    """Runs all chosen tests, each on one processor: a second one hardly makes a check of liveness faster."""
    pool = ThreadPoolExecutor(os.cpu_count())
    runs: dict[str, Future[Run]] = {}
    for item in request.session.items:
        if isinstance(item, pytest.Function) and "run" in item.fixturenames:
            params: dict[str, Any] = item.callspec.params
            runs[item.nodeid] = pool.submit(tlc, tmp_path_factory.mktemp("tla"), **params)
    yield runs
    pool.shutdown(cancel_futures=True)


@pytest.fixture
def run(request: pytest.FixtureRequest, at_work: dict[str, Future[Run]]) -> Run:
    """What the model checker prints for the parameters of the test."""
    return at_work[request.node.nodeid].result()


# In this order, no third of them takes much longer than another.
CONFIGURATIONS = [
    "LockFreeMPSCQueue",
    "LockFreeMPMCQueue",
    "LockFreeMPMCQueueLivenessLaps",
    "LockFreeMPMCQueueLiveness",
    "LockFreeMPSCQueueLiveness",
    "LockFreeMPSCQueueClosing",
    "LockFreeMPSCQueueLivenessResizing",
    "DurableLogEveryWrite",
    "DurableLog",
    "DurableLogClosing",
    "DurableLogCells",
    "DurableLogSkips",
    "DurableRoot",
]


@pytest.mark.parametrize("config", whose_turn_it_is(CONFIGURATIONS))
def test_the_model_holds(config: str, run: Run) -> None:
    """All properties hold in all reachable states, and the checker leaves nothing behind."""
    print(*run.stdout.splitlines()[-8:], sep="\n")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Model checking completed. No error has been found." in run.stdout
    assert set(MODELS.iterdir()) == FILES


ONE_PRODUCER: dict[str, object] = {"Producers": "{1}", "Messages": 2}
ONE_CRASH: dict[str, object] = {"Crashes": 1}

# The configuration, the mistake, the one property that is checked, and constants to change: fewer messages,
# producers or crashes, if they are enough to find it.
MISTAKES: list[tuple[str, str, str, dict[str, object]]] = [
    ("LockFreeMPSCQueue", "publish before write", "NothingUnpublished", {}),
    ("LockFreeMPSCQueue", "resize without sealing", "ClaimsInCurrent", {}),
    ("LockFreeMPSCQueue", "reopen in place", "NoABA", {}),
    ("LockFreeMPSCQueue", "retire before the last claim is published", "NoRetiredSlots", {"Messages": 1}),
    ("LockFreeMPSCQueue", "retire the current segment", "NoRetiredCurrent", {"Messages": 1}),
    ("LockFreeMPSCQueue", "recycle under a pin", "NoStaleHeader", {"Messages": 1}),
    ("LockFreeMPSCQueue", "deallocate a header", "NoDeallocatedHeader", {}),
    (
        "LockFreeMPSCQueue",
        "limit not tied to the segment",
        "Bounded",
        {"Producers": "{1}", "Messages": 5, "InitialCapacity": 3, "MaxCapacity": 4},
    ),
    (
        "LockFreeMPSCQueue",
        "limit raised in the current segment",
        "Bounded",
        {"Producers": "{1, 2}", "Messages": 4, "OthersMessages": 1, "InitialCapacity": 3, "MaxCapacity": 4},
    ),
    ("LockFreeMPSCQueue", "limit raised without a pin", "NoStaleHeader", {"Messages": 1}),
    (
        "LockFreeMPSCQueue",
        "limit not tied to the segment",
        "LimitOnlyRises",
        {"Producers": "{1}", "Messages": 5, "InitialCapacity": 3, "MaxCapacity": 4},
    ),
    ("LockFreeMPSCQueue", "sleep without looking", "NoLostWakeUp", {}),
    ("LockFreeMPSCQueueClosing", "no guard", "SingleConsumer", {}),
    ("LockFreeMPSCQueueLivenessResizing", "only who sealed helps", "PusherFinishes", {}),
    ("LockFreeMPSCQueueLivenessResizing", "only who sealed helps", "ResizeCompletes", {}),
    ("LockFreeMPSCQueueLivenessResizing", "move on without pins only", "TakerTakes", {}),
    ("LockFreeMPSCQueueLivenessResizing", "the consumer waits for the resize", "TakerAnswers", {}),
    ("LockFreeMPSCQueueLivenessResizing", "sleep without looking", "AllIsTaken", {}),
    ("LockFreeMPMCQueue", "finish before read", "NothingOverwritten", {}),
    ("LockFreeMPMCQueue", "note after the claim", "NothingOverwritten", {}),
    ("LockFreeMPMCQueue", "limit from the head", "NothingOverwritten", {}),
    ("LockFreeMPMCQueue", "limit raised without a pin", "NoStaleHeader", ONE_PRODUCER),
    ("LockFreeMPMCQueue", "hazard without a second look", "NoStaleHeader", {}),
    ("LockFreeMPMCQueue", "free without looking at hazards", "NoRetiredSlots", ONE_PRODUCER),
    ("LockFreeMPMCQueue", "use a header again under a pin", "NoStaleHeader", ONE_PRODUCER),
    ("LockFreeMPMCQueue", "retire the current segment", "NoRetiredCurrent", {}),
    ("LockFreeMPMCQueue", "nothing without a second look", "NothingOnlyWhenEmpty", ONE_PRODUCER),
    ("LockFreeMPMCQueueLiveness", "wait for who moves on", "SomebodyTakes", {}),
    ("DurableLog", "an older segment is not synced", "NothingLost", ONE_CRASH),
    ("DurableLog", "the header is not synced", "NothingLost", ONE_CRASH),
    ("DurableLog", "the name is not synced", "NothingLost", ONE_CRASH),
    ("DurableLog", "later writes count as synced", "NothingLost", ONE_CRASH),
    ("DurableLog", "mark ahead of the sync", "NeverCorrupted", ONE_CRASH),
    ("DurableLog", "dropped before the pops are durable", "ItemsAreExact", ONE_CRASH),
    ("DurableLog", "dropped before the snapshot is durable", "ItemsAreExact", ONE_CRASH),
    ("DurableLogSkips", "dropped before the root is on the disk", "NothingLost", {}),
    ("DurableLogSkips", "the root is not read", "NothingLost", {}),
    ("DurableLogSkips", "the root that was read is not synced", "NothingLost", {"Crashes": 2}),
    ("DurableLog", "the predecessor's end is not compared", "NothingForeign", ONE_CRASH),
    ("DurableLog", "later segments stay", "NothingForeign", {}),
    ("DurableLog", "the removal is not synced", "NothingForeign", {}),
    ("DurableLog", "headers of spare files stay", "NothingForeign", {}),
    ("DurableLogEveryWrite", "written on in place", "NothingForeign", {"Crashes": 2}),
    ("DurableLogClosing", "nothing new behind a closing", "NothingForeign", {"Longest": 5, "Crashes": 2}),
    ("DurableLogClosing", "only a salt", "NothingForeign", {"Longest": 5, "Crashes": 2}),
    ("DurableLogCells", "any cell is believed", "ItemsAreExact", ONE_CRASH),
    ("DurableLogCells", "a wrong cell stays", "ItemsAreExact", {}),
    ("DurableLogCells", "a cell is put right in memory only", "ItemsAreExact", {}),
    ("DurableLogCells", "dropped when only the cell tells of the pops", "ItemsAreExact", ONE_CRASH),
    ("DurableLogSkips", "a sync of the rest is reported", "NothingLost", {}),
    ("DurableLogEveryWrite", "a failed sync is tried again", "NothingLost", ONE_CRASH),
    ("DurableLogEveryWrite", "what was read counts as synced", "NothingLost", {"Crashes": 2}),
    ("DurableLogEveryWrite", "what was read is not written again", "NothingLost", {"Crashes": 2}),
    ("DurableRoot", "the root goes back", "AlwaysOpens", ONE_CRASH),
    ("DurableRoot", "the root is compared before the lock", "AlwaysOpens", ONE_CRASH),
    ("DurableRoot", "the root counts before it is synced", "NothingLost", ONE_CRASH),
    ("DurableRoot", "the root is not synced", "NothingLost", ONE_CRASH),
    ("DurableRoot", "removed before the root is written", "AlwaysOpens", ONE_CRASH),
    ("DurableRoot", "what is needed is not synced", "AlwaysOpens", ONE_CRASH),
    ("DurableRoot", "reported before the log begins there", "NothingLost", ONE_CRASH),
    ("DurableRoot", "recovery does not sync the root", "AlwaysOpens", {}),
]


@pytest.mark.parametrize(
    ("config", "mistake", "found_by", "constants"),
    [pytest.param(*mistake, id="-".join(mistake[:3])) for mistake in whose_turn_it_is(MISTAKES)],
)
def test_the_mistake_is_found(
    config: str, mistake: str, found_by: str, constants: dict[str, object], run: Run
) -> None:
    """The property that is meant for the mistake fails."""
    print(*run.stdout.splitlines()[-4:], sep="\n")
    temporal = "Temporal properties were violated."
    expected = f"Invariant {found_by} is violated." if is_invariant(config, found_by) else temporal
    assert expected in run.stdout, run.stdout[-5000:] + run.stderr


def test_without_java_the_reason_is_told(tmp_path: Path) -> None:
    """The message names what is missing, and the package that has it."""
    run = subprocess.run(
        ["/bin/bash", ROOT / "scripts" / "tlc"],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert "apt-get install default-jre-headless" in run.stderr
