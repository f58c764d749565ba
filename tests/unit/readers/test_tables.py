"""Tables come back as they were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tsva.errors import UserError
from tsva.stage_files import read_table, write_table


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_floats_come_back_to_the_last_bit(tmp_path: Path, values: list[float]) -> None:
    frame = pd.DataFrame({"field": "f", "z_um": np.array(values)})
    write_table(tmp_path / "t.tsv", frame)
    assert read_table(tmp_path / "t.tsv")["z_um"].astype(float).tolist() == values


@pytest.mark.parametrize("name", ["007", "1e5", "NA", "None", "nan", "true", "-3.0", "f 1", 'quo"ted', "tab\tbed"])
def test_names_stay_text(tmp_path: Path, name: str) -> None:
    write_table(tmp_path / "t.tsv", pd.DataFrame({"slide": [name], "field": [name], "reason": [name]}))
    assert read_table(tmp_path / "t.tsv").iloc[0].tolist() == [name] * 3


def test_empty_cells_are_empty_text_or_no_number(tmp_path: Path) -> None:
    frame = pd.DataFrame({"field": ["a", "b"], "reason": ["", ""], "z_step_um": [0.5, None], "mosaic_px": [None, None]})
    write_table(tmp_path / "t.tsv", frame.astype({"mosaic_px": "Int64"}))
    back = read_table(tmp_path / "t.tsv")
    assert back["reason"].tolist() == ["", ""]
    assert back["z_step_um"].iloc[0] == 0.5
    assert back[["z_step_um", "mosaic_px"]].iloc[1].isna().all()


def test_whole_numbers_that_may_be_missing_stay_whole(tmp_path: Path) -> None:
    write_table(tmp_path / "t.tsv", pd.DataFrame({"planes": pd.array([41, None], dtype="Int64")}))
    assert (tmp_path / "t.tsv").read_text() == 'planes\n41\n""\n'


def test_a_missing_or_broken_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.tsv.*wanted a tab-separated table"):
        read_table(tmp_path / "none.tsv")
    (tmp_path / "broken.tsv").write_text("a\tb\n1\t2\n1\t2\t3\t4\n")
    with pytest.raises(UserError, match=r"broken\.tsv"):
        read_table(tmp_path / "broken.tsv")
