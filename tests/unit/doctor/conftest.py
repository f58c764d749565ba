"""Programs that stand in for those of other machines: real executables on a search path of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Fake = Callable[..., None]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Writes an executable; the search path holds such executables and nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def write(name: str, says: str = "", *, error: str = "", status: int = 0, sleeps: float = 0) -> None:
        file = folder / name
        lines = ["#!/bin/sh"]
        if sleeps:
            lines.append(f"exec /bin/sleep {sleeps}")
        lines += ["/bin/cat <<'END'", says, "END"] if says else []
        lines += ["/bin/cat >&2 <<'END'", error, "END"] if error else []
        lines.append(f"exit {status}")
        file.write_text("\n".join(lines) + "\n")
        file.chmod(0o755)

    return write
