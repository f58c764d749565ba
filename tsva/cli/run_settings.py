"""Settings of a run, for commands that are no stages: merged as Snakemake merges them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tsva.cli.stage_settings import read_settings_file
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
        whole = _over(whole, read_settings_file(file))
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
