"""What the subcommands share: their settings option, and outputs that appear only when complete."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import ValidationError

from tsva.errors import UserError
from tsva.settings.base import Section

AnySection = TypeVar("AnySection", bound=Section)


def settings_option(section: type[Section], name: str | None = None) -> Callable[[Any], Any]:
    """Option `--<name>` (default: settings) that takes one settings section as JSON."""
    flag = name or "settings"

    def parse(_ctx: click.Context, _param: click.Parameter, value: str) -> Section:
        try:
            return section.model_validate_json(value)
        except ValidationError as error:
            first = error.errors()[0]
            raise UserError(
                f"--{flag}, key {'.'.join(map(str, first['loc'])) or '(all)'}",
                got=repr(first["input"]),
                wanted=first["msg"],
                do="Mend the settings.",
            ) from None

    return click.option(
        f"--{flag}", flag.replace("-", "_"), callback=parse, default="{}", help="Settings section, JSON."
    )


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, renamed to `folder` (which it replaces) only when the block ends well."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    yield part
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


@contextmanager
def fresh_file(path: Path) -> Iterator[Path]:
    """A path to write to, renamed to `path` only when the block ends well; the suffix stays the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{path.name}")
    yield part
    part.replace(path)
