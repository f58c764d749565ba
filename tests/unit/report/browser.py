"""A real browser for the pages: Debian's Chromium, driven by Playwright, that reports every error and every request."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NEEDED = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: bash envs/system.sh browser")


@contextmanager
def opened_browser() -> Iterator[Any]:
    """The browser, started once."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened_page(browser: Any, file: Path, *, width: int = 1280, height: int = 800, **facts: Any) -> Iterator[Any]:
    """A page; at its end there must have been no error, no message on the console and no request but for the page."""
    context = browser.new_context(viewport={"width": width, "height": height}, **facts)
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: told.append(f"error: {error}"))
    page.on("request", lambda request: told.append(f"request: {request.url[:200]}"))
    page.goto(file.as_uri())
    yield page
    context.close()
    told = [line for line in told if not line.startswith(("request: data:", f"request: {file.as_uri()}"))]
    assert not told, told
