"""Every example runs to its end, and shows what it says. Those with servers have tests of their own."""

from __future__ import annotations

import http.server
import re
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import examples
import pytest
from support import KILLED, PATIENCE, unix_only, wait_until

import elasticq

NAMES = sorted(path.stem for path in examples.FOLDER.glob("*.py"))
TESTS = {
    "scraper": "test_examples.py",
    "worker_pool": "test_examples.py",
    "log_shipper": "test_log_shipper.py",
    "mqtt_ingest": "test_ingest.py",
    "web_ingest": "test_ingest.py",
}
"""The files that test what takes long or does nothing without arguments. All others are just run."""


def test_there_are_examples() -> None:
    assert set(TESTS) < set(NAMES)


@pytest.mark.parametrize("example", sorted(set(NAMES) - set(TESTS)))
def test_runs_to_its_end(example: str) -> None:
    with examples.killed_at_the_end(examples.start(example)) as process:
        output, errors = examples.ended(process)
    assert output
    assert not errors


@pytest.mark.parametrize("example", sorted(TESTS))
def test_what_is_not_just_run_has_tests_of_its_own(example: str) -> None:
    tests = (Path(__file__).parent / TESTS[example]).read_text(encoding="utf-8")
    assert re.search(rf'examples.*"{example}|"{example}:app"', tests)


@pytest.mark.parametrize("example", NAMES)
def test_is_in_the_table_of_the_page_and_says_how_to_run_it(example: str) -> None:
    page = (examples.FOLDER.parent / "docs/examples.md").read_text(encoding="utf-8")
    assert f"`{example}.py`" in page
    text = (examples.FOLDER / f"{example}.py").read_text(encoding="utf-8")
    assert re.match(r'"""[A-Z]', text)
    assert re.search(rf"\b{example}\b", text.split('"""')[1])


def test_the_scraper_reads_every_page_once_and_tells_what_is_not_there() -> None:
    with examples.killed_at_the_end(examples.start("scraper")) as process:
        output, _ = examples.ended(process)
    *lines, last = output.splitlines()
    pages = {int(line.split(": ")[0].rpartition("/")[2]): line for line in lines}
    assert len(lines) == 31
    assert sorted(pages) == list(range(1, 32))
    assert "404" in pages[31]
    assert last == "30 pages"


def test_the_scraper_reads_no_more_pages_than_it_may() -> None:
    with examples.killed_at_the_end(examples.start("scraper", "--pages=7")) as process:
        output, _ = examples.ended(process)
    assert output.splitlines()[-1] == "7 pages"


class Odd(http.server.BaseHTTPRequestHandler):
    """A folder that is asked for without its slash, with a link that is relative, and a broken page."""

    def do_GET(self) -> None:
        if self.path == "/1":
            self.send_response(301)
            self.send_header("Location", "/folder/")
        else:
            self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<a href='page'>page</a><![no such]>" if self.path == "/folder/" else b"")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing."""


async def test_the_scraper_follows_a_redirect_and_reads_a_broken_page(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scraper = examples.load("scraper")
    scraper.SmallSite = Odd
    with scraper.small_site() as urls:
        assert await scraper.scrape(urls, 10) == 2
    shown = capsys.readouterr().out.splitlines()
    assert [line.split("/", 3)[3].split(": ")[0] for line in shown] == ["folder/", "folder/page"]


class Endless(http.server.BaseHTTPRequestHandler):
    """A site without an end."""

    def do_GET(self) -> None:
        links = "".join(f"<a href='{self.path}0{link}'>{link}</a>" for link in range(1, 11))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(links.encode())

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing."""


@unix_only("Ctrl-C for one process")
def test_the_scraper_ends_on_ctrl_c() -> None:
    scraper = examples.load("scraper")
    scraper.SmallSite = Endless
    with scraper.small_site() as urls:
        scraping = examples.start("scraper", "--pages=1000000000", *urls)
        with examples.killed_at_the_end(scraping):
            assert scraping.stdout
            for _ in range(100):
                assert scraping.stdout.readline()
            output, errors = examples.ended(scraping, signal.SIGINT)
    assert output.splitlines()[-1] == "interrupted"
    assert not errors


async def test_the_threads_of_the_scraper_end_while_they_wait_for_room() -> None:
    scraper = examples.load("scraper")
    scraper.SmallSite = Endless
    queues: list[elasticq.Queue[object]] = []
    fetch, links = scraper.fetch, scraper.Links

    def noted_fetch(urls: object, pages: elasticq.Queue[object]) -> None:
        queues.append(pages)
        fetch(urls, pages)

    def slow_links(page: object) -> object:
        """Reads a page. When there are enough links, it lets all threads wait, and fails."""
        if queues[0].stats().messages_dequeued == 5:
            wait_until(lambda: queues[0].waiters().room.threads == scraper.THREADS, "all threads wait")
            raise InterruptedError
        return links(page)

    scraper.fetch, scraper.Links = noted_fetch, slow_links
    with scraper.small_site() as urls, pytest.raises(InterruptedError):
        await scraper.scrape(urls, 1_000)


def outcome(overflow: str, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What a policy makes of 100 items, if the consumer is so slow that it ends its first one after them."""
    example = examples.load("back_pressure")
    produced = threading.Event()

    def produce(queue: object) -> float:
        try:
            return float(example_produce(queue))
        finally:
            produced.set()

    example_produce = example.produce
    monkeypatch.setattr(example, "produce", produce)
    slow = SimpleNamespace(sleep=lambda _: produced.wait(PATIENCE), monotonic=time.monotonic)
    monkeypatch.setattr(example, "time", slow)
    return SimpleNamespace(**example.run(overflow)._asdict())


def test_a_producer_that_blocks_becomes_as_slow_as_the_consumer() -> None:
    example = examples.load("back_pressure")
    # On Windows, time.monotonic() may stand still for 16 ms.
    example.time = SimpleNamespace(sleep=time.sleep, monotonic=time.perf_counter)
    result = example.run("block")
    assert result.taken == list(range(example.ITEMS))
    assert (result.dropped, result.refused) == (0, 0)
    assert result.seconds >= (example.ITEMS - example.ROOM - 1) * example.PACE


def test_a_producer_that_is_refused_is_told_so_for_each_item(monkeypatch: pytest.MonkeyPatch) -> None:
    result = outcome("error", monkeypatch)
    assert result.taken[:10] == list(range(10))
    assert len(result.taken) <= 11
    assert (result.dropped, result.refused) == (0, 100 - len(result.taken))


def test_the_newest_items_are_kept_if_the_oldest_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    result = outcome("drop_oldest", monkeypatch)
    assert result.taken[-10:] == list(range(90, 100))
    assert len(result.taken) <= 11
    assert (result.dropped, result.refused) == (100 - len(result.taken), 0)


def test_the_oldest_items_are_kept_if_the_newest_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    result = outcome("drop_newest", monkeypatch)
    assert result.taken[:10] == list(range(10))
    assert len(result.taken) <= 11
    assert (result.dropped, result.refused) == (100 - len(result.taken), 0)


JOBS = {"kill the worker", "hang", "fail once", *(f"job {number}" for number in range(10))}


def done_in(output: str) -> list[str]:
    return re.findall(r"delivery \d of '(.*)': [A-Z0-9 ]+$", output, re.MULTILINE)


def test_the_pool_does_each_job_and_tries_again_what_was_lost_or_failed() -> None:
    with examples.killed_at_the_end(examples.start("worker_pool")) as process:
        output, _ = examples.ended(process)
    assert sorted(done_in(output)) == sorted(JOBS)
    for job, problem in {
        "kill the worker": "the worker is lost",
        "hang": "the worker is lost",
        "fail once": "ConnectionError: no answer",
    }.items():
        assert f"delivery 1 of '{job}': {problem}\n" in output
        assert re.search(f"delivery [23] of '{job}': {job.upper()}\n", output)
    assert output.count("of 'fail': ValueError") == 3
    assert output.endswith("0 jobs are left\ndead: 'fail', delivered 3 times\n")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_pool_ends_if_it_can_start_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(_: object) -> None:
        raise OSError("no more processes")

    pool = examples.load("worker_pool")
    monkeypatch.setattr(pool.Worker, "__init__", refused)
    with caplog.at_level("INFO"):
        running = threading.Thread(target=pool.run, args=(tmp_path / "jobs",), daemon=True)
        running.start()
        running.join(PATIENCE)
        assert not running.is_alive()
    assert f"{len(JOBS) + 1} jobs are left" in caplog.text


@pytest.mark.parametrize(
    "killed", [pytest.param(False, marks=unix_only("Ctrl-C for one process")), True], ids=["ctrl-c", "kill"]
)
def test_the_next_run_of_the_pool_does_what_is_left(tmp_path: Path, killed: bool) -> None:
    first = examples.start("worker_pool", tmp_path / "jobs", start_new_session=True)
    with examples.killed_at_the_end(first):
        assert first.stdout
        shown = ""
        while "'job 0'" not in shown:  # by then a worker has the job that hangs
            shown += first.stdout.readline()
        first.kill() if killed else first.send_signal(signal.SIGINT)
        shown += first.stdout.read()  # until all workers have ended, too
        assert first.wait(PATIENCE) == (KILLED if killed else 0)
    with examples.killed_at_the_end(examples.start("worker_pool", tmp_path / "jobs")) as second:
        rest, _ = examples.ended(second)
    assert {*done_in(shown), *done_in(rest)} == JOBS
    assert "0 jobs are left\ndead: 'fail'" in rest
