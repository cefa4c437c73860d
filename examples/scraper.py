"""A web scraper: threads fetch pages, which blocks; a task reads them, and gives the threads their links.

python examples/scraper.py                                  (a small site that it starts itself)
python examples/scraper.py --pages 50 https://example.org/

It follows links to the sites of the URLs that it is given, and to no others. The queue of pages is bounded,
so the threads never fetch more than the task can keep up with. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import http.server
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urldefrag, urljoin, urlsplit

import elasticq

LARGEST_PAGE = 1_000_000
THREADS = 8


class Page(NamedTuple):
    url: str
    """Where it is: a redirect may have led from the URL that was asked for."""
    html: str = ""
    error: str = ""


class Links(HTMLParser):
    """Finds what a page links to."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.url, self.found = page.url, list[str]()
        with contextlib.suppress(AssertionError):  # what some broken pages end with: up to there it was read
            self.feed(page.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and (target := dict(attrs).get("href")):
            with contextlib.suppress(ValueError):  # no URL at all
                self.found.append(urldefrag(urljoin(self.url, target)).url)


def fetch(urls: elasticq.Queue[str], pages: elasticq.Queue[Page]) -> None:
    """A thread: it answers each URL with a page, and waits while the queue of pages is full."""
    with contextlib.suppress(elasticq.ShutDown):  # of the pages: nobody wants them any more
        for url in urls.consume():
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:
                    charset = answer.headers.get_content_charset("utf-8")
                    page = Page(answer.url, answer.read(LARGEST_PAGE).decode(charset, "replace"))
            except (OSError, http.client.HTTPException, LookupError, ValueError) as error:
                page = Page(url, error=str(error))
            pages.put(page)


async def scrape(start: list[str], most: int) -> int:
    """Reads up to so many pages, beginning with these, and gives the number of those that were there."""
    # Only the pages are bounded. If both queues were, threads and task could wait for each other's room.
    urls: elasticq.Queue[str] = elasticq.Queue()
    pages: elasticq.Queue[Page] = elasticq.Queue(maxsize=2 * THREADS)
    sites = {urlsplit(url)[:2] for url in start}
    seen = set(start)
    urls.put_many(seen)
    expected, read = len(seen), 0
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(THREADS) as pool:  # its end waits for the threads
        fetching = [loop.run_in_executor(pool, fetch, urls, pages) for _ in range(THREADS)]
        try:
            while expected:
                page = await pages.aget()
                expected -= 1
                if page.error:
                    print(f"{page.url}: {page.error}")
                    continue
                read += 1
                links = Links(page).found
                print(f"{page.url}: {len(page.html):,} characters, {len(links)} links")
                for link in links:
                    if link not in seen and len(seen) < most and urlsplit(link)[:2] in sites:
                        seen.add(link)
                        urls.put(link)
                        expected += 1
        finally:  # also if Ctrl-C has cancelled this task
            urls.shutdown(immediate=True)
            pages.shutdown(immediate=True)
    await asyncio.gather(*fetching)  # raises what a thread has raised
    return read


class SmallSite(http.server.BaseHTTPRequestHandler):
    """Pages 1 to 15 have links to three others each, also to page 31, which is not there."""

    def do_GET(self) -> None:
        number = int(self.path.strip("/"))
        links = (number // 2 or 1, 2 * number, 2 * number + 1) if number <= 15 else ()
        self.send_response(200 if number <= 30 else 404)
        self.end_headers()
        self.wfile.write("".join(f"<a href='/{link}'>{link}</a>" for link in links).encode())

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing."""


@contextlib.contextmanager
def small_site() -> Iterator[list[str]]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), SmallSite) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield [f"http://127.0.0.1:{server.server_port}/1"]
        finally:
            server.shutdown()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("urls", nargs="*", metavar="URL")
    arguments.add_argument("--pages", type=int, default=100, help="read no more than these")
    given = arguments.parse_args()
    with small_site() if not given.urls else contextlib.nullcontext(given.urls) as urls:
        try:
            print(asyncio.run(scrape(urls, given.pages)), "pages")
        except KeyboardInterrupt:
            print("interrupted")


if __name__ == "__main__":
    main()
