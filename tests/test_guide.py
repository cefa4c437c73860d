"""Every block of code in every page runs, or is checked as its language allows. None is left out.

Python's blocks run here and print what is written under them. Rust's are tests of the crate in `rust/pages`.
The commands of shell blocks name what exists.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import commands
import pytest
from demos import need_the_extra
from pages import PAGES, ROOT, Block, anchors_of, blocks_of, links_of
from support import need_unix, python

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
LANGUAGES = ("python", "rust", "sh", "json", "toml", "text")
"""Those that something below runs or checks. A block of text is an output, or a picture made of letters."""


def in_language(language: str) -> pytest.MarkDecorator:
    """Runs a test for each block of a language."""
    found = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", found, ids=[block.place for block in found])


def test_no_block_is_in_a_language_that_nothing_runs() -> None:
    unknown = {block.place: block.language for block in BLOCKS if block.language not in LANGUAGES}
    assert not unknown


def test_every_fence_belongs_to_a_block() -> None:
    fences = sum(len(re.findall(r"(?m)^ *```", page.read_text(encoding="utf-8"))) for page in PAGES)
    assert fences == 2 * len(BLOCKS)
    assert {"python", "rust", "sh"} <= set(Counter(block.language for block in BLOCKS))


@in_language("python")
def test_prints_what_is_written_under_it(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if "paho" in block.code:
        need_the_extra()
    if "metrics.live" in block.code:
        need_unix("sockets with paths")
    assert python(block.code) == block.output


def test_the_crate_of_pages_tests_each_rust_block() -> None:
    """It looks for them in these folders."""
    script = (ROOT / "rust/pages/build.rs").read_text(encoding="utf-8")
    listed = re.search(r"const PLACES: .* = \[(.*)\];", script)
    assert listed
    places = set(re.findall(r'"([^"]*)"', listed[1]))
    folders = {block.page.parent.relative_to(ROOT).as_posix() for block in BLOCKS if block.language == "rust"}
    assert folders <= places


@pytest.mark.checkout
@in_language("sh")
def test_every_command_names_what_exists(block: Block) -> None:
    commands.check(block.code)


@pytest.mark.parametrize(
    "line",
    [
        "make nonsense",
        "make demo -- --nonsense",
        'make test ARGS="nonsense"',
        "scripts/nonsense",
        "python -m elasticq nonsense",
        "python -m elasticq demo --nonsense",
        "pip install 'elasticq[nonsense]'",
        "cargo run --example nonsense",
        "cargo test --features nonsense",
        "cd nonsense",
        "nonsense",
    ],
)
def test_a_command_that_names_nothing_is_found(line: str) -> None:
    with pytest.raises(AssertionError):
        commands.check(line)


def test_data_can_be_read() -> None:
    readers: dict[str, Callable[[str], object]] = {"json": json.loads, "toml": tomllib.loads}
    for block in BLOCKS:
        if read := readers.get(block.language):
            read(block.code)


OUTSIDE = [page for page in PAGES if ROOT / "docs" not in page.parents]
"""Pages that are not of the site, which checks its own links (scripts/docs)."""


@pytest.mark.parametrize("page", OUTSIDE, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links_of(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors_of(target), f"{page.name}: {link}"
