"""Errors lose nothing on their way through a view, a copy, a pickle or another process."""

from __future__ import annotations

import asyncio
import copy
import multiprocessing
import pickle
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import pytest
from support import python

import elasticq
from elasticq import Empty, Full, MaxCapacityReached, PriorityCircularBuffer, Queue, QueueError, ShutDown
from elasticq._views import as_asyncio


class Refused(Full):
    """A user's own error, with its own arguments and state."""

    def __init__(self, *, item: object) -> None:
        super().__init__(f"refused {item!r}")
        self.item = item

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Refused, item=self.item), (), self.__dict__


OURS: set[type[BaseException]] = {
    value
    for value in map(vars(elasticq).get, elasticq.__all__)
    if isinstance(value, type) and issubclass(value, BaseException)
}
THEIRS: dict[type[QueueError], str] = {
    Empty: "QueueEmpty",
    Full: "QueueFull",
    MaxCapacityReached: "QueueFull",
    Refused: "QueueFull",
    ShutDown: "QueueShutDown",
}


def of_view(error: type[QueueError]) -> BaseException:
    return as_asyncio(error("why"))


ERRORS: dict[str, Callable[[], BaseException]] = {
    **{error.__name__: partial(error, "why", 1) for error in OURS if not issubclass(error, OSError)},
    "StorageError": partial(elasticq.StorageError, 28, "full", "file"),
    "Timeout": partial(elasticq.Timeout, "why"),
    "Refused": partial(Refused, item=3),
    **{f"{error.__name__} of a view": partial(of_view, error) for error in THEIRS if error is not Refused},
    "Refused of a view": lambda: as_asyncio(Refused(item=3)),
}


def by_pickle(protocol: int, error: Any) -> Any:
    return pickle.loads(pickle.dumps(error, protocol))


WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {n}": partial(by_pickle, n) for n in range(pickle.HIGHEST_PROTOCOL + 1)},
}


def is_the_same(twin: BaseException, error: BaseException) -> None:
    assert twin is not error
    assert type(twin) is type(error)
    assert (twin.args, str(twin), repr(twin)) == (error.args, str(error), repr(error))
    assert vars(twin) == vars(error)


def laden(make: Callable[[], BaseException]) -> BaseException:
    error: Any = make()
    error.remaining = [1, "two"]
    error.__notes__ = ["first", "second"]  # what `add_note` does, which came with Python 3.11
    return error  # type: ignore[no-any-return]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("make", ERRORS.values(), ids=ERRORS)
def test_a_copy_is_the_same_error(make: Callable[[], BaseException], way: Callable[[Any], Any]) -> None:
    is_the_same(way(make()), make())
    error = laden(make)
    twin = way(error)
    is_the_same(twin, error)
    is_the_same(way(twin), error)  # and so is a copy of the copy
    assert getattr(twin, "errno", None) == getattr(error, "errno", None)


@pytest.mark.parametrize("error", THEIRS)
def test_an_error_of_a_view_is_asyncios_and_has_all_that_ours_had(error: type[QueueError]) -> None:
    try:
        try:
            raise LookupError("cause")
        except LookupError as cause:
            raise laden(lambda: Refused(item=3) if error is Refused else error("why")) from cause
    except QueueError as raised:
        ours = raised
    seen: Any = as_asyncio(ours)
    assert isinstance(seen, error)
    assert isinstance(seen, getattr(asyncio, THEIRS[error], Exception))
    assert (seen.args, vars(seen)) == (ours.args, vars(ours))
    assert (seen.__cause__, seen.__context__, seen.__suppress_context__) == (
        ours.__cause__,
        ours.__context__,
        True,
    )
    assert traceback.extract_tb(seen.__traceback__) == traceback.extract_tb(ours.__traceback__)
    assert as_asyncio(seen) is seen


def test_an_error_that_asyncio_has_not_stays_itself() -> None:
    for error in (elasticq.InvalidOperation("why"), LookupError("why"), asyncio.CancelledError()):
        assert as_asyncio(error) is error


class Choosy(Queue[int]):
    """Refuses items with an error of its own."""

    def _put(self, item: int) -> None:
        raise Refused(item=item) from LookupError("cause")


async def test_what_a_hook_raises_comes_through_a_view_whole() -> None:
    view = Choosy().async_q
    with pytest.raises(asyncio.QueueFull) as at_once:
        view.put_nowait(3)
    with pytest.raises(asyncio.QueueFull) as awaited:
        await view.put(3)
    for raised in (at_once.value, awaited.value):
        assert isinstance(raised, Refused)
        assert (raised.item, type(raised.__cause__)) == (3, LookupError)
        assert "_put" in [frame.name for frame in traceback.extract_tb(raised.__traceback__)]


def refused_by(kind: str) -> object:
    """Runs in another process."""
    if kind == "put_many":
        queue: Queue[int] = Queue(1)
        queue.put_many([1, 2, 3], block=False)
    if kind == "Refused":
        raise laden(lambda: Refused(item=3))
    view: Any = Queue(1).async_q if kind == "Queue" else PriorityCircularBuffer().async_q
    view.get_nowait()
    return None


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        yield executor


def test_another_process_hands_over_the_whole_error(pool: ProcessPoolExecutor) -> None:
    with pytest.raises(Full) as full:
        pool.submit(refused_by, "put_many").result()
    assert full.value.remaining == [1, 2, 3]
    for kind in ("Queue", "PriorityCircularBuffer"):
        with pytest.raises(asyncio.QueueEmpty) as empty:
            pool.submit(refused_by, kind).result()
        assert isinstance(empty.value, Empty)
    with pytest.raises(Refused) as refused:
        pool.submit(refused_by, "Refused").result()
    assert (refused.value.item, refused.value.remaining) == (3, [1, "two"])
    assert vars(refused.value)["__notes__"] == ["first", "second"]


def test_an_error_of_a_view_is_asyncios_where_asyncio_was_not_imported() -> None:
    pickled = pickle.dumps(laden(lambda: as_asyncio(Empty("why"))))
    output = python(
        f"""
        import pickle, sys
        import elasticq
        assert "asyncio" not in sys.modules
        error = pickle.loads({pickled!r})
        import asyncio
        kinds = [isinstance(error, kind) for kind in (asyncio.QueueEmpty, elasticq.Empty)]
        print(kinds, error.remaining, error)
        """
    )
    assert output == "[True, True] [1, 'two'] why\n"
