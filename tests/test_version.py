"""The version stands in `Cargo.toml`, for the crate and the Python package; whatever else names it agrees.

The manifest for free-threaded Python 3.13 is of another workspace, which cannot take it from there.
"""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import elasticq

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parent.parent
PREDECESSOR = "0.3.0"


def toml(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text(encoding="utf-8"))


VERSION: str = toml("Cargo.toml")["workspace"]["package"]["version"]


def test_the_installed_package_has_the_version() -> None:
    assert elasticq.__version__ == VERSION
    assert metadata.version("elasticq") == VERSION
    assert toml("pyproject.toml")["project"]["dynamic"] == ["version"]


def test_every_manifest_takes_the_version_from_the_workspace_or_agrees() -> None:
    members = toml("Cargo.toml")["workspace"]["members"]
    for path in [f"{member}/Cargo.toml" for member in members]:
        assert toml(path)["package"]["version"] == {"workspace": True}, path
    assert toml("rust-3.13t/Cargo.toml")["package"]["version"] == VERSION


@pytest.mark.parametrize("path", ["Cargo.toml", "rust-3.13t/Cargo.toml", "fuzz/Cargo.toml"])
def test_no_manifest_names_the_version_of_the_crate_beside_its_path(path: str) -> None:
    manifest = toml(path)
    wanted = manifest.get("workspace", {}).get("dependencies") or manifest["dependencies"]
    assert "version" not in wanted["elasticq"]


@pytest.mark.parametrize("path", ["Cargo.lock", "rust-3.13t/Cargo.lock", "fuzz/Cargo.lock"])
def test_the_lock_files_have_the_version(path: str) -> None:
    own = {
        package["name"]: package["version"]
        for package in toml(path)["package"]
        if package["name"].startswith("elasticq") and "source" not in package
    }
    own.pop("elasticq-fuzz", None)  # it is not published
    assert set(own.values()) == {VERSION}, own


def test_the_newest_entry_of_the_changelog_is_about_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^(?:## \[|What will be )(\d+\.\d+\.\d+)\b", text, re.MULTILINE)
    assert newest
    assert newest[1] == VERSION


def test_the_pages_and_forms_name_no_other_version() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.yml")]
    named = re.compile(r"\belasticq(?: |==|@| = \")v?(\d+\.\d+\.\d+)|\btag \(v(\d+\.\d+\.\d+)\)")
    found = {
        (page.name, version)
        for page in pages
        for match in named.finditer(page.read_text(encoding="utf-8"))
        for version in match.groups()
        if version
    }
    assert {version for _, version in found} == {VERSION, PREDECESSOR}, found
    assert ("release.yml", VERSION) in found
