"""The settings' page and schema are what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tsva.settings.document import FIX, documents


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_current(path: Path) -> None:
    wanted = documents()[path]
    assert path.exists() and path.read_text(encoding="utf-8") == wanted, f"{path.name} is stale: run `{FIX}`"
