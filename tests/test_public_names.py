"""What is public says that it belongs to `elasticq`, whatever private module it stands in."""

from __future__ import annotations

import copy
import inspect
import pickle
import pydoc
import traceback
from collections.abc import Callable
from typing import Any

import pytest

import elasticq
from elasticq._public import publish
from elasticq._views import as_asyncio

PUBLIC: dict[str, Any] = {
    name: getattr(elasticq, name) for name in elasticq.__all__ if callable(getattr(elasticq, name))
}
each = pytest.mark.parametrize("name", PUBLIC)


@each
def test_what_is_public_says_so_wherever_its_module_is_shown(name: str) -> None:
    value = PUBLIC[name]
    assert value.__module__ == "elasticq"
    if inspect.isclass(value):
        assert repr(value) == f"<class 'elasticq.{value.__name__}'>"
    assert inspect.getmodule(value) is elasticq
    assert f"{value.__name__} in module elasticq" in pydoc.plain(pydoc.render_doc(value))
    assert pydoc.locate(f"elasticq.{name}") is value


@each
def test_what_is_public_is_copied_and_pickled_by_that_name(name: str) -> None:
    value = PUBLIC[name]
    assert copy.copy(value) is copy.deepcopy(value) is value
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        pickled = pickle.dumps(value, protocol)
        assert b"elasticq._" not in pickled
        assert pickle.loads(pickled) is value


def test_a_traceback_names_an_error_as_users_import_it() -> None:
    queue = elasticq.Queue[int](1)
    calls: list[Callable[[], object]] = [
        lambda: queue.put_many([1, 2], block=False),
        queue.get_nowait,
        queue.async_q.get_nowait,
    ]
    for refused in calls:
        with pytest.raises(elasticq.QueueError) as caught:
            refused()
        shown = traceback.format_exception_only(caught.value)[0]
        assert shown.startswith(("elasticq.Full: ", "elasticq.Empty: ", "elasticq.MaxCapacityReached: "))


def test_functions_are_published_and_what_is_not_ours_or_public_elsewhere_is_left_alone() -> None:
    def function() -> None:
        """A function of a private module."""

    function.__module__ = "elasticq._views"
    module: dict[str, Any] = {
        "__name__": "elasticq.elsewhere",
        "__all__": ["function", "Queue", "dict", "__version__"],
        "function": function,
        "Queue": elasticq.Queue,
        "dict": dict,
        "__version__": "1",
        "as_asyncio": as_asyncio,
    }
    publish(module)
    assert function.__module__ == "elasticq.elsewhere"
    assert elasticq.Queue.__module__ == "elasticq"
    assert dict.__module__ == "builtins"
    assert as_asyncio.__module__ == "elasticq._views"
