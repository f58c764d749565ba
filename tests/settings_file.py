"""Settings files for commands under test."""

from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

from tsva.settings.acquisition import AcquisitionSettings

_FOLDER = tempfile.TemporaryDirectory(prefix="tsva-settings-")
_numbers = itertools.count()


def settings_option(**sections: Any) -> list[str]:
    """Option that names a settings file of these sections; the file lasts as long as the process.

    Keys of ``pairs`` that belong to section acquisition are put there, as `PairsSettings` holds both.
    """
    pairs = dict(sections.get("pairs", {}))
    acquisition = {key: pairs.pop(key) for key in AcquisitionSettings.model_fields if key in pairs}
    sections = {**sections, "pairs": pairs, "acquisition": acquisition}
    file = Path(_FOLDER.name) / f"{next(_numbers)}.json"
    file.write_text(json.dumps(sections), encoding="utf-8")
    return ["--settings", str(file)]
