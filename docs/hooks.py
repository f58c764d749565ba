"""Hooks of ``mkdocs build``: pages that are made from code, a notebook or files beside the site's folder, and links."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

import click
import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import ExecutePreprocessor

from tsva.cli.commands import cli

ROOT = Path(__file__).parents[1]
BESIDE = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages at the repository's root, and where the site has them."""
NOTEBOOK = "tutorials/python.ipynb"
NOTEBOOK_PAGE = "tutorials/python.md"
COMMANDS = "<!-- commands -->"
"""Where a page gets the help of all commands."""
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Patterns in the navigation become the pages that match them and are not named elsewhere."""
    entries = config.nav or []
    config.nav = _without_patterns(entries, Path(config.docs_dir), set(_names(entries)))
    return config


def _names(entry: Any) -> list[str]:
    """Pages in a part of the navigation."""
    if isinstance(entry, str):
        return [entry]
    parts = entry.values() if isinstance(entry, dict) else entry
    return [name for part in parts for name in _names(part)]


def _without_patterns(entry: Any, folder: Path, named: set[str]) -> Any:
    if isinstance(entry, dict):
        return {title: _without_patterns(part, folder, named) for title, part in entry.items()}
    if isinstance(entry, list):
        parts = [_without_patterns(part, folder, named) for part in entry]
        return [page for part in parts for page in (part if isinstance(part, list) else [part])]
    if "*" not in entry:
        return entry
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.glob(entry))
    return [path for path in paths if path not in named]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the project's own pages, and the notebook as a page: run now, so that an error in it stops the build."""
    for source, target in BESIDE.items():
        files.append(File.generated(config, target, content=(ROOT / source).read_text(encoding="utf-8")))
    for target, content in _run_notebook(Path(config.docs_dir) / NOTEBOOK).items():
        files.append(File.generated(config, target, content=content))
    return files


def _run_notebook(path: Path) -> dict[str, str | bytes]:
    """The page and the pictures of an executed notebook, by their paths in the site."""
    exporter = MarkdownExporter()
    exporter.register_preprocessor(ExecutePreprocessor(timeout=120), enabled=True)
    notebook = nbformat.read(path, as_version=4)
    text, resources = exporter.from_notebook_node(notebook, {"metadata": {"path": str(path.parent)}})
    folder = PurePosixPath(NOTEBOOK_PAGE).parent
    pictures = {str(folder / name): content for name, content in resources["outputs"].items()}
    return {NOTEBOOK_PAGE: text, **pictures}


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Fill in the help of all commands; links to files that the site does not hold become their paths."""
    if COMMANDS in markdown:
        markdown = markdown.replace(COMMANDS, "\n".join(_help_of_commands()))
    inside = {target: source for source, target in BESIDE.items()}
    source = PurePosixPath(inside.get(page.file.src_uri, f"docs/{page.file.src_uri}"))
    return LINK.sub(lambda link: _in_site(link, source, page, files), markdown)


def _help_of_commands() -> list[str]:
    """A section for each command: what ``--help`` prints, 100 characters wide."""
    parent = click.Context(cli, info_name="tsva", max_content_width=100, terminal_width=100)
    lines: list[str] = []
    for name in cli.list_commands(parent):
        command = cli.get_command(parent, name)
        if command is not None and not command.hidden:
            context = click.Context(command, info_name=name, parent=parent)
            lines += [f"## `tsva {name}`", "", "```text", command.get_help(context), "```", ""]
    return lines


def _in_site(link: re.Match[str], source: PurePosixPath, page: Page, files: Files) -> str:
    """A link as the site has it."""
    text, name, anchor = link[1], link[2], link[3] or ""
    path = normpath(str(source.parent / name))
    target = BESIDE.get(path) or path.removeprefix("docs/")
    if target == NOTEBOOK:
        target = NOTEBOOK_PAGE
    if (path.startswith("docs/") or path in BESIDE) and files.get_file_from_path(target) is not None:
        return f"[{text}]({'../' * page.file.src_uri.count('/')}{target}{anchor})"
    if not (ROOT / path).exists():
        return link[0]  # MkDocs complains of what is not there
    plain = text.strip("`")
    return f"`{path}`" if plain in (path, PurePosixPath(path).name) else f"{text} (`{path}`)"
