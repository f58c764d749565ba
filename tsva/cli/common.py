"""What the subcommands share: their settings option, and outputs that appear only when complete."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import click
from pydantic import ValidationError

from tsva.errors import UserError
from tsva.settings.base import Section

log = logging.getLogger(__name__)
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
