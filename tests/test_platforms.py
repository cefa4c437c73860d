"""The promises about versions of Python: the list in `pyproject.toml` is what everything else says.

The binding has two manifests, since free-threaded 3.13 needs an older PyO3. They must not differ in anything
else.
"""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import parts
import pytest
from manifests import FREE_THREADED_3_13, manifest
from support import python

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parent.parent


def toml(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text())


PROJECT = toml("pyproject.toml")
PYTHONS: list[str] = PROJECT["tool"]["elasticq"]["pythons"]
WITH_GIL = [version for version in PYTHONS if not version.endswith("t")]
WITHOUT_GIL = [version for version in PYTHONS if version.endswith("t")]


def words(versions: list[str]) -> str:
    """How a sentence names versions in a row."""
    return f"{versions[0]} to {versions[-1]}"


def test_the_tests_run_on_a_version_of_the_list() -> None:
    free_threaded = "t" if "free-threading" in sys.version else ""
    assert f"{sys.version_info.major}.{sys.version_info.minor}{free_threaded}" in PYTHONS


def test_the_classifiers_name_the_versions() -> None:
    classifiers: list[str] = PROJECT["project"]["classifiers"]
    pattern = re.compile(r"Programming Language :: Python :: (3\.\d+)")
    named = [match[1] for match in map(pattern.fullmatch, classifiers) if match]
    assert named == WITH_GIL
    assert any(
        classifier.startswith("Programming Language :: Python :: Free Threading")
        for classifier in classifiers
    )


def test_the_oldest_version_is_the_one_that_is_asked_for_and_checked_against() -> None:
    oldest = WITH_GIL[0]
    assert PROJECT["project"]["requires-python"] == f">={oldest}"
    tools = PROJECT["tool"]
    assert tools["mypy"]["python_version"] == tools["pyright"]["pythonVersion"] == oldest
    assert tools["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"


PAGES = ["README.md", "docs/index.md", "docs/platforms.md", "docs/free-threading.md"]


def text_of(page: str) -> str:
    return " ".join((ROOT / page).read_text().split())


@pytest.mark.parametrize("page", PAGES[:3])
def test_the_pages_name_the_versions(page: str) -> None:
    assert f"CPython {words(WITH_GIL)}" in text_of(page)


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_name_the_versions_without_a_gil(page: str) -> None:
    """All that stand behind the word, and no other."""
    lists = re.findall(r"free-threaded\)?(?: of)?((?:,? (?:and )?3\.\d+)+)", text_of(page), re.IGNORECASE)
    named = {f"{number}t" for row in lists for number in re.findall(r"3\.\d+", row)}
    assert named == set(WITHOUT_GIL)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_pages_name_the_oldest_version(page: str) -> None:
    assert f"Python {WITH_GIL[0]} or newer" in text_of(page)


def test_the_page_repeats_the_table_of_interpreters_and_machines() -> None:
    """Which interpreters are run depends on the machine; at least they compile."""
    text = (ROOT / "docs" / "platforms.md").read_text()
    rows = dict(re.findall(r"(?m)^\| ([^|]+) \| (run|compiled) \|", text))
    assert list(rows) == [part.platform for part in parts.PARTS if part.platform]
    for part in parts.PARTS:
        if part.platform:
            assert rows[part.platform] in {part.shows, part.shows_without}, part.name


def test_the_release_builds_every_version_of_the_list() -> None:
    """It reads the list itself. The one that needs another manifest is named."""
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    assert '["tool"]["elasticq"]["pythons"]' in workflow
    assert workflow.count("python: ${{ fromJSON(needs.versions.outputs.pythons) }}") == 2
    assert set(re.findall(r"(?<![\d.])3\.\d+t?\b", workflow.split("jobs:")[1])) - {"3.13"} == {"3.13t"}


def versions_for_a_release(folder: Path, kind: str, name: str) -> subprocess.CompletedProcess[str]:
    """Runs what the workflow does for its first job, for a branch or a tag of this name."""
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    script = workflow.partition("        run: |\n")[2].partition("\n\n")[0]
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=ROOT,
        env={"GITHUB_OUTPUT": str(folder / "output"), "GITHUB_REF_TYPE": kind, "GITHUB_REF_NAME": name},
        capture_output=True,
        text=True,
        check=False,
    )


VERSION: str = toml("Cargo.toml")["workspace"]["package"]["version"]


@pytest.mark.parametrize(("kind", "name"), [("tag", f"v{VERSION}"), ("branch", "main")])
def test_the_release_is_built_for_the_versions_of_the_list(tmp_path: Path, kind: str, name: str) -> None:
    result = versions_for_a_release(tmp_path, kind, name)
    assert result.returncode == 0, result.stderr
    name, _, value = (tmp_path / "output").read_text().partition("=")
    assert (name, json.loads(value)) == ("pythons", PYTHONS)


def test_a_tag_with_another_version_is_no_release(tmp_path: Path) -> None:
    """The message has both."""
    result = versions_for_a_release(tmp_path, "tag", "v0.0.1")
    assert (result.returncode, (tmp_path / "output").exists()) == (1, False)
    assert f"the tag is v0.0.1, and Cargo.toml has version {VERSION}" in result.stderr


def test_the_release_s_tests_may_go_without_programs_that_its_machines_do_not_have() -> None:
    """GitHub sets CI to true, where tests fail without the extra `demo`, Prometheus, fish and uvloop."""
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    (step,) = (step for step in workflow.split("      - ") if "python -m pytest" in step)
    assert re.search(r"^ +env:\n +CI: \"\" ", step, re.MULTILINE)


def test_the_release_is_published_for_a_pushed_tag_only_and_needs_no_scripts_on_other_systems() -> None:
    """A run by hand, also one for a tag, only builds. Tests of the scripts need bash and git."""
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    assert "if: github.event_name == 'push' && startsWith(github.ref, 'refs/tags/v')\n" in workflow
    assert 'pytest tests -m "not tla and not checkout"\n' in workflow


@pytest.mark.parametrize("version", PYTHONS)
def test_the_build_takes_the_manifest_whose_pyo3_knows_the_interpreter(version: str) -> None:
    number = [int(part) for part in version.rstrip("t").split(".")]
    chosen = manifest((*number, 1), version.endswith("t")) or PROJECT["tool"]["maturin"]["manifest-path"]
    assert toml(chosen)["dependencies"]["pyo3"].startswith("~0.28." if version == "3.13t" else "~0.30.")


WHEEL = ["wheel_directory", "config_settings", "metadata_directory"]
METADATA = ["metadata_directory", "config_settings"]


@pytest.mark.parametrize(
    ("hook", "parameters"),
    [
        ("build_wheel", WHEEL),
        ("build_editable", WHEEL),
        ("build_sdist", ["sdist_directory", "config_settings"]),
        ("prepare_metadata_for_build_wheel", METADATA),
        ("prepare_metadata_for_build_editable", METADATA),
    ],
)
def test_a_build_tool_may_pass_everything_by_name(hook: str, parameters: list[str]) -> None:
    """The names are those of PEP 517. tox does so."""
    backend = pytest.importorskip("build_backend", reason="maturin is not installed")
    assert list(inspect.signature(getattr(backend, hook)).parameters) == parameters


def test_the_two_manifests_differ_in_the_version_of_pyo3_only() -> None:
    usual, old, root = (
        toml(path) for path in ("rust/elasticq-python/Cargo.toml", FREE_THREADED_3_13, "Cargo.toml")
    )
    for key, value in usual["package"].items():
        if value == {"workspace": True}:
            assert old["package"][key] == root["workspace"]["package"][key]
    for table in ("dependencies", "build-dependencies"):
        assert old[table].keys() == usual[table].keys()
        for name, wanted in usual[table].items():
            if name == "elasticq":
                assert old[table][name]["features"] == wanted["features"]
            elif not name.startswith("pyo3"):
                assert old[table][name] == wanted
    assert old["lib"] == {**usual["lib"], "path": "../rust/elasticq-python/src/lib.rs"}
    assert old["lints"] == root["workspace"]["lints"]
    assert old["profile"]["release"] == root["profile"]["release"]


def test_both_locks_have_the_same_versions_of_all_but_pyo3() -> None:
    everywhere, old = (
        {(package["name"], package["version"]) for package in toml(path)["package"]}
        for path in ("Cargo.lock", FREE_THREADED_3_13.replace(".toml", ".lock"))
    )
    own = {name for name, _ in old - everywhere}
    assert own == {"elasticq-python-free-threaded-3-13", *(name for name in own if name.startswith("pyo3"))}


UNIX_ONLY = {
    "os": "fork forkpty register_at_fork getuid geteuid getgid getegid getpgid getpgrp setsid killpg mkfifo "
    "openpty sched_getaffinity sched_setaffinity sched_yield sysconf uname wait3 wait4 WNOHANG",
    "signal": "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2 "
    "ITIMER_REAL alarm getitimer pause pthread_kill pthread_sigmask setitimer siginterrupt sigwait",
    "select": "poll",
    "socket": "AF_UNIX",
    "time": "clock_gettime CLOCK_MONOTONIC",
}
"""What modules of Python have on Unix and not on Windows."""


def test_every_module_of_the_tests_can_be_imported_without_what_only_unix_has() -> None:
    """As on Windows, where the release runs them: there one that fails ends the run before any test.

    All are imported twice. The first time is for what they import, which may take what it finds here.
    """
    python(f"""
        import importlib, sys
        from pathlib import Path
        sys.path[:] = {sys.path!r}
        import pytest

        folder = Path({str(Path(__file__).parent)!r})

        names = []
        for path in folder.glob("*.py"):
            try:
                importlib.import_module(path.stem)
                names.append(path.stem)
            except (ImportError, pytest.skip.Exception):  # what it needs is not here
                pass
        assert len(names) > 80
        for name in names:
            del sys.modules[name]
        for module, removed in {UNIX_ONLY!r}.items():
            for name in removed.split():
                vars(sys.modules[module]).pop(name, None)
        sys.modules.update(dict.fromkeys(["fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"]))
        for name in names:
            importlib.import_module(name)
        """)
