"""Settings of a stage: the option `--settings`, whose file is checked section by section."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml
from pydantic import TypeAdapter, ValidationError

from tsva.errors import UserError
from tsva.settings.base import Section, check_moved

Model = TypeVar("Model", bound=Section)
JOB_KEYS = ("slide", "microscope", "true_optics", "run")
"""Keys of a job's settings file that are no sections of config/config.yaml."""


def settings_option(**sections: Any) -> Callable[[Any], Any]:
    """Option `--settings FILE`: a settings file, of which each named parameter of the command gets its section.

    Parameters
    ----------
    **sections : type
        Parameter of the command -> a `Section`, whose `key` is its name in the file, or another type that pydantic
        checks, such as ``dict[str, Any]``, whose name in the file is the parameter's. A section that the file lacks
        has its defaults.

    Raises
    ------
    UserError
        From the command, with the file and the key.
    """
    kinds = {name: (getattr(kind, "key", name), kind) for name, kind in sections.items()}
    keys = [part for key, kind in kinds.values() for part in _parts(kind) or [key]]

    def parse(context: click.Context, _: click.Parameter, file: Path | None) -> None:
        values = read_settings_file(file) if file is not None else {}
        where = str(file) if file is not None else "--settings"
        _refuse_unknown(set(values) - set(keys), where)
        for name, (key, kind) in kinds.items():
            parts = {part: _checked(of_part, part, values, where) for part, of_part in _parts(kind).items()}
            whole = {key: {k: v for part in parts.values() for k, v in part.model_dump().items()}} if parts else values
            context.params[name] = _checked(kind, key, whole, where)

    return click.option(
        "--settings",
        metavar="FILE",
        type=click.Path(path_type=Path),
        callback=parse,
        expose_value=False,
        help=f"YAML or JSON file of settings, such as config/config.yaml. Used of it: {', '.join(keys)}."
        " What it leaves out has the defaults of docs/settings.md.",
    )


def read_settings_file(file: Path) -> dict[str, Any]:
    """Keys and values of a YAML or JSON file, not checked yet.

    Raises
    ------
    UserError
        If the file is missing, or holds something else.
    """
    try:
        text = file.read_text(encoding="utf-8")
        # YAML 1.1 takes a JSON number such as 1e-05 for text
        values = (json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(
            str(file),
            got=" ".join(str(error).split()),
            wanted="settings in YAML or JSON",
            do="Correct the file or its path.",
        ) from None
    if not isinstance(values, Mapping):
        raise UserError(str(file), got=type(values).__name__, wanted="keys and values", do="Correct the file.")
    return dict(values)


def _refuse_unknown(others: set[str], where: str) -> None:
    """A file may hold what other stages use, but no misspelt section."""
    if not others:
        return
    # imported by name: what a stage computes depends on its own sections, and its fingerprint must not hold all others
    known = {*importlib.import_module("tsva.settings.root").Settings.model_fields, *JOB_KEYS}
    unknown = sorted(map(str, others - known))
    if unknown:
        raise UserError(
            f"{where}, key {unknown[0]}",
            got="an unknown key",
            wanted="one that docs/settings.md lists",
            do="Check its spelling.",
        )


def _parts(kind: Any) -> dict[str, type[Section]]:
    return {part.key: part for part in getattr(kind, "parts", ())}


def checked_section(kind: type[Model], key: str, value: Mapping[str, Any], where: str) -> Model:
    """A section of keys and values that were given in several ways.

    Raises
    ------
    UserError
        Names the key.
    """
    found: Model = _checked(kind, key, {key: value}, where)
    return found


def _checked(kind: Any, key: str, values: Mapping[str, Any], where: str) -> Any:
    value = values.get(key, {})
    try:
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind.model_validate(value)
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        missing, name = first["type"] == "missing", ".".join([key, *map(str, first["loc"])])
        check_moved(name, where)
        raise UserError(
            f"{where}, key {name}",
            got="nothing" if missing else repr(first["input"]),
            wanted="a value" if missing else first["msg"].removeprefix("Value error, "),
            do="Correct the settings.",
        ) from None
