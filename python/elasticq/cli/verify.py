"""`verify`: checks every record of a queue."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from elasticq._core import _verify
from elasticq.cli.common import DAMAGED, FINE, print_json
from elasticq.cli.durable import answer, guarded
from elasticq.cli.durable import parser as parser_of_tool
from elasticq.cli.manual import Manual
from elasticq.cli.report import contents, damage, facts, losses, paragraphs, table


def parser(program: str) -> Manual:
    """The parser of its arguments, which is also its manual."""
    about = [
        "Checks every record of a queue, and says what a repair could save. Reads only, and takes no lock.",
        "Use it after a disk has failed, before a repair, and for copies that have to be good. It reads all "
        "files to their ends, and shows on a terminal how far it has come.",
    ]
    examples = [
        f"$ {program} /var/lib/app/jobs",
        f"$ {program} --json /backup/jobs | jq .verdict",
    ]
    verdicts = [
        ("healthy", "every record is whole"),
        ("torn", "the end is torn, as after a power cut; opening the queue cuts it off"),
        ("damaged", "something that was durable can't be read"),
    ]
    return parser_of_tool(program, about, {"examples": examples, "verdicts": verdicts})


def main(arguments: Sequence[str], program: str) -> int:
    """Runs the command and returns its exit status."""
    chosen = parser(program).parse_args(arguments)

    def work() -> int:
        found = answer(lambda progress: _verify(chosen.path, progress))
        if chosen.json:
            print_json(found)
        else:
            _show(found, program)
        return DAMAGED if found["verdict"] == "damaged" or found["behind"] else FINE

    return guarded(work)


def _show(found: dict[str, Any], program: str) -> None:
    print(f"{found['path']}: {_VERDICTS[found['verdict']]}")
    print(facts([("items", contents(found)), ("records", f"{found['records']:,} can be read")]))
    print("\nFiles")
    columns = [("name", "records", "items", "bytes", "")]
    files = [
        (file["name"], file["records"], file["items"], file["bytes"], _fault(file)) for file in found["files"]
    ]
    print(table([*columns, *files]))
    if found["losses"]["places"]:
        print("\nWhat is wrong")
        print(damage(found["losses"]["places"]))
    lines, command = losses(found), ""
    if found["refusal"]:
        lines.append(f"Opening the queue says: {found['refusal']}")
    if found["behind"]:
        lines.append(
            f"Behind the torn end {found['behind']:,} records can be read. Opening the queue gives them up."
        )
    if found["verdict"] == "damaged" or found["behind"]:
        repair = program.replace("verify", "repair")
        lines.append("To keep all that can be read:")
        command = f"  {repair} {shlex.quote(found['path'])}"
    if lines:
        print("\n" + paragraphs(lines))
    if command:
        print(command)  # in one line, so that it can be copied


_VERDICTS = {
    "healthy": "healthy",
    "torn": "the end is torn, as after a power cut; opening the queue cuts it off",
    "damaged": "damaged",
}


def _fault(file: dict[str, Any]) -> str:
    unreadable = "the disk can't read a part of it" if file["unreadable_bytes"] else ""
    return "; ".join(filter(None, [file["fault"], unreadable]))
