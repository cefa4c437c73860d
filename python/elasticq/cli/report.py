"""What the crate answers, in lines for people."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from elasticq.cli.durable import size
from elasticq.cli.terminal import columns_of_output, wrapped


def table(rows: Sequence[Sequence[object]], indent: int = 2) -> str:
    """Rows with aligned columns: numbers to the right, texts to the left. The first row has the headings.

    Where so many columns have no room, each row is shown as facts.
    """
    texts = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    numbers = [[isinstance(cell, int) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    if indent + sum(widths) + 2 * (len(widths) - 1) > (columns_of_output() or sys.maxsize):
        headings, *others = texts
        return "\n".join(facts(list(zip(headings, row, strict=True)), indent) for row in others)
    lines = []
    for row, kinds in zip(texts, numbers, strict=True):
        cells = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, number, width in zip(row, kinds, widths, strict=True)
        ]
        lines.append((" " * indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def facts(rows: Sequence[tuple[str, str]], indent: int = 2) -> str:
    """Names and what there is to say of each, which goes on in the next line if it has no room."""
    named = max(len(name) for name, _ in rows) + 2
    before = " " * (indent + named)
    lines: list[str] = []
    for name, text in rows:
        first, *others = wrapped(text, columns_of_output(), len(before)) or [""]
        lines += [" " * indent + name.ljust(named) + first, *(before + line for line in others)]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def paragraphs(texts: Sequence[str], indent: int = 0) -> str:
    """Texts one below the other, which wrap to the terminal."""
    return "\n".join(
        " " * indent + line for text in texts for line in wrapped(text, columns_of_output(), indent)
    )


def contents(answer: dict[str, Any]) -> str:
    """How many items of each kind."""
    inside = answer["contents"]
    return ", ".join(f"{inside[kind]:,} {kind}" for kind in ("ready", "leased", "delayed", "dead"))


def damage(places: Sequence[dict[str, Any]]) -> str:
    """The places where something is wrong: where, and below it what."""
    lines = []
    for place in places:
        lines.append(paragraphs([f"{place['file']}, offset {place['offset']:,}"], 2))
        lines.append(paragraphs([f"{place['what']}{_lost(place)}"], 4))
    return "\n".join(lines)


def _lost(place: dict[str, Any]) -> str:
    first, records, count = place["first"], place["records"], place["bytes"]
    if records == 0:
        return ""
    if records is None:
        return f"; what follows record {first - 1} is lost, {size(count)}"
    which = f"record {first} is" if records == 1 else f"records {first} to {first + records - 1} are"
    return f"; {which} lost, {size(count)}"


def losses(answer: dict[str, Any]) -> list[str]:
    """What is lost, and what may come twice."""
    lost = answer["losses"]
    lines = []
    if lost["count"] is None:
        lines.append("It is not known how many of the lost records were items.")
    elif lost["count"]:
        lines.append(f"Items that are lost: {lost['count']:,}.")
    if lost["items"]:
        lines.append("Among them are these: " + ", ".join(map(str, lost["items"])) + ".")
    if lost["may_come_twice"] and lost["places"]:
        lines.append("A record may be lost that said that items were taken. Those items come once more.")
    return lines
