"""Every public name is explained, and every example in a docstring does what it says."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator

import pytest

import elasticq
import elasticq.asyncio


def documented() -> Iterator[tuple[str, object]]:
    """All that is public, and public attributes of classes, without those that come from Python itself."""
    everything = [(name, getattr(elasticq, name)) for name in elasticq.__all__]
    everything += [(f"asyncio.{name}", getattr(elasticq.asyncio, name)) for name in elasticq.asyncio.__all__]
    for name, value in everything:
        if inspect.isfunction(value):
            yield name, value
        if not inspect.isclass(value):
            continue
        yield name, value
        for base in value.__mro__:
            if base.__module__.split(".")[0] != "elasticq" or issubclass(value, BaseException):
                continue
            for attribute, member in vars(base).items():
                if not attribute.startswith("_") or attribute in ("__iter__", "__aiter__"):
                    yield f"{name}.{attribute}", member


CASES = dict(documented())


@pytest.mark.parametrize("name", sorted(CASES))
def test_is_documented(name: str) -> None:
    text = inspect.getdoc(CASES[name])
    assert text
    assert len(text.split()) >= 2


@pytest.mark.parametrize("name", sorted(CASES))
def test_examples_do_what_they_say(name: str) -> None:
    globals_ = {public: getattr(elasticq, public) for public in elasticq.__all__}
    examples = doctest.DocTestParser().get_doctest(
        inspect.getdoc(CASES[name]) or "", globals_, name, None, None
    )
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    report: list[str] = []
    runner.run(examples, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)
