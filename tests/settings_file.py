"""Settings files for commands under test."""

from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path

_FOLDER = tempfile.TemporaryDirectory(prefix="tsva-settings-")
_numbers = itertools.count()


def settings_option(**sections: object) -> list[str]:
    """Option that names a settings file of these sections; the file lasts as long as the process."""
    file = Path(_FOLDER.name) / f"{next(_numbers)}.json"
    file.write_text(json.dumps(sections), encoding="utf-8")
    return ["--settings", str(file)]
