"""Name patterns of the slide sheet."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tsva.errors import UserError
from tsva.readers.name_patterns import NamePattern

REGEX_SIGNS = r"a.b*c+d?(e)[f]^g$h|i\j-_ µ"
LITERAL = st.text(alphabet=st.sampled_from(list(REGEX_SIGNS)), min_size=1, max_size=8)
FIELD = st.text(alphabet=st.characters(categories=("Lu", "Ll")), min_size=1, max_size=6)
NM = st.integers(-10_000_000, 10_000_000)


@given(before=LITERAL, between=LITERAL, after=LITERAL, field=FIELD, nm=NM)
def test_any_characters_around_placeholders_stand_for_themselves(
    before: str, between: str, after: str, field: str, nm: int
) -> None:
    assume(not between.endswith(("-", "+")))  # a sign before a number belongs to it
    field = unicodedata.normalize("NFC", field)  # as which a name is read, however its accents are written
    said = NamePattern(f"{before}{{field}}{between}{{z_nm}}{after}", None, "sheet").match(
        f"{before}{field}{between}{nm}{after}"
    )
    assume(said is None or between not in field)
    assert said is not None
    assert (said.field, said.z_um) == (field, nm / 1000)


@given(z=st.decimals(-1000, 1000, places=4), sign=st.sampled_from(["", "+"]))
def test_z_is_micrometres_with_its_sign(z: object, sign: str) -> None:
    text = f"{sign if not str(z).startswith('-') else ''}{z}"
    said = NamePattern("p_{z}um.tif", None, "sheet").match(f"p_{text}um.tif")
    assert said is not None
    assert said.z_um == float(str(z))


@pytest.mark.parametrize(
    ("pattern", "step", "name", "field", "z_um"),
    [
        ("z{z}.tif", None, "z-0.1025.tif", "", -0.1025),
        ("z{z}.tif", None, "z+.5.tif", "", 0.5),
        ("tile_{field}_zoff{z}um.tiff", None, "tile__ix000_iy000_zoff-16.4345um.tiff", "_ix000_iy000", -16.4345),
        ("defocus{z_nm}.jpg", None, "defocus-350.jpg", "", -0.35),
        ("{field}/{field}_z{z_index}.png", 0.5, "a/a_z007.png", "a", 3.5),
        ("{z_index}.png", 2.0, "-3.png", "", -6.0),
    ],
)
def test_names_that_fit(pattern: str, step: float | None, name: str, field: str, z_um: float) -> None:
    said = NamePattern(pattern, step, "sheet").match(name)
    assert said is not None
    assert (said.field, said.z_um) == (field, z_um)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("z{z}.tif", "z1xtif"),  # the dot is a dot
        ("z{z}.tif", "z1.tif.bak"),
        ("z{z}.tif", "az1.tif"),
        ("z{z}.tif", "z1e3.tif"),
        ("z{z_index}.tif", "z1.5.tif"),
        ("{field}_z{z}.tif", "sub/a_z1.tif"),  # a field is no folder
        ("{field}/{field}_z{z}.tif", "a/b_z1.tif"),
    ],
)
def test_names_that_do_not_fit(pattern: str, name: str) -> None:
    assert NamePattern(pattern, 1.0, "sheet").match(name) is None


@pytest.mark.parametrize(
    ("pattern", "step", "message"),
    [
        ("z{zeta}.tif", None, r"column pattern: got 'z\{zeta\}.tif'; .*Correct \{zeta\}"),
        ("{field}.tif", None, "column pattern.*wanted one of"),
        ("{z}_{z_nm}.tif", None, "column pattern.*wanted one of"),
        ("{field}{z}.tif", None, "column pattern.*some character between two placeholders"),
        ("{z_index}.tif", None, "column z_step_um: got nothing; wanted the step"),
    ],
)
def test_patterns_that_cannot_be_meant(pattern: str, step: float | None, message: str) -> None:
    with pytest.raises(UserError, match=f"sheet, slide S, {message}"):
        NamePattern(pattern, step, "sheet, slide S")
