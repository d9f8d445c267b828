"""Debian's chromium, and pages in it that may speak to their server alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.extras.label.serving import served
from tests.label.labelled_run import begin


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages in browsers of their own; at the end, none has asked elsewhere or complained.

    Args:
      address: of the server.
      who: the annotator; "" for nobody yet.
      faults: whether requests are made to fail, of which the browser complains.
      routes: who answers requests in the server's place, by their address. From before the page
        is there: a browser that is told later may let the next request through.
      context: of the browser, to share what it keeps; and other settings of a new one.
    """
    contexts, complaints, requests = [], [], []

    def open_page(
        address, who="Ada", *, faults=False, routes=(), context=None, wait=True, **settings
    ):
        context = context or browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        for pattern, handler in dict(routes).items():
            page.route(pattern, handler)
        page.set_default_timeout(20_000)
        page.on("request", lambda request: requests.append((address, request.url)))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if not faults:
            page.on(
                "console",
                lambda message: message.type == "error" and complaints.append(message.text),
            )
        page.goto(f"{address}/{f'?who={who}' if who else ''}")
        if wait and who:
            ready(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for address, url in requests if not url.startswith(f"{address}/")] == []


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return begin(tmp_path / "run")


@pytest.fixture
def address(run: Path) -> Iterator[str]:
    with served(run) as address:
        yield address


def until(page: Page, code: str, arg: object = None) -> None:
    """Wait until an expression, or a function of ``arg``, is true.

    The page's policy forbids what Playwright's own ``wait_for_function`` does.
    """
    ends = time.monotonic() + 20.0
    while not page.evaluate(code, arg):
        assert time.monotonic() < ends, f"not within 20 s: {code}"
        page.wait_for_timeout(10)


def ready(page: Page) -> None:
    """Wait until the question can be answered."""
    page.wait_for_selector("#answers .choice:enabled")


def shown(page: Page) -> list[str]:
    """Ids of the candidates on the page, the left one first."""
    return page.evaluate(
        "[...document.querySelectorAll('#clips video')]"
        ".map((video) => new URL(video.src).pathname.slice('/clip/'.length))"
    )


def press(page: Page, key: str) -> list[str]:
    """Answer by a key and wait for the next question; return what was shown."""
    before = shown(page)
    page.keyboard.press(key)
    until(
        page,
        "(before) => [...document.querySelectorAll('#clips video')]"
        ".map((v) => new URL(v.src).pathname.slice(6)).join() !== before.join()"
        " && document.querySelector('#answers .choice:enabled')",
        arg=before,
    )
    return before


def settle(page: Page) -> None:
    """Wait until all that was said has arrived."""
    until(
        page,
        "Object.keys(localStorage).filter((key) => key.startsWith('reward-synth-label '))"
        ".every((key) => localStorage[key] === '[]')",
    )
