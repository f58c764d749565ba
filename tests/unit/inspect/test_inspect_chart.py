"""Curves drawn with characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsva.cli.inspecting.drawings import BLOCKS, chart

VALUES = [0.0, 1.0, 2.0, 4.0, 3.0]
Z_UM = [-1.0, -0.5, 0.0, 0.5, 1.0]


def bars(lines: list[str]) -> list[str]:
    return [line.split("|", 1)[1] for line in lines if "|" in line]


def test_a_small_one() -> None:
    """Two lines of eight steps: 1 of 4 is half a line, 3 of 4 is a line and a half."""
    assert chart(Z_UM, VALUES, 3, width=14, height=2) == [
        "4 |      ██▄▄",
        "0 |  ▄▄██████",
        "         ▲",
        "   -1    1 µm",
    ]


def test_a_small_one_in_ascii() -> None:
    assert chart(Z_UM, VALUES, 3, width=14, height=2, plain=True) == [
        "4 |      ####",
        "0 |  ########",
        "         ^",
        "   -1    1 um",
    ]


def test_wide_terminals_part_the_bars() -> None:
    lines = bars(chart(Z_UM, VALUES, 3, width=80, height=4))
    assert lines[0] == " " * 18 + "█████"
    assert lines[-1] == " " * 6 + "█████ █████ █████ █████"


def test_many_planes_share_columns_and_the_peak_is_kept() -> None:
    values = [1.0] * 1000
    values[537] = 100.0
    lines = chart(list(range(1000)), values, 537, width=60)
    top = bars(lines)[0]
    assert top.strip() == "█"
    mark = next(line for line in lines if "▲" in line)
    assert mark.index("▲") == lines[0].index("█")


@given(
    values=st.lists(st.floats(0, 1e6), min_size=1, max_size=200),
    width=st.integers(20, 200),
    height=st.integers(1, 12),
    plain=st.booleans(),
)
def test_never_wider_than_the_terminal(values: list[float], width: int, height: int, plain: bool) -> None:
    z_um = [i / 2 for i in range(len(values))]
    lines = chart(z_um, values, values.index(max(values)), width=width, height=height, plain=plain)
    assert max(map(len, lines)) <= width
    assert len(bars(lines)) == height
    if plain:
        assert all(line.isascii() for line in lines)


@pytest.mark.parametrize("eighths", range(1, 9))
def test_heights_are_told_to_an_eighth_of_a_line(eighths: int) -> None:
    lines = bars(chart([0.0, 1.0], [8.0, float(eighths)], 0, width=12, height=1))
    assert lines == ["███ " + BLOCKS[eighths] * 3]


def test_nothing_at_all() -> None:
    assert bars(chart([0.0, 1.0], [0.0, 0.0], None, width=20)) == [""] * 8
