"""What scanners write about themselves may be damaged: then it isn't known."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import cast

import openslide
import pytest

from tsva.readers.slide import stored
from tsva.readers.stored import StoredImage

MPP, POWER, NA = openslide.PROPERTY_NAME_MPP_X, openslide.PROPERTY_NAME_OBJECTIVE_POWER, "leica.aperture"


def regions(properties: dict[str, str]) -> StoredImage:
    slide = SimpleNamespace(properties=properties, level_dimensions=((8, 8),), level_downsamples=(1.0,))
    return stored("slide", cast("openslide.OpenSlide", slide), nullcontext)


def test_numbers_are_read() -> None:
    found = regions({MPP: "0.25", POWER: "40", NA: "0.75"})
    assert (found.pixel.um, found.objective.na, found.objective.magnification) == (0.25, 0.75, 40)


@pytest.mark.parametrize("value", ["0.\x7f", "", "nan", "inf", "-1", "0", "1e999"])
def test_what_is_no_number_is_not_known(value: str) -> None:
    found = regions(dict.fromkeys((MPP, POWER, NA), value))
    assert (found.pixel.um, found.objective.na, found.objective.magnification) == (None, None, None)
