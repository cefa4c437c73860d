"""What the pages of this checkout consist of, for their tests: blocks of code, headings and links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    page for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md") for page in ROOT.glob(pattern)
)


class Block(NamedTuple):
    """A block of code between fences, and the block of text that follows it as its output, if one does."""

    page: Path
    line: int
    language: str
    """All that stands behind the opening fence."""
    code: str
    output: str

    @property
    def place(self) -> str:
        """Where it is, as failures name it."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page, in their order. A fence that is not closed is an error."""
    found: list[Block] = []
    began: int | None = None
    lines = page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        fence = line.strip()
        if not fence.startswith("```"):
            continue
        if began is None:
            began = number
            continue
        assert fence == "```", f"{page.name}:{number}: a fence in a block"
        code = "".join(f"{text}\n" for text in lines[began : number - 1])
        language = lines[began - 1].strip().removeprefix("```")
        follows = found and found[-1].language != "text" and not "".join(_between(lines, found[-1], began))
        if language == "text" and follows:
            found[-1] = found[-1]._replace(output=code)
        found.append(Block(page, began, language, code, ""))
        began = None
    assert began is None, f"{page.name}:{began}: a fence that is not closed"
    return found


def _between(lines: list[str], block: Block, line: int) -> list[str]:
    """The lines between a block and the fence in a line."""
    end = block.line + block.code.count("\n") + 1
    return [text.strip() for text in lines[end : line - 1]]


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as the site and code hosts make them."""
    code = {
        number
        for block in blocks_of(page)
        for number in range(block.line, block.line + block.code.count("\n") + 1)
    }
    anchors = set()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if number not in code and (heading := re.match(r"#+ (.*)", line)):
            words = re.sub(r"[^\w\- ]", "", heading[1].lower())
            anchors.add(words.strip().replace(" ", "-"))
    return anchors


def links_of(page: Path) -> list[str]:
    """What the links and pictures of a page lead to, without those to other sites."""
    text = page.read_text(encoding="utf-8")
    for block in blocks_of(page):
        text = text.replace(block.code, "")
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", text))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]
