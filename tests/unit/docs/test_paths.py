"""Files, folders and modules that the pages name exist, and so do targets of links between pages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("config/*.md")])
FOLDERS = "tsva|tests|unit|workflow|benchmarks|docs|envs|config|profiles"
MADE = ("workflow/report.html",)
"""What commands of the pages make."""


def spans(text: str) -> Iterator[str]:
    """What stands in code, inline or in a block."""
    yield from re.findall(r"```.*?\n(.*?)```", text, re.DOTALL)
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def paths_of(text: str) -> set[str]:
    """Paths of this repository's folders."""
    return {
        path.rstrip("./")
        for span in spans(text)
        for path in re.findall(rf"(?<![\w./-])((?:{FOLDERS})/[\w./-]+)", span)
        if path not in MADE
    }


def exists(path: str) -> bool:
    """Whether a path is there; tests are also named from their own folder."""
    return any((ROOT / base / path).exists() for base in ("", "tests"))


@cache
def names_of_files() -> set[str]:
    """Of all files of these folders."""
    folders = ("tsva", "tests", "benchmarks", "docs")
    return {name for folder in folders for _, _, names in os.walk(ROOT / folder) for name in names}


def is_name(dotted: str) -> bool:
    """Whether `tsva.a.b.c` is a module or what a module defines."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        base = ROOT.joinpath(*parts[:end])
        module = next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
        if module is not None:
            rest = parts[end : end + 1]
            return not rest or re.search(rf"\b{re.escape(rest[0])}\b", module.read_text(encoding="utf-8")) is not None
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = sorted(path for path in paths_of(text) if not exists(path))
    names = {name for span in spans(text) for name in re.findall(r"(?<![\w./-])tsva(?:\.[a-z_]\w*)+(?:\.\w+)?", span)}
    missing += sorted(name for name in names if not is_name(name) and not re.search(r"\.(def|sif|yaml|md)$", name))
    files = {name for span in spans(text) for name in re.findall(r"(?<![\w/])(\w+\.py)\b", span)}
    missing += sorted(name for name in files if name not in names_of_files())
    assert not missing, f"{page.relative_to(ROOT)} names what is not there: {', '.join(missing)}"


def anchors(page: Path) -> set[str]:
    """What links may name within a page: its headings as GitHub writes them."""
    headings = re.findall(r"^#+ +(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    missing = []
    for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)", page.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            missing.append(link)
    assert not missing, f"{page.relative_to(ROOT)} links to what is not there: {', '.join(missing)}"


def test_the_search_for_names_finds_some() -> None:
    assert paths_of("`python benchmarks/plan.py` and\n```\npytest tests/unit\n```") == {
        "benchmarks/plan.py",
        "tests/unit",
    }
    assert is_name("tsva.errors.UserError")
    assert not is_name("tsva.errors.NoSuchThing")
    assert not is_name("tsva.nothing.here") or not (ROOT / "tsva/nothing").exists()
