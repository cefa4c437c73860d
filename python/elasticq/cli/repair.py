"""`repair`: makes a broken queue one that opens again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elasticq._core import _repair
from elasticq.cli.common import DAMAGED, FINE, print_json
from elasticq.cli.durable import answer, guarded
from elasticq.cli.durable import parser as parser_of_tool
from elasticq.cli.manual import Manual
from elasticq.cli.report import contents, damage, facts, losses, paragraphs


def parser(program: str) -> Manual:
    """The parser of its arguments, which is also its manual."""
    about = [
        "Repairs a queue that nobody has open, so that it opens again with all that can be read.",
        "Use it when opening a queue says that it is damaged. Run verify before: it says what a repair can "
        "save. Nothing is deleted: broken files are moved as they are into a directory damaged-... inside "
        "the queue, and repaired copies take their places. The disk needs room for the broken files only. A "
        "healthy queue stays as it is. If it is cut off, run it again.",
    ]
    examples = [f"$ {program} /var/lib/app/jobs"]
    one = "something was damaged, and is repaired; or it can't be"
    return parser_of_tool(program, about, {"examples": examples}, one=one)


def main(arguments: Sequence[str], program: str) -> int:
    """Runs the command and returns its exit status."""
    chosen = parser(program).parse_args(arguments)

    def work() -> int:
        done = answer(lambda progress: _repair(chosen.path, progress))
        if chosen.json:
            print_json(done)
        else:
            _show(done)
        return DAMAGED if done["folder"] else FINE

    return guarded(work)


def _show(done: dict[str, Any]) -> None:
    if done["finished"]:
        print("A repair that had been cut off was finished.")
    if not done["folder"]:
        print(f"{done['path']}: there was nothing {'more ' if done['finished'] else ''}to repair")
        print(facts([("items", contents(done))]))
        return
    print(f"{done['path']}: repaired")
    rows = [
        ("items", contents(done)),
        ("next number", f"{done['next_number']:,}"),
        ("moved to", done["folder"]),
        *(("", name) for name in done["moved"]),
        *(("written" if index == 0 else "", name) for index, name in enumerate(done["written"])),
    ]
    print(facts(rows))
    if done["losses"]["places"]:
        print("\nWhat was wrong")
        print(damage(done["losses"]["places"]))
    if lines := losses(done):
        print("\n" + paragraphs(lines))
