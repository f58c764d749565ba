"""Nuclei against the geometry of ellipsoids."""

from __future__ import annotations

import numpy as np
import pytest

from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.nuclei import Chromatin, Nuclei, paint
from tsva.simulation.phantom.section import cut

SMOOTH = Chromatin(density=1.0, clumping=0.0, rim=0.0, nucleoli=0.0, irregular=0.0, variation=0.0)


def canvas(section_um, seed=1, pixel_um=0.1):
    return Canvas((400, 400), pixel_um, section_um, np.random.default_rng(seed))


def one(y_um, x_um, long_um, short_um, angle=0.4):
    return Nuclei(*(np.array([value]) for value in (y_um, x_um, long_um, short_um, angle)))


@pytest.mark.parametrize(("long_um", "short_um"), [(3.0, 3.0), (5.0, 2.5), (7.0, 1.5)])
def test_whole_nucleus_has_the_volume_and_area_of_an_ellipsoid(long_um, short_um):
    drawn = canvas(section_um=40.0)
    paint(drawn, one(20.0, 20.0, long_um, short_um), SMOOTH)
    (_, _, depth_um, area_um2) = drawn.nuclei[0]
    # The nucleus lies at most 1 µm from the middle of a section of 40 µm: nothing is cut off.
    volume_um3 = drawn.occupied.sum(dtype=float) * 0.1**2 * 40.0
    # Pixels of 0.1 µm on an outline of up to 30 µm: the error of an area is below a tenth of outline times pixel.
    edge = 0.1 * 0.1 * 2 * np.pi * long_um
    assert volume_um3 == pytest.approx(4 / 3 * np.pi * long_um * short_um**2, abs=2 * short_um * edge)
    assert area_um2 == pytest.approx(np.pi * long_um * short_um, abs=edge)
    thickness = drawn.nuclear_thickness[200, 200] / drawn.nuclear[200, 200]
    assert thickness == pytest.approx(2 * short_um, rel=1e-3)
    absorbs = drawn.nuclear > 1e-3
    np.testing.assert_allclose((drawn.nuclear_depth[absorbs] / drawn.nuclear[absorbs]), depth_um, atol=1e-4)


def test_centroid_and_direction_are_those_asked_for():
    drawn = canvas(section_um=40.0)
    paint(drawn, one(17.3, 22.1, 6.0, 2.0, angle=0.7), SMOOTH)
    weight = drawn.nuclear.astype(float)
    y_um, x_um = np.indices(weight.shape) * 0.1
    middle = [np.sum(weight * at) / weight.sum() for at in (y_um, x_um)]
    np.testing.assert_allclose(middle, (17.3, 22.1), atol=0.01)
    yy, xx, xy = (
        np.sum(weight * a * b) / weight.sum()
        for a, b in ((y_um - middle[0],) * 2, (x_um - middle[1],) * 2, (y_um - middle[0], x_um - middle[1]))
    )
    assert 0.5 * np.arctan2(2 * xy, xx - yy) == pytest.approx(0.7, abs=0.005)  # from +x towards +y


def test_thin_section_shows_profiles_and_caps():
    """Depth and thickness stay within the section; the table's depth is the middle of what is in it."""
    drawn = canvas(section_um=3.5, pixel_um=0.1725)
    count = 4000
    rng = np.random.default_rng(5)
    places = rng.uniform(5, 60, (2, count))
    paint(drawn, Nuclei(*places, np.full(count, 3.2), np.full(count, 3.0), rng.uniform(0, np.pi, count)), SMOOTH)
    depth_um = np.array([nucleus[2] for nucleus in drawn.nuclei])
    assert len(drawn.nuclei) == count
    assert np.abs(depth_um).max() <= 1.0
    # Uniform heights over ±(1.75 + 0.4 × 3.0) µm: those beyond 1.25 µm reach past one face only, and count as caps.
    assert np.mean(np.abs(depth_um) > 1e-6) == pytest.approx(1 - 1.25 / 2.95, abs=3 * np.sqrt(0.25 / count))
    absorbs = drawn.nuclear > 0
    assert (drawn.nuclear_thickness[absorbs] / drawn.nuclear[absorbs]).max() <= 3.5 * (1 + 1e-5)


def test_nucleus_on_the_edge_keeps_its_area():
    area = []
    for y_um in (20.0, 0.0, 39.9):
        drawn = canvas(section_um=40.0)
        paint(drawn, one(y_um, 20.0, 4.0, 3.0), SMOOTH)
        area.append(drawn.nuclei[0][3])
    # The grid cuts outlines at different places of the pixels.
    assert np.ptp(area) <= 0.1 * 0.1 * 2 * np.pi * 4.0


def test_far_nuclei_draw_nothing():
    drawn = canvas(section_um=4.0)
    paint(drawn, one(-10.0, 20.0, 4.0, 3.0), SMOOTH)
    assert not drawn.nuclear.any() and not drawn.nuclei


def test_crowded_nuclei_share_the_section():
    """Two nuclei at the same place can't hold twice the section's matter."""
    amounts = []
    for copies in (1, 6):
        drawn = canvas(section_um=3.5, seed=3)
        for _ in range(copies):
            paint(drawn, one(20.0, 20.0, 4.0, 4.0), SMOOTH)
        amounts.append(float(cut(drawn)[0][200, 200, 0]))
    # At most the density of a section full of nucleus, 1, times the section's unevenness (5 %, 4 sigma; no fold).
    assert amounts[0] <= amounts[1] + 0.3 and amounts[1] <= np.exp(4 * 0.05)


def test_cytoplasm_gives_way_to_nuclei():
    drawn = canvas(section_um=3.5, seed=4)
    drawn.eosin += 0.5
    paint(drawn, one(20.0, 20.0, 5.0, 5.0), SMOOTH)
    amounts, _, thickness_um = cut(drawn)
    filled = float(drawn.occupied[200, 200])
    uneven = float(amounts[200, 200, 0] / drawn.nuclear[200, 200])
    assert amounts[200, 200, 1] == pytest.approx(0.5 * (1 - filled) * uneven, rel=1e-4, abs=1e-6)
    assert thickness_um[5, 5] == pytest.approx(3.5, rel=1e-5)
