"""The parts of `make verify`, as data: what `make test` has no time for.

Python's versions are those that pyproject.toml names.
"""

from __future__ import annotations

import tomllib

from turns import ROOT
from verdicts import Part

RELEASE = "cargo test --package elasticq --release"

# What the parts look at that check the crate or the models, and no more. The others may look at anything.
CRATE = ("rust/elasticq/", "Cargo.toml", "Cargo.lock", ".cargo/")
MODELS = ("tla+/", "scripts/test", "scripts/test-python", "scripts/tlc")
FLAWS = (*CRATE, "scripts/mutants", "scripts/flaws/", "scripts/verdicts.py", "scripts/turns.py")
WITH_SOURCE = ("scripts/rust-with-source", "scripts/debian.bash")
SANITIZED = (*CRATE, *WITH_SOURCE, "scripts/sanitize", "scripts/sanitize-leaks")
MACHINE_SCRIPTS = ("scripts/machines", "scripts/wine.bash", "scripts/python")
MACHINE = (*CRATE, *WITH_SOURCE, "rust/", "rust-3.13t/", "pyproject.toml", *MACHINE_SCRIPTS)


def pythons() -> list[str]:
    """The versions of Python that the project supports."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["elasticq"]
    return list(settings["pythons"])


def on_python(command: str) -> str:
    """Runs Python tests where the programs are that they start, and where a missing one is a failure."""
    return f"scripts/test programs && CI=true {command}"


MACHINES = {
    "aarch64-unknown-linux-gnu": "The crate's tests pass on 64-bit ARM, emulated.",
    "x86_64-pc-windows-gnu": "The crate's tests pass on Windows, under Wine.",
    "aarch64-apple-darwin": "The crate, its tests and the binding compile for macOS.",
    "x86_64-apple-darwin": "They compile for macOS on Intel's processors.",
    "x86_64-pc-windows-msvc": "They compile for Windows with Microsoft's linker.",
    "x86_64-unknown-linux-musl": "They compile for Linux with musl.",
    "aarch64-unknown-linux-musl": "They compile for Linux with musl on 64-bit ARM.",
}


EMULATED = ("aarch64-unknown-linux-gnu", "x86_64-pc-windows-gnu")


def large_model(model: str, config: str, proves: str) -> Part:
    """A configuration of a TLA+ model that takes too long for `make test`."""
    command = f"scripts/test jre && cd tla+ && ../scripts/tlc {model}.tla -config {config}.cfg"
    return Part(f"tla-{config}", proves, command, reads=MODELS)


PARTS = [
    Part(
        "features-alone",
        "The crate's tests pass without any feature, and with each alone.",
        "scripts/test features_alone",
        reads=(*CRATE, "benches/", "rust/pages/", "scripts/test"),
    ),
    Part(
        "peer-suites",
        "The own tests of janus and culsans pass with elasticq in their place.",
        "scripts/peer-suites",
    ),
    Part(
        "package",
        "The crate's package, unpacked elsewhere, passes its tests.",
        "scripts/package --tests",
    ),
    Part(
        "coverage-rust",
        "The crate's tests run at least 90 % of its lines.",
        "scripts/coverage rust",
        reads=(*CRATE, "scripts/coverage", "scripts/debian.bash"),
    ),
    Part(
        "coverage-python",
        "The Python tests run at least 95 % of the package's lines.",
        on_python("scripts/coverage python"),
    ),
    *(
        Part(
            f"python-{version}",
            f"All Python tests pass on Python {version}.",
            on_python(f"scripts/test-python {version}"),
            platform=f"Python {version}",
            shows_without="compiled",  # by the script, and else it would have failed
        )
        for version in pythons()
    ),
    Part(
        "python-windows",
        "All Python tests that can pass there pass on Windows, under Wine.",
        "scripts/test-windows",
        platform="Python on Windows",
    ),
    *(
        Part(
            f"python-package-{version}",
            f"What is published for Python {version} is built from its own sources, checked and used.",
            f"scripts/python-package {version}",
        )
        for version in pythons()
    ),
    *(
        Part(
            f"machine-{name}",
            proves,
            f"scripts/machines {name}",
            reads=MACHINE,
            platform=name,
            shows="run" if name in EMULATED else "compiled",
        )
        for name, proves in MACHINES.items()
    ),
    Part(
        "loom",
        "The models of the real code hold in all interleavings with up to so many preemptions.",
        "scripts/test models",
        {"LOOM_MAX_PREEMPTIONS": "3"},
        reads=(*CRATE, "scripts/test"),
    ),
    Part(
        "tla",
        "All TLA+ models of usual size hold, and each mistake made in them on purpose is found.",
        "scripts/test tla",
        {"ELASTICQ_MODELS": "all"},
        reads=(*MODELS, "tests/test_tla.py"),
    ),
    large_model(
        "LockFreeMPSCQueue",
        "LockFreeMPSCQueueLarge",
        "The queue with one consumer is safe, also if a header is linked too late.",
    ),
    large_model(
        "LockFreeMPSCQueue",
        "LockFreeMPSCQueueLivenessLarge",
        "It makes progress with two producers, also while it shrinks.",
    ),
    large_model(
        "LockFreeMPMCQueue",
        "LockFreeMPMCQueueLarge",
        "The queue with many consumers is safe, also if they renew the limit.",
    ),
    large_model(
        "LockFreeMPMCQueue",
        "LockFreeMPMCQueueLivenessLarge",
        "It makes progress with two messages, also while it is resized.",
    ),
    large_model("DurableLog", "DurableLogCellsLarge", "The durable log loses nothing, with one record more."),
    large_model("DurableLog", "DurableLogSkipsLarge", "It loses nothing in two power cuts or kills."),
    large_model("DurableRoot", "DurableRootLarge", "Its files are given up rightly, with four segments."),
    Part(
        "mutants",
        "Each flaw that is put into the code on purpose is found by the proof meant for it.",
        '"$PYTHON" scripts/mutants --verdicts "$VERDICTS"',
        {"LOOM_MAX_PREEMPTIONS": "3"},
        reads=FLAWS,
        hours=6,
    ),
    Part(
        "soak",
        "Of so many messages through each queue without locks, none is lost, doubled or damaged.",
        f"{RELEASE} --features lock_free --test soak -- --nocapture --test-threads 1",
        {"ELASTICQ_SOAK_MESSAGES": "100000000"},
        reads=CRATE,
    ),
    Part(
        "ends-random",
        "Each item is accounted for when handles come and go in random order, in so many rounds.",
        f"{RELEASE} --features lock_free --test ends_random",
        {"ELASTICQ_ENDS_ROUNDS": "100000"},
        reads=CRATE,
    ),
    Part(
        "random-cases",
        "The queues do what simple models of them do, in so many times the usual number of random cases.",
        f"{RELEASE} --features lock_free,priority --lib --test locked_model --test mpsc_properties"
        " --test priority_fairness --test priority_model --test spsc",
        {"ELASTICQ_EFFORT": "20"},
        reads=CRATE,
    ),
    Part(
        "power-cuts",
        "The durable queue loses nothing in so many times the usual number of power cuts and kills.",
        f"{RELEASE} --features persistent --lib --test persistent_kill",
        {"ELASTICQ_EFFORT": "20"},
        reads=CRATE,
    ),
    Part(
        "durable-items",
        "The durable queue holds so many items on disk, in little memory.",
        f"{RELEASE} --features persistent --test persistent_full -- --nocapture",
        {"ELASTICQ_DURABLE_ITEMS": "10000000"},
        reads=CRATE,
    ),
    Part(
        "work-cluster",
        "Work queues on a cluster of NATS lose none of so many messages when its leader is killed.",
        on_python("scripts/test-python machine tests/test_work_cluster.py -s"),
        {"ELASTICQ_CLUSTER_MESSAGES": "50000"},
    ),
    Part(
        "mqtt-proxy",
        "The MQTT proxy loses nothing of so many messages when its target is down or it is killed.",
        on_python("scripts/test-python machine tests/test_mqtt_proxy.py -k nothing_is_lost -s"),
        {"ELASTICQ_PROXY_MESSAGES": "100000", "ELASTICQ_PROXY_OUTAGE": "30"},
    ),
    Part(
        "fuzz",
        "Files with any content are opened or refused, for so many seconds of damage.",
        "scripts/fuzz",
        {"ELASTICQ_FUZZ_SECONDS": "60"},
        reads=(*CRATE, "fuzz/", "scripts/fuzz"),
    ),
    Part(
        "address-sanitizer",
        "No test of the crate uses memory after it was freed, or never frees it.",
        "scripts/sanitize address",
        reads=SANITIZED,
    ),
    Part(
        "thread-sanitizer",
        "In no test of the crate two threads access the same memory in no order.",
        "scripts/sanitize thread",
        reads=SANITIZED,
    ),
]
