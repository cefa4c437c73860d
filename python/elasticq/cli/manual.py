"""Parsers whose --help reads like a manual, and wraps to the terminal.

A manual is made of texts: a paragraph, an example that begins with `$ `, or a pair of a term and its meaning.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, NoReturn

from elasticq.cli.common import FAILED, say
from elasticq.cli.terminal import visible

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

Text = str | tuple[str, str]


class Place(Enum):
    """What completion offers for a path."""

    FILE = "file"
    FOLDER = "folder"


_WIDEST = 100
"""Longer lines are hard to read."""
_NARROW = 60
"""Below this width, what an option means stands under it and not beside it."""


def width() -> int:
    """How many columns a manual takes. COLUMNS overrides what the terminal says."""
    return max(20, min(_WIDEST, shutil.get_terminal_size().columns - 2))


class Manual(argparse.ArgumentParser):
    """A parser with a manual: what the command does, its arguments, and sections under their headings."""

    def __init__(self, program: str, about: Sequence[Text], sections: Mapping[str, Sequence[Text]]) -> None:
        super().__init__(prog=program, formatter_class=_formatter, allow_abbrev=False)
        self.color = False  # since Python 3.14 argparse colours its own parts alone
        self._about, self._sections = about, sections
        self.places: dict[str, Place] = {}
        """What completion offers for an argument, by the argument's name in the result."""

    def path(self, *names: str, completed: Place, **settings: object) -> None:
        """Adds an argument whose value is a path."""
        added = self.add_argument(*names, **settings)  # type: ignore[arg-type]
        self.places[added.dest] = completed

    def format_help(self) -> str:
        columns = width()
        parts = [self.format_usage().rstrip(), "\n".join(_written(self._about, columns, ""))]
        formatter = self._get_formatter()
        for group in self._action_groups:
            formatter.start_section(group.title)
            formatter.add_arguments(group._group_actions)
            formatter.end_section()
        parts.append(formatter.format_help().strip())
        for heading, texts in self._sections.items():
            parts.append("\n".join([f"{heading}:", *_written(texts, columns, "  ")]))
        return "\n\n".join(parts) + "\n"

    def error(self, message: str) -> NoReturn:
        """One line, and where to read more."""
        say(f"{self.prog}: {visible(message)} (see {self.prog} --help)")
        raise SystemExit(FAILED)

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Prints the help and the version. A reader that has gone is not passed over in silence."""
        (file or sys.stdout).write(message)


def _formatter(prog: str) -> argparse.HelpFormatter:
    columns = width()
    return argparse.HelpFormatter(prog, max_help_position=8 if columns < _NARROW else 24, width=columns)


def _written(texts: Sequence[Text], columns: int, indent: str) -> Iterator[str]:
    """The lines of texts. A blank line stands between paragraphs, and before one that leads to something."""
    terms = [text[0] for text in texts if isinstance(text, tuple)]
    beside = max(map(len, terms), default=0) + 2
    for index, text in enumerate(texts):
        if isinstance(text, tuple):
            yield from _term(*text, columns, indent, beside)
        elif text.startswith("$ "):
            yield from _example(text[2:], columns, indent)
        else:
            if index:
                yield ""
            yield from _wrapped(text, columns, indent, indent)


def _term(term: str, meaning: str, columns: int, indent: str, beside: int) -> Iterator[str]:
    under = f"{indent}    "
    if beside > min(columns // 3, 24):
        yield from _wrapped(term, columns, indent, indent)
        yield from _wrapped(meaning, columns, under, under)
    else:
        yield from _wrapped(meaning, columns, indent + term.ljust(beside), indent + " " * beside)


def _example(command: str, columns: int, indent: str) -> Iterator[str]:
    """A command line. One that is too long goes on behind a backslash, so it can still be copied."""
    lines = _wrapped(command, columns - 2, indent, f"{indent}    ", whole=True)
    return (line if index == len(lines) - 1 else f"{line} \\" for index, line in enumerate(lines))


def _wrapped(text: str, columns: int, first: str, then: str, *, whole: bool = False) -> list[str]:
    return textwrap.wrap(
        text,
        columns,
        initial_indent=first,
        subsequent_indent=then,
        break_on_hyphens=False,
        break_long_words=not whole,
    )
