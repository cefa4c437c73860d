"""examples/monitoring works: promtool accepts it, and a real Prometheus gets data for it from the demo."""

from __future__ import annotations

import contextlib
import json
import math
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from demos import need_the_extra, start
from ports import free_port
from prometheus_server import Prometheus, program
from support import python, wait_until

ROOT = Path(__file__).parent.parent
MONITORING = ROOT / "examples" / "monitoring"
ALERTS = (MONITORING / "alerts.yml").read_text(encoding="utf-8")
ALERT_NAMES = re.findall(r"- alert: (\w+)", ALERTS)
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

# Panels of what only the Rust crate measures.
OF_RUST = {"Duration of operations, p50", "Duration of operations, p99"}

# A program with a queue that is full, and a producer who waits: that doesn't happen in the demo. It also
# tells durations as an exporter of the Rust crate does, one more at each scrape.
FULL = """
import sys, threading
from elasticq import Queue, metrics
from elasticq.metrics.prometheus import Collector
from prometheus_client import REGISTRY, Histogram, start_http_server

class Durations:
    told = Histogram("elasticq_operation_duration_seconds", "As Rust", ["queue", "operation"], registry=None)

    def collect(self):
        self.told.labels("full", "push").observe(1e-6)
        return self.told.collect()

jobs = Queue(1)
metrics.instrument(jobs, "full")
REGISTRY.register(Collector())
REGISTRY.register(Durations())
jobs.put("a")
threading.Thread(target=jobs.put, args=("b",), daemon=True).start()
start_http_server({port}, addr="127.0.0.1")
sys.stdin.read()
"""

RUNS = {"plain": (), "priority": ("--priority",), "durable": ("--durable",)}


def promtool(*arguments: str, folder: Path = MONITORING) -> subprocess.CompletedProcess[str]:
    command = [program("promtool"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=60, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
        ("check", "config", "prometheus.yml"),
    ],
    ids=" ".join,
)
def test_promtool_accepts(arguments: tuple[str, ...]) -> None:
    run = promtool(*arguments)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("always", [True, False], ids=["always", "never"])
@pytest.mark.parametrize("alert", ALERT_NAMES)
def test_an_alert_that_fires_always_or_never_is_found_out(alert: str, always: bool, tmp_path: Path) -> None:
    wrong = 'expr: label_replace(vector(1), "queue", "quiet", "", "")' if always else "expr: vector(1) > 1"
    rule = re.compile(rf"(- alert: {alert}\n\s+)expr: .*?(\n\s+(?:for|labels):)", re.DOTALL)
    broken, changed = rule.subn(rf"\g<1>{wrong}\g<2>", ALERTS)
    assert changed == 1
    (tmp_path / "alerts.yml").write_text(broken, encoding="utf-8")
    shutil.copy(MONITORING / "alerts_test.yml", tmp_path)
    assert promtool("check", "rules", "alerts.yml", folder=tmp_path).returncode == 0
    run = promtool("test", "rules", "alerts_test.yml", folder=tmp_path)
    assert run.returncode == 1
    assert f"alertname: {alert}" in run.stdout + run.stderr


READ_THE_PAGE = """
import http.client
jobs.put("a")
connection = http.client.HTTPConnection("127.0.0.1", {port})
connection.request("GET", "/metrics")
print(connection.getresponse().read().decode())
"""


def test_the_code_for_a_program_of_ones_own_serves_its_queue() -> None:
    need_the_extra()
    (code,) = re.findall(r"```python\n(.*?)```", (MONITORING / "README.md").read_text("utf-8"), re.DOTALL)
    assert code.count("9464") == 1
    port = free_port()
    page = python(code.replace("9464", str(port)) + READ_THE_PAGE.format(port=port))
    assert 'elasticq_queue_depth{queue="jobs"} 1.0' in page
    assert 'elasticq_queue_max_capacity{queue="jobs"} 10000.0' in page


def test_each_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    for rule in ALERTS.split("- alert: ")[1:]:
        for key in ("severity", "summary", "description"):
            assert len(re.findall(rf"^ +{key}: ", rule, re.MULTILINE)) == 1, rule


def test_each_panel_of_the_dashboard_says_what_it_shows() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
            assert 'queue=~"$queue"' in target["expr"]
            assert target["legendFormat"]


def test_no_panel_lies_on_another_one() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_what_only_rust_has_is_in_the_catalog_of_the_crate() -> None:
    catalog = (ROOT / "rust" / "elasticq" / "src" / "metrics" / "catalog.rs").read_text(encoding="utf-8")
    panels = [panel for panel in PANELS if panel["title"] in OF_RUST]
    assert {panel["title"] for panel in panels} == OF_RUST
    for name in {name for panel in panels for name in metrics_in(panel["targets"][0]["expr"])}:
        assert f'"{name.removesuffix("_bucket")}"' in catalog


def metrics_in(query: str) -> set[str]:
    return set(re.findall(r"\belasticq_\w+", query))


class Run(NamedTuple):
    """A demo that has run to its end while Prometheus scraped it."""

    status: int
    output: str
    errors: str
    ledger: dict[str, Any]
    instance: str


class Watched(NamedTuple):
    """A Prometheus, and what it has watched."""

    server: Prometheus
    runs: dict[str, Run]
    start: float
    end: float

    def series(self, query: str) -> list[dict[str, Any]]:
        """What a query of the dashboard gives over the time of the runs."""
        for variable, value in {"$queue": ".*", "$__rate_interval": "5s"}.items():
            query = query.replace(variable, value)
        assert "$" not in query
        answer = self.server.ask("query_range", query=query, start=self.start, end=self.end, step=0.5)
        series: list[dict[str, Any]] = answer["result"]
        return series

    def values(self, query: str) -> list[float]:
        """All values of these series."""
        values = [float(value) for series in self.series(query) for _, value in series["values"]]
        return [value for value in values if math.isfinite(value)]

    def last(self, metric: str, run: Run) -> float:
        """The value at the last scrape of the queue of a run."""
        labels = f'queue="ingest", instance="{run.instance}"'
        answer = self.server.ask("query", query=f"last_over_time({metric}{{{labels}}}[10m])")
        (series,) = answer["result"]
        return float(series["value"][1])


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Prometheus, with the example's configuration but for addresses and interval, has watched the demo run.

    The demo has run in three ways at the same time, each as a user starts it.
    """
    need_the_extra()
    folder = tmp_path_factory.mktemp("monitoring")
    ports = [free_port() for _ in range(len(RUNS) + 1)]
    with Prometheus(configured(folder, ports), folder / "data") as server:
        wait_until(lambda: len(server.ask("targets")["activeTargets"]) == len(ports), "targets are known")
        begin = time.time()
        with full_queue(ports[-1]):
            runs = run_all(folder, dict(zip(RUNS, ports[:-1], strict=True)))
        wait_until(lambda: are_down(server), "Prometheus has stored the last scrapes, and found nobody since")
        yield Watched(server, runs, begin, time.time())


@contextlib.contextmanager
def full_queue(port: int) -> Iterator[None]:
    """A program runs whose queue is full. It ends when its standard input does."""
    program = [sys.executable, "-c", FULL.format(port=port)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, encoding="utf-8") as process:
        try:
            yield
            assert process.poll() is None
        finally:
            process.kill()


def configured(folder: Path, ports: Sequence[int]) -> Path:
    """The example's configuration for these ports, in a folder with the example's alerts."""
    targets = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
    config = (MONITORING / "prometheus.yml").read_text(encoding="utf-8")
    for old, new in {'"127.0.0.1:9464"': targets, "scrape_interval: 5s": "scrape_interval: 250ms"}.items():
        assert config.count(old) == 1
        config = config.replace(old, new)
    shutil.copy(MONITORING / "alerts.yml", folder)
    file = folder / "prometheus.yml"
    file.write_text(config, encoding="utf-8")
    return file


def are_down(server: Prometheus) -> bool:
    """Whether the latest scrape of each target has failed."""
    answer = server.ask("query", query="sum(up)")["result"]
    return [series["value"][1] for series in answer] == ["0"]


def run_all(folder: Path, ports: dict[str, int]) -> dict[str, Run]:
    """Runs the demo in all ways, at the same time."""
    processes = {}
    try:
        for name, port in ports.items():
            (folder / name).mkdir()
            options = (f"--metrics={port}", f"--json={folder / name}.json", *RUNS[name])
            processes[name] = start(folder / name, "--publishers=2", "--messages=200", *options)
        runs = {}
        for name, process in processes.items():
            output, errors = process.communicate()
            ledger = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            runs[name] = Run(process.returncode, output, errors, ledger, f"127.0.0.1:{ports[name]}")
        return runs
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


@pytest.mark.parametrize("name", RUNS)
def test_the_last_scrape_has_the_totals_of_the_ledger(name: str, watched: Watched) -> None:
    run = watched.runs[name]
    assert (run.status, run.errors, run.ledger["problems"]) == (0, "", [])
    assert f"metrics: http://{run.instance}/metrics\n" in run.output
    total = run.ledger["total"]
    received, processed = total.get("received"), total.get("processed")
    whose = ""
    if name == "durable":  # counters begin with the process, which was started again after each kill
        received, processed = run.ledger["last_life"]["enqueued"], run.ledger["last_life"]["dequeued"]
        whose = "of the last process: "
    assert received > 0
    expected = {"enqueued": received, "dequeued": processed, "dropped": 0, "refused": 0}
    scraped = {what: watched.last(f"elasticq_messages_{what}_total", run) for what in expected}
    assert scraped == expected
    assert run.ledger["scraped"] == {
        f"elasticq_messages_{what}_total": count for what, count in expected.items()
    }
    assert (
        f"OK: a scrape of the metrics says the same: {whose}{received:,} in, {processed:,} out" in run.output
    )


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_each_query_of_the_dashboard_has_data(panel: dict[str, Any], watched: Watched) -> None:
    for target in panel["targets"]:
        assert watched.values(target["expr"]), target["expr"]


def test_the_dashboard_finds_the_queues(watched: Watched) -> None:
    (variable,) = (each for each in DASHBOARD["templating"]["list"] if each["name"] == "queue")
    query = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
    assert query is not None
    metric, label = query.groups()
    found = watched.server.ask(f"label/{label}/values", **{"match[]": metric})
    assert found == ["full", "inbox", "ingest"]


def test_each_alert_can_be_evaluated_and_has_data(watched: Watched) -> None:
    (group,) = watched.server.ask("rules")["groups"]
    assert [rule["name"] for rule in group["rules"]] == ALERT_NAMES
    for rule in group["rules"]:
        watched.values(rule["query"])  # no error
        for metric in metrics_in(rule["query"]):
            assert watched.values(metric), f"{rule['name']}: {metric}"


def test_only_the_full_queue_gives_a_reason_for_an_alert(watched: Watched) -> None:
    reasons = {
        (rule["name"], series["metric"]["queue"])
        for rule in watched.server.ask("rules")["groups"][0]["rules"]
        for series in watched.series(rule["query"])
    }
    assert reasons == {("ElasticqQueueNearlyFull", "full")}
