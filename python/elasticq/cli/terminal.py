"""What the output goes to: a terminal or not, how wide it is, and tables that fit.

Colours and live views are for terminals, and come from rich (the extra `cli`). Everywhere else, and without
rich, the same tables are plain text.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_SHORTEST = 8
"""So many columns of the first column are kept, however narrow the terminal is."""
_APART = "  "


def is_terminal() -> bool:
    """Whether the output goes to a terminal that can do more than print lines."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def columns_of_output() -> int | None:
    """How wide the output may be; None if nothing limits it. COLUMNS overrides what the terminal says."""
    asked = os.environ.get("COLUMNS", "")
    if not sys.stdout.isatty() and not (asked.isdecimal() and int(asked) > 0):
        return None
    return max(20, shutil.get_terminal_size().columns)


def rich_console() -> Console | None:
    """A console of rich, if there is a terminal and rich is installed."""
    if not is_terminal():
        return None
    try:
        return console()
    except ImportError:
        return None


def console() -> Console:
    """A console of rich for whatever the output is. If its reader has gone, it says so as `print` does."""
    from rich.console import Console

    made: Console = type("Console", (Console,), {"on_broken_pipe": _reader_has_gone})(highlight=False)
    return made


def _reader_has_gone(_: Console) -> NoReturn:
    """What a console of rich calls when its reader has gone. It would end the process with another status."""
    raise BrokenPipeError


def wrapped(text: str, columns: int | None, less: int) -> list[str]:
    """The lines of a text that has so many columns less; one if nothing limits them."""
    if columns is None:
        return [text]
    return textwrap.wrap(text, max(_SHORTEST, columns - less), break_on_hyphens=False)


def width_of(text: str) -> int:
    """How many columns a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        for sign in text
    )


def visible(text: str) -> str:
    """A text that does nothing to a terminal: what can't be printed is written as an escape."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text
    )


def shortened(text: str, columns: int) -> str:
    """A text that takes at most so many columns. Two dots say that something is left out."""
    if width_of(text) <= columns:
        return text
    while text and width_of(text) > columns - 2:
        text = text[:-1]
    return text + ".."


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, and how soon it is left out. The first column never is."""

    heading: str
    rank: int = 0
    """Columns with the highest rank are left out first."""


@dataclass(frozen=True)
class Table:
    """Rows of texts. The first column stands to the left and may be shortened; the others to the right."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    styles: Sequence[str] = ()
    """How rich shows each row."""

    def fitted(self, width: int | None) -> Table:
        """The same table without the columns that have no room. A third is for the first column at least."""
        if width is None:
            return self
        first, *others = (self._width(index) for index in range(len(self.columns)))
        named = min(first, max(_SHORTEST, width // 3))
        kept = list(range(1, len(self.columns)))
        while len(kept) > 1 and named + sum(others[index - 1] + len(_APART) for index in kept) > width:
            kept.remove(max(kept, key=lambda index: (self.columns[index].rank, index)))
        room = max(_SHORTEST, width - sum(others[index - 1] + len(_APART) for index in kept))
        return Table(
            [self.columns[index] for index in (0, *kept)],
            [[shortened(row[0], room), *(row[index] for index in kept)] for row in self.rows],
            self.styles,
        )

    def lines(self) -> list[str]:
        """The headings and the rows as plain text."""
        widths = [self._width(index) for index in range(len(self.columns))]
        lines = []
        for row in ([column.heading for column in self.columns], *self.rows):
            gaps = [" " * (width - width_of(cell)) for cell, width in zip(row, widths, strict=True)]
            others = (f"{_APART}{gap}{cell}" for gap, cell in zip(gaps[1:], row[1:], strict=True))
            lines.append("".join((row[0], gaps[0], *others)).rstrip())
        return lines

    def rich(self) -> Text:
        """The same for a console of rich."""
        from rich.text import Text

        headings, *rows = self.lines()
        drawn = Text(headings, style="bold", no_wrap=True, overflow="crop", end="")
        for row, style in zip_longest(rows, self.styles, fillvalue=""):
            drawn.append("\n")
            drawn.append(row, style=f"not bold {style}")
        return drawn

    def _width(self, index: int) -> int:
        return max(width_of(row[index]) for row in ([column.heading for column in self.columns], *self.rows))
