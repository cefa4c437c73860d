"""What code that runs needs of the module typing, which would take half of `import elasticq`'s time.

Type checkers read the first half, and take everything here for the real thing. At run time there is the
second half. What stands in annotations only is imported under `TYPE_CHECKING`, from typing itself.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take this name for true wherever it comes from

if TYPE_CHECKING:
    from typing import Generic, TypeVar, cast, overload

    T = TypeVar("T")
else:
    T = "T"

    class Generic:
        """The base of a generic class. It has no parameters at run time."""

        __slots__ = ()
        __class_getitem__ = classmethod(type(list[int]))

    def cast(_, value):
        """Return the value."""
        return value

    def overload(signature):
        """Return the function, which the next one of its name replaces."""
        return signature


__all__ = ["TYPE_CHECKING", "Generic", "T", "cast", "overload"]
