"""`import elasticq as queue`: CPython's own tests of the module `queue` pass over this package, unmodified
and in full, but for those that look inside the interpreter (`INSIDE`).

The tests are those of the interpreter that runs this file. Since 3.13 they cover `shutdown`, too. Each of
their classes takes the module under test from its attribute `queue`.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import elasticq

HERE = Path(__file__).parent

standard: Any
try:
    standard = importlib.import_module("test.test_queue")
except ImportError:  # some distributions leave out the package `test`
    standard = ModuleType("test.test_queue")

CASES = sorted(
    name
    for name, case in vars(standard).items()
    if isinstance(case, type) and issubclass(case, unittest.TestCase) and case.__module__ == standard.__name__
)


INSIDE = {("CSimpleQueueTest", "test_simplequeue_sizeof")}
"""It adds up the fields of a structure of the interpreter's."""


def over_elasticq(name: str) -> type:
    """One of the standard library's test cases, with this package as the module under test."""

    def set_up(self: Any) -> None:
        # The standard library's own SimpleQueue has two implementations. One has a private name.
        self.type2test = elasticq.SimpleQueue
        standard.BaseSimpleQueueTest.setUp(self)

    case = getattr(standard, name)
    attributes: dict[str, Any] = {"queue": elasticq, "__module__": __name__, "__unittest_skip__": False}
    if name == "PySimpleQueueTest":
        attributes["setUp"] = set_up
    attributes |= {test: None for of, test in INSIDE if of == name and hasattr(case, test)}
    return type(f"Elastic{name}", (case,), attributes)


@pytest.fixture(autouse=True)
def _as_if_run_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets the tests run that ask for 5 GB, which fifty threads might use but never do. It also spares the
    tests that collect garbage the objects of all other tests. Some tests run themselves in a process of
    their own, which has to find this file.
    """
    if CASES:
        monkeypatch.setattr("test.support.real_max_memuse", 8 << 30)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(str(HERE / folder) for folder in ("", "../scripts")))
    gc.freeze()
    yield
    gc.unfreeze()


for _name in CASES:
    globals()[f"Elastic{_name}"] = over_elasticq(_name)


def test_the_standard_library_brings_its_tests() -> None:
    """Where Python has to bring its tests, their absence is a failure."""
    if not CASES and not (os.environ.get("CI") and sys.version_info >= (3, 13)):
        pytest.skip("this interpreter comes without its test package")
    kinds = ("Queue", "LifoQueue", "PriorityQueue", "FailingQueue", "SimpleQueue")
    assert set(CASES) >= {f"{implementation}{kind}Test" for kind in kinds for implementation in ("Py", "C")}
    tests = [name for case in CASES for name in dir(getattr(standard, case)) if name.startswith("test_")]
    assert len(tests) >= (150 if sys.version_info >= (3, 13) else 40)
    assert ("test_shutdown_empty" in tests) == (sys.version_info >= (3, 13))


def test_our_names_are_those_of_the_module() -> None:
    import queue

    assert {name for name in queue.__all__ if not hasattr(elasticq, name)} == set()
    for name in ("Empty", "Full", "ShutDown"):
        assert issubclass(getattr(elasticq, name), getattr(queue, name, Exception))
    for name in ("LifoQueue", "PriorityQueue"):
        assert issubclass(getattr(elasticq, name), elasticq.Queue)
