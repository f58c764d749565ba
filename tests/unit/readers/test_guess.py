"""Patterns guessed from names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsva.readers.guess import guess_pattern
from tsva.readers.name_patterns import NamePattern


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (
            ["t_ix000_iy000_zoff-0.1um.tiff", "t_ix000_iy000_zoff11.3um.tiff", "t_ix000_iy000_zoff0um.tiff"],
            "t_ix000_iy000_zoff{z}um.tiff",
        ),
        (
            ["A1_f1_z-0.50um.png", "A1_f1_z+0.00um.png", "A1_f2_z-0.50um.png", "A1_f2_z+0.00um.png"],
            "A1_f{field}_z{z}um.png",
        ),
        (["s_z000.tif", "s_z001.tif", "s_z002.tif"], "s_z{z_index}.tif"),
        (["img-001.png", "img-002.png"], "img-{z_index}.png"),
        (["Seg1_defocus150.jpg", "Seg1_defocus-350.jpg"], "Seg1_defocus{z_index}.jpg"),
        (["p_500nm.tif", "p_-500nm.tif"], "p_{z_nm}nm.tif"),
        (["r1_c1_z1.tif", "r1_c2_z1.tif", "r2_c1_z1.tif", "r2_c2_z2.tif"], "r{field}_z{z_index}.tif"),
        (["slide7/z1.tif", "slide7/z2.tif", "slide7/notes.txt"], "slide7/z{z_index}.tif"),
    ],
)
def test_names_of_microscopes(names: list[str], pattern: str) -> None:
    assert guess_pattern(names) == pattern


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["a.tif"],
        ["a.tif", "b.tif"],
        ["r1_c1.tif", "r1_c2.tif", "r2_c1.tif"],  # no number is called z
        ["a1_z1_b1.tif", "a1_z2_b2.tif", "a2_z1_b2.tif", "a2_z2_b1.tif"],  # a field on both sides of z
    ],
)
def test_names_that_do_not_tell(names: list[str]) -> None:
    assert guess_pattern(names) is None


@given(
    fields=st.sets(st.integers(1, 999), min_size=1, max_size=4),
    heights=st.sets(st.integers(-40, 40), min_size=2, max_size=9).filter(lambda heights: max(heights) > 0),
)
def test_what_is_guessed_reads_the_numbers_back(fields: set[int], heights: set[int]) -> None:
    names = {f"S_{f:03d}_z{z / 2:.1f}um.tif": (f, z / 2) for f in fields for z in heights}
    pattern = guess_pattern(list(names))
    assert pattern is not None
    for name, (field, z_um) in names.items():
        said = NamePattern(pattern, None, "test").match(name)
        assert said is not None
        assert said.z_um == z_um
        assert said.field == (f"{field:03d}" if len(fields) > 1 else "")
