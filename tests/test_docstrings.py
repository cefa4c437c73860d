"""Every public name is explained, and every example in a docstring does what it says."""

from __future__ import annotations

import doctest
import inspect
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from support import need_unix

import elasticq
import elasticq.asyncio
from elasticq import backends, culsans, debug, janus, metrics, mqtt
from elasticq.metrics import live, otel, prometheus

MODULES = (
    *(elasticq, elasticq.asyncio, backends, janus, culsans, debug, mqtt),
    *(metrics, live, otel, prometheus),
)


def documented(module: ModuleType) -> Iterator[tuple[str, object]]:
    """All that is public, and public attributes of classes, without those that come from Python itself."""
    for public in module.__all__:
        value = getattr(module, public)
        name = f"{module.__name__}.{public}".removeprefix("elasticq.")
        if inspect.isfunction(value):
            yield name, value
        if not inspect.isclass(value):
            continue
        yield name, value
        for base in value.__mro__:
            if base.__module__.split(".")[0] != "elasticq" or issubclass(value, BaseException):
                continue
            for attribute, member in vars(base).items():
                if inspect.ismemberdescriptor(member):  # a slot, which the class explains
                    continue
                if not attribute.startswith("_") or attribute in ("__iter__", "__aiter__"):
                    yield f"{name}.{attribute}", member


CASES = {name: (module, value) for module in MODULES for name, value in documented(module)}


@pytest.mark.parametrize("name", sorted(CASES))
def test_is_documented(name: str) -> None:
    text = inspect.getdoc(CASES[name][1])
    assert text
    assert len(text.split()) >= 2


@pytest.mark.parametrize("name", sorted(CASES))
def test_examples_do_what_they_say(name: str, short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short_folder))
    if name == "metrics.live.serve":
        need_unix("sockets with paths")
    module, value = CASES[name]
    # A module's classes inherit methods from elasticq's own, whose examples use elasticq's names.
    globals_ = {public: getattr(where, public) for where in (elasticq, module) for public in where.__all__}
    examples = doctest.DocTestParser().get_doctest(inspect.getdoc(value) or "", globals_, name, None, None)
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    report: list[str] = []
    runner.run(examples, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)
