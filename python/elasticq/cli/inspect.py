"""`inspect`: looks at a queue, also at one that is in use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elasticq._core import _inspect
from elasticq.cli.common import DAMAGED, FINE, print_json
from elasticq.cli.durable import answer, guarded, size
from elasticq.cli.durable import parser as parser_of_tool
from elasticq.cli.export import FORMS, Exported
from elasticq.cli.manual import Manual
from elasticq.cli.report import contents, damage, facts


def parser(program: str) -> Manual:
    """The parser of its arguments, which is also its manual."""
    about = [
        "Looks at a queue, also at one that another process has open. Reads only, and takes no lock.",
        "Use it first, whatever seems to be wrong: it says how much is inside, who has the queue open, and "
        "whether something is damaged. Only verify checks every record.",
    ]
    examples = [
        f"$ {program} /var/lib/app/jobs",
        f"$ {program} --json /var/lib/app/jobs | jq .contents.ready",
    ]
    made = parser_of_tool(program, about, {"examples": examples, **FORMS})
    made.add_argument("--items", action="store_true", help="list the items, as export does: JSON lines")
    return made


def main(arguments: Sequence[str], program: str) -> int:
    """Runs the command and returns its exit status."""
    chosen = parser(program).parse_args(arguments)

    def work() -> int:
        found = answer(lambda _: _inspect(chosen.path))
        if chosen.json:
            print_json(found)
        else:
            _show(found)
        status = DAMAGED if found["damage"] else FINE
        return max(status, Exported(chosen.path).print()) if chosen.items else status

    return guarded(work)


def _show(found: dict[str, Any]) -> None:
    so_far = f"{found['enqueued']:,} put in, {found['dequeued']:,} taken, {found['dropped']:,} dropped"
    files = f"{found['files']:,} with {found['records']:,} records; {size(found['bytes'])} in all"
    rows = [
        ("items", contents(found)),
        ("so far", so_far),
        ("files", files),
        ("open", _owner(found)),
        ("closed well", "yes" if found["closed"] else "no"),
        ("next number", f"{found['next_number']:,}"),
        ("format", f"version {found['version']}"),
    ]
    if found["sync_failed"]:
        rows.append(("sync", "one has failed; opening the queue writes again what may be lost"))
    print(found["path"])
    print(facts(rows))
    if found["damage"]:
        print("\nSomething is wrong. Run verify to see what can be done.")
        print(damage(found["damage"]))


def _owner(found: dict[str, Any]) -> str:
    if found["is_open"]:
        return f"in process {found['process']}"
    if found["is_open"] is None:
        return f"perhaps in process {found['process']}, which had it open last; the system does not tell"
    return "nowhere"
