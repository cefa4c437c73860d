"""Fixtures for all tests."""

from __future__ import annotations

import gc
import importlib.util
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from kinds import FILES, Kind
from nats_servers import Server
from support import Threads

# A background job ignores Ctrl-C from the start, and the processes that the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

if sys.platform == "win32":
    # There a process writes another encoding into a pipe than UTF-8, which is what the tests read.
    os.environ.setdefault("PYTHONIOENCODING", "utf-8")

# Their modules import paho, which a developer may go without, and continuous integration may not.
collect_ignore_glob = (
    [] if os.environ.get("CI") == "true" or importlib.util.find_spec("paho") else ["test_mqtt_*.py"]
)


def pytest_collection_finish() -> None:
    """Keeps garbage collections from looking at the tests themselves: that takes longer than most tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _frozen() -> Iterator[None]:
    """Does the same, after each file, for what pytest keeps of its tests."""
    yield
    gc.collect()
    gc.freeze()


def pytest_make_parametrize_id(val: object) -> str | None:
    """The name of a kind of queues, for the names of the tests that run over the table of kinds."""
    return val.name if isinstance(val, Kind) else None


@pytest.fixture(scope="session", autouse=True)
def _no_files_stay_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Gives the examples, which make folders with `mkdtemp`, a place that goes with the run."""
    folder = str(tmp_path_factory.mktemp("temporary"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", folder)
        patch.setenv("TMPDIR", folder)
        yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _folder_for_queues(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where the table of kinds makes its queues in files."""
    os.environ[FILES] = str(tmp_path_factory.mktemp("queues"))


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for sockets: the path of one may have 103 bytes on macOS, where `tmp_path` may be as long."""
    with tempfile.TemporaryDirectory(dir="/tmp" if Path("/tmp").is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def threads() -> Iterator[Threads]:
    """Starts threads, and joins them at the end of the test at the latest."""
    threads = Threads()
    yield threads
    threads.join()


@pytest.fixture
def seeded(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers. The seed is shown when the test fails, and ELASTICQ_SEED repeats a run."""
    seed = int(os.environ.get("ELASTICQ_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"{request.node.name}: ELASTICQ_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of NATS that tests share: each has streams of its own."""
    with Server(tmp_path_factory.mktemp("nats") / "server") as server:
        yield server
