"""The models in tla+ hold, and each mistake made in them on purpose is found.

What is modelled, and which mistake which property finds: docs/verification.md. An ordinary run of pytest
leaves this file out, since it has nothing to do with the Python under it: `scripts/test tla` runs it, or
`pytest -m tla`.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.tla, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parent.parent
MODELS = ROOT / "tla+"


def tlc(config: Path) -> subprocess.CompletedProcess[str]:
    """Runs the model checker on the model that the configuration's name begins with."""
    model = re.match("LockFreeMP[SM]CQueue", config.name)
    assert model
    return subprocess.run(
        [ROOT / "scripts" / "tlc", f"{model[0]}.tla", "-config", str(config)],
        cwd=MODELS,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "config",
    [
        "LockFreeMPSCQueue",
        "LockFreeMPSCQueueClosing",
        "LockFreeMPSCQueueLiveness",
        "LockFreeMPMCQueue",
        "LockFreeMPMCQueueLiveness",
    ],
)
def test_the_model_holds(config: str) -> None:
    """All properties hold in all reachable states, and the checker leaves nothing behind."""
    before = set(MODELS.iterdir())
    run = tlc(MODELS / f"{config}.cfg")
    print(*run.stdout.splitlines()[-8:], sep="\n")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Model checking completed. No error has been found." in run.stdout
    assert set(MODELS.iterdir()) == before


# The configuration, the mistake, the one property that is checked, and constants to change.
MISTAKES: list[tuple[str, str, str, dict[str, object]]] = [
    ("LockFreeMPSCQueue", "publish before write", "NothingUnpublished", {}),
    ("LockFreeMPSCQueue", "resize without sealing", "ClaimsInCurrent", {}),
    ("LockFreeMPSCQueue", "reopen in place", "NoABA", {}),
    ("LockFreeMPSCQueue", "retire before the last claim is published", "NoRetiredSlots", {}),
    ("LockFreeMPSCQueue", "retire the current segment", "NoRetiredCurrent", {}),
    ("LockFreeMPSCQueue", "recycle under a pin", "NoStaleHeader", {}),
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
    ("LockFreeMPSCQueue", "limit raised without a pin", "NoStaleHeader", {}),
    (
        "LockFreeMPSCQueue",
        "limit not tied to the segment",
        "LimitOnlyRises",
        {"Producers": "{1}", "Messages": 5, "InitialCapacity": 3, "MaxCapacity": 4},
    ),
    ("LockFreeMPSCQueue", "sleep without looking", "NoLostWakeUp", {}),
    ("LockFreeMPSCQueueClosing", "no guard", "SingleConsumer", {}),
    ("LockFreeMPSCQueueLiveness", "only who sealed helps", "PusherFinishes", {}),
    ("LockFreeMPSCQueueLiveness", "only who sealed helps", "ResizeCompletes", {}),
    ("LockFreeMPSCQueueLiveness", "move on without pins only", "TakerTakes", {}),
    ("LockFreeMPSCQueueLiveness", "the consumer waits for the resize", "TakerAnswers", {}),
    ("LockFreeMPSCQueueLiveness", "sleep without looking", "AllIsTaken", {}),
    ("LockFreeMPMCQueue", "finish before read", "NothingOverwritten", {}),
    ("LockFreeMPMCQueue", "note after the claim", "NothingOverwritten", {}),
    ("LockFreeMPMCQueue", "limit from the head", "NothingOverwritten", {}),
    ("LockFreeMPMCQueue", "limit raised without a pin", "NoStaleHeader", {}),
    ("LockFreeMPMCQueue", "hazard without a second look", "NoStaleHeader", {}),
    ("LockFreeMPMCQueue", "free without looking at hazards", "NoRetiredSlots", {}),
    ("LockFreeMPMCQueue", "use a header again under a pin", "NoStaleHeader", {}),
    ("LockFreeMPMCQueue", "retire the current segment", "NoRetiredCurrent", {}),
    ("LockFreeMPMCQueue", "nothing without a second look", "NothingOnlyWhenEmpty", {}),
    ("LockFreeMPMCQueueLiveness", "wait for who moves on", "SomebodyTakes", {}),
]


@pytest.mark.parametrize(
    ("config", "mistake", "found_by", "constants"), MISTAKES, ids=[f"{m[0]}-{m[1]}-{m[2]}" for m in MISTAKES]
)
def test_the_mistake_is_found(
    config: str, mistake: str, found_by: str, constants: dict[str, object], tmp_path: Path
) -> None:
    """The property that is meant for the mistake fails; no other is checked that could fail before it."""
    text = (MODELS / f"{config}.cfg").read_text()
    invariants = text.partition("PROPERTIES")[0]
    assert re.search(rf"(?m)^ +{found_by}$", text), f"{config} doesn't check {found_by}"
    is_invariant = found_by in invariants.split()
    text = invariants.partition("INVARIANTS")[0]
    for name, value in {**constants, "Mutant": f'"{mistake}"'}.items():
        text, replaced = re.subn(rf"(?m)^( *{name} =).*$", rf"\1 {value}", text)
        assert replaced == 1, name
    file = tmp_path / f"{config}.cfg"
    file.write_text(f"{text}{'INVARIANT' if is_invariant else 'PROPERTY'} {found_by}\n")
    run = tlc(file)
    print(*run.stdout.splitlines()[-4:], sep="\n")
    expected = f"Invariant {found_by} is violated." if is_invariant else "Temporal properties were violated."
    assert expected in run.stdout, run.stdout[-5000:] + run.stderr


def test_without_java_the_reason_is_told(tmp_path: Path) -> None:
    """The message names what is missing and the package that has it."""
    run = subprocess.run(
        ["/bin/bash", ROOT / "scripts" / "tlc"],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert "apt-get install default-jre-headless" in run.stderr
