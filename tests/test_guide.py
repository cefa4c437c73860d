"""The snippets of the guides run, and print what is written under them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import python

ROOT = Path(__file__).parent.parent
NAMES = ("moving.md", "moving-queue.md", "moving-asyncio.md", "moving-janus.md", "moving-culsans.md")
PAGES = [ROOT / "docs" / name for name in NAMES]
SNIPPET = re.compile(
    r"```python\n(?P<code>.*?)```\n"
    r"(?:\n```text\n(?P<output>.*?)```)?",
    re.DOTALL,
)


def snippets() -> dict[str, tuple[str, str]]:
    """The code of each snippet and what it prints, by its page and line."""
    found = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in SNIPPET.finditer(text):
            line = text.count("\n", 0, match.start("code"))
            found[f"{page.name}:{line}"] = match["code"], match["output"] or ""
    return found


CASES = snippets()


@pytest.mark.parametrize(("code", "output"), CASES.values(), ids=CASES)
def test_prints_what_is_written_under_it(code: str, output: str) -> None:
    assert python(code) == output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_snippet_says_what_it_prints(page: Path) -> None:
    found = SNIPPET.findall(page.read_text(encoding="utf-8"))
    assert found
    assert all(output for _, output in found)
