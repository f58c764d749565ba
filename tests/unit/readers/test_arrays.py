"""Arrays and JSON between stages, told by name where something is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tsva.errors import UserError
from tsva.stage_files import read_array, read_json


@pytest.mark.parametrize("read", [read_array, read_json])
def test_what_is_missing_asks_for_the_stage_before(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(UserError, match=r"part\.x: got no such file.*Run that stage first"):
        read(tmp_path / "part.x")


@pytest.mark.parametrize("read", [read_array, read_json])
def test_what_is_damaged_asks_for_its_removal(tmp_path: Path, read: Callable[[Path], object]) -> None:
    (tmp_path / "part.x").write_bytes(b"{")
    with pytest.raises(UserError, match=r"part\.x: .*Delete it"):
        read(tmp_path / "part.x")


def test_arrays_are_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(6).reshape(2, 3))
    found = read_array(tmp_path / "a.npy")
    assert isinstance(found, np.memmap)
    assert found.tolist() == [[0, 1, 2], [3, 4, 5]]
