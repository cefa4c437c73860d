"""`repair`: makes a broken queue one that opens again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elasticq._core import _repair
from elasticq._tool.common import DAMAGED, FINE, answer, parser, print_json, run, with_json
from elasticq._tool.report import contents, damage, losses, table

_MORE = """Nothing is deleted: broken files are moved as they are into a directory damaged-... inside the
queue, and repaired copies take their places. The disk needs room for the broken files only. A healthy queue
stays as it is. If it is cut off, run it again."""


def main(arguments: Sequence[str], program: str) -> int:
    """Runs the command and returns its exit status."""
    purpose = "Repairs a queue that nobody has open, so that it opens again with all that can be read."
    chosen = with_json(parser(program, purpose, _MORE)).parse_args(arguments)

    def work() -> int:
        done = answer(lambda progress: _repair(chosen.path, progress))
        if chosen.json:
            print_json(done)
        else:
            _show(done)
        return DAMAGED if done["folder"] else FINE

    return run(program, work)


def _show(done: dict[str, Any]) -> None:
    if done["finished"]:
        print("A repair that had been cut off was finished.")
    if not done["folder"]:
        print(f"{done['path']}: there was nothing {'more ' if done['finished'] else ''}to repair")
        print(table([("items", contents(done))]))
        return
    print(f"{done['path']}: repaired")
    rows = [
        ("items", contents(done)),
        ("next number", f"{done['next_number']:,}"),
        ("moved to", done["folder"]),
        *(("", name) for name in done["moved"]),
        *(("written" if index == 0 else "", name) for index, name in enumerate(done["written"])),
    ]
    print(table(rows))
    if done["losses"]["places"]:
        print("\nWhat was wrong")
        print(damage(done["losses"]["places"]))
    if lines := losses(done):
        print("\n" + "\n".join(lines))
