"""What commands share that are no stages: settings as Snakemake would merge them, and a quiet log."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tsva.errors import UserError
from tsva.settings.root import Settings, parse_settings


def merged(files: Sequence[Path], default: Path) -> dict[str, Any]:
    """Settings of a run with ``--configfile files``.

    Parameters
    ----------
    files : sequence of Path
        YAML; later ones win, key by key.
    default : Path
        Read first, where it exists, as the workflow itself does.

    Returns
    -------
    dict
        Not checked yet.

    Raises
    ------
    UserError
        If a file is missing, or is no YAML of keys and values.
    """
    whole: dict[str, Any] = {}
    for file in ([default] if default.is_file() else []) + list(files):
        try:
            values = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(
                str(file), got=" ".join(str(error).split()), wanted="settings in YAML", do="Mend the file or its path."
            ) from None
        if not isinstance(values, dict):
            raise UserError(str(file), got=type(values).__name__, wanted="keys and values", do="Mend the file.")
        whole = _over(whole, values)
    return whole


def load_settings(files: Sequence[Path], default: Path = Path("config/config.yaml")) -> Settings:
    """Checked settings of a run with ``--configfile files``."""
    return parse_settings(merged(files, default), str(files[-1]) if files else "settings")


def _over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(lower)
    for key, value in upper.items():
        mine = out.get(key)
        out[key] = _over(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return out


@contextmanager
def quiet_log() -> Iterator[None]:
    """Within the block, warnings are not logged: for commands that tell of everything themselves."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
