"""Plain English: short sentences, words that the project uses, no clichés; pages that are read in one go."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("config/*.md")])
GENERATED = ("docs/settings.md",)
"""Lists that are looked up, not read."""
MOST_WORDS, MOST_LINES = 20, 150
LEFT_OUT = ("annotations", "dates_times", "lexical_illusions", "misc.phrasal_adjectives", "typography", "weasel_words")
"""Checks of proselint that misread tables, formulas and code, or want curly quotes."""
NOT_USED = {
    r"in the wild": "on real data",
    r"under the hood": "inside",
    r"out of the box": "without changes",
    r"at a glance": "in short",
    r"boils? down": "is",
    r"rule of thumb": "estimate",
    r"sweet spot": "best value",
    r"state of the art": "the method's name",
    r"leverag(?:e|es|ing)": "use",
    r"utili[sz]es?": "use",
    r"seamless(?:ly)?": "without a step between",
    r"simply": "(leave it out)",
}
"""Figures of speech and filler, and what to write."""


def prose(text: str) -> str:
    """What is read as sentences: without code, tables, headings, pictures and examples."""
    text = re.sub(r"```.*?```|<!--.*?-->", "\n\n", text, flags=re.DOTALL)
    lines = ["" if re.match(r"\s*(\||#|:::|!\[|>>>| {4})", line) else line for line in text.splitlines()]
    text = "\n".join(re.sub(r"^\s*([-*]|\d+\.)\s+", "\n\n", line) for line in lines)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"`[^`]*`", "code", text)


def sentences(text: str) -> Iterator[list[str]]:
    """Words of each sentence; a semicolon ends one too, as what follows stands by itself."""
    for paragraph in re.split(r"\n\s*\n", prose(text)):
        whole = re.sub(r"\b(e\.g|i\.e|et al|eqs?|Fig|vs|etc)\.", r"\1", " ".join(paragraph.split()))
        for sentence in re.split(r"(?<=[.!?;])[*)\"]*\s+", whole):
            words = re.findall(r"[\w'’./°²−+-]*[A-Za-z0-9µΔδ][\w'’°²-]*", sentence)
            if words:
                yield words


def words_not_used() -> dict[str, str]:
    """Of the glossary, and figures of speech."""
    glossary = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([^`|]+)` \| ([^|]+) \|$", glossary, re.MULTILINE)
    return {re.escape(word): better.strip() for word, better in listed} | NOT_USED


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_is_plain(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    counts = [len(words) for words in sentences(text)]
    mean = sum(counts) / max(1, len(counts))
    assert mean <= MOST_WORDS, f"{mean:.1f} words a sentence in the mean; at most {MOST_WORDS}"
    if page.relative_to(ROOT).as_posix() not in GENERATED:
        assert len(text.splitlines()) <= MOST_LINES, f"{len(text.splitlines())} lines; split it at {MOST_LINES}"
    if page.name != "glossary.md":
        for word, better in words_not_used().items():
            found = re.search(rf"(?<![\w.-]){word}(?![\w-])", prose(text), re.IGNORECASE)
            assert not found, f"'{found and found[0]}': write {better}"


def test_a_linter_finds_no_cliche(tmp_path: Path) -> None:
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix().replace("/", "-")
        (tmp_path / name).write_text(prose(page.read_text(encoding="utf-8")), encoding="utf-8")
    command = [sys.executable, "-m", "proselint", "-o", "compact", "check", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    lines = [line.removeprefix(f"{tmp_path}/") for line in done.stdout.splitlines() if ".md:" in line]
    found = [line for line in lines if not any(f": {name}" in line for name in LEFT_OUT)]
    assert not found, "\n".join(found)


def test_the_linter_would_find_one(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("At the end of the day it is very unique.\n")
    command = [sys.executable, "-m", "proselint", "-o", "compact", "check", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "cliches" in done.stdout and "uncomparables" in done.stdout


def test_what_counts_as_a_sentence() -> None:
    text = "# Head\n\nOne two, three 4.5 µm. See [the page](x.md) of Li et al. 2020!\n\n- a `b c` d\n\n| no | table |\n"
    assert [len(words) for words in sentences(text)] == [5, 8, 3]
