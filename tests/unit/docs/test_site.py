"""The site is built without a warning, so all its links lead somewhere and its notebook runs; it needs no network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

import tsva
from tsva.cli.commands import cli
from tsva.cli.main import COMMANDS

ROOT = Path(__file__).parents[3]
FETCHED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
"""What a browser loads by itself, by element."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `mkdocs build --strict` builds it."""
    folder = tmp_path_factory.mktemp("site")
    environment = os.environ | {
        "NO_MKDOCS_2_WARNING": "1",
        "PYTHONPATH": str(ROOT),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder / "site")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"mkdocs build --strict:\n{done.stdout}\n{done.stderr}"
    return folder / "site"


class _Loads(HTMLParser):
    """Addresses of what a page loads, and its paragraphs."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        value = dict(attrs).get(FETCHED.get(tag, ""))
        if value:
            self.addresses.append(value)


def test_no_page_loads_anything_from_a_network(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        loads = _Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        assert loads.addresses
        for address in (one for one in loads.addresses if not one.startswith("data:")):
            assert not re.match(r"(\w+:)?//", address), f"{page.name} loads {address}"
            assert (page.parent / re.split("[?#]", address)[0]).exists() or page.name == "404.html", address
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(\w+:)?//", style.read_text(encoding="utf-8")), style


def test_the_notebook_is_a_page_with_what_it_printed_and_drew(site: Path) -> None:
    page = (site / "tutorials/python.html").read_text(encoding="utf-8")
    assert page.count("<img") == 3
    assert "planes, height, width, channels: (27, 256, 256, 3)" in page
    assert 'href="tutorials/python.html"' in (site / "index.html").read_text(encoding="utf-8")


def test_lists_are_lists(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        found = re.search(r"<p>[^<]*\n(?:- |\d+\. ).*", text)
        assert not found, f"{page.name} wants a blank line before a list: {found and found[0]}"


def test_reference_has_every_name_and_every_command(site: Path) -> None:
    python = (site / "reference/python.html").read_text(encoding="utf-8")
    for name in tsva.__all__:
        assert re.search(rf'id="tsva\.[\w.]*\b{name}"', python), name
    commands = (site / "reference/command_line.html").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f'id="tsva-{name}"' in commands
        for option in re.findall(r"--[a-z][\w-]+", CliRunner().invoke(cli, [name, "--help"]).output):
            assert option in commands


def test_the_search_works_from_a_folder_without_a_server(site: Path, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium; bash envs/system.sh installs one")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    page = f"{(site / 'index.html').as_uri()}?q=brenner"
    done = subprocess.run(
        [*command, "--virtual-time-budget=20000", "--dump-dom", page], capture_output=True, text=True, check=True
    )
    found = re.search(r'md-search-result__meta">\s*(\d+) matching documents', done.stdout)
    assert found and int(found[1]) > 3
