"""What a durable run looks like at its end."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from elasticq.demo.display import drawing, new_table, show_scrape, show_sections, show_verdict
from elasticq.demo.durable.ledger import Account, DurableLedger, ranges

_MOST_TEXT = 200  # characters of the list of item numbers; the file of --json has them all


def show_ledger(ledger: DurableLedger, console: Console) -> None:
    """Prints the ledger."""
    total = ledger.total
    sections: dict[str, Table | Text] = {
        "Messages": _messages(ledger),
        "The kills (SIGKILL)": _kills(ledger),
        "Delivered twice": _twice(total),
        "Items in the queue over time": drawing({"inside": ledger.inside}, console),
    }
    show_sections(sections, console)
    if total.undelivered:
        text = f"{total.undelivered:,} messages of QoS 0 are gone: MQTT promises nothing for them"
        console.print(text, highlight=False, soft_wrap=True)
    reliable = total.sent - total.sent_qos0
    good = (
        f"OK: {len(ledger.kills)} kills, and none of the {reliable:,} messages of QoS 1 and 2 is missing, "
        f"nor any of the {total.stored:,} that were stored"
    )
    show_verdict(ledger.problems(), good, console)
    show_scrape(ledger.scraped, ledger.problems(), console, "of the last process: ")


def _messages(ledger: DurableLedger) -> Table:
    headings = ("sent", "handed\nover", "again", "stored", "delivered", "twice", "missing")
    table = new_table("from", *headings, "QoS 0\ngone", "out of\norder")
    for number, account in ledger.accounts.items():
        table.add_row(str(number), *_counts(account))
    table.add_section()
    table.add_row("total", *_counts(ledger.total))
    return table


def _counts(account: Account) -> list[str]:
    counts = (
        account.sent,
        account.handed_over,
        account.handed_over_again,
        account.stored,
        account.delivered,
        len(account.twice),
        len(account.missing),
        account.undelivered,
        account.disordered,
    )
    return [f"{count:,}" for count in counts]


def _kills(ledger: DurableLedger) -> Table:
    table = new_table(
        "at",
        "handed\nover",
        "records\nrecovered",
        "torn\nbytes",
        "items\ninside",
        "open\nafter",
        "time\nlost",
    )
    for kill in ledger.kills:
        opening = ["", "", ""] if kill.opening is None else [f"{count:,}" for count in kill.opening]
        opened = "" if kill.opened is None else f"{kill.opened - kill.seconds:.2f} s"
        lost = "" if kill.lost_seconds is None else f"{kill.lost_seconds:.2f} s"
        table.add_row(f"{kill.seconds:.2f} s", f"{kill.handed_over:,}", *opening, opened, lost)
    return table


def _twice(total: Account) -> Text:
    """The items that were leased again, by their numbers."""
    if not total.twice:
        return Text("none")
    numbers = ranges(total.twice)
    if len(numbers) > _MOST_TEXT:
        numbers = numbers[:_MOST_TEXT].rpartition(",")[0] + ", and more"
    rows = f"{total.committed_twice:,} were committed before the kill, and so twice"
    return Text(f"{len(total.twice):,} items were leased again after a kill: numbers {numbers}\n{rows}")
