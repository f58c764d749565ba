"""Transfer of weak absorption under a condenser of limited aperture, against closed forms and plain sums."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize_scalar
from scipy.special import j1

from tsva.optics.condenser import weak_object_transfer
from tsva.optics.otf import OtfTable, knots_to_share, radial_otf
from tsva.optics.pupil import Pupil, pupil_of, spectrum, travel_per_depth
from tsva.settings.acquisition import OpticsSettings

LAMBDA = 0.54
PUPILS = [Pupil(0.75, 1.0), Pupil(0.75, 1.0, "debye"), Pupil(0.75, 1.0, "debye", 0.022)]
Z_UM = np.array([-6.0, -1.0, 0.0, 2.5])


@pytest.mark.parametrize("pupil", PUPILS)
def test_a_matched_condenser_images_weak_absorption_as_incoherent_light(pupil: Pupil) -> None:
    share = np.linspace(0, 1.1, 111)
    coherent, incoherent = weak_object_transfer(pupil, LAMBDA, share, Z_UM, 1.0), radial_otf(pupil, LAMBDA, share, Z_UM)
    assert coherent == pytest.approx(incoherent, abs=1e-12)


@pytest.mark.parametrize("condenser", [0.05, 0.3, 0.7])
def test_while_the_pupil_covers_the_condensers_image_the_closed_form_holds(condenser: float) -> None:
    """Eq. 1's phase difference is linear over the disc: H = cos(a s²) 2 J₁(2aσs) / 2aσs, a = π NA² z / λ. With σ → 0
    it is the coherent cos(a s²)."""
    s = np.linspace(1e-3, 1 - condenser, 50)
    phase = np.pi * 0.75**2 / LAMBDA * Z_UM[:, None]
    argument = 2 * phase * condenser * s
    disc = np.divide(2 * j1(argument), argument, out=np.ones_like(argument), where=argument != 0)
    found = weak_object_transfer(PUPILS[0], LAMBDA, s / 2, Z_UM, condenser).T
    assert found == pytest.approx(np.cos(phase * s**2) * disc, abs=1e-12)


@pytest.mark.parametrize("pupil", PUPILS)
def test_is_the_plain_sum_over_the_source(pupil: Pupil) -> None:
    """A polar grid over the disc. Where the pupil's edge crosses it a cell is in or out as a whole: the sum is good to
    about an edge cell's share of the disc, 2e-4."""
    condenser, rings, turns = 0.7, 200, 400
    nodes, weights = np.polynomial.legendre.leggauss(rings)
    ring, turn = condenser * (nodes + 1) / 2, (np.arange(turns) + 0.5) * 2 * np.pi / turns
    x, y = np.outer(ring, np.cos(turn)), np.outer(ring, np.sin(turn))
    weight = (weights * ring)[:, None] * pupil.amplitude(np.hypot(x, y))
    energy = np.sum(weight * pupil.amplitude(np.hypot(x, y)))
    for share in (0.1, 0.2, 0.5, 0.8):
        near, far = np.hypot(x, y), np.hypot(x + 2 * share, y)
        passed, far = far < 1, np.minimum(far, 1)
        rate = pupil.defocus_rate(far, LAMBDA) - pupil.defocus_rate(near, LAMBDA)
        still = pupil.aberration(far, LAMBDA) - pupil.aberration(near, LAMBDA)
        wave = [np.sum(passed * weight * pupil.amplitude(far) * np.cos(z * rate + still)) for z in Z_UM]
        found = weak_object_transfer(pupil, LAMBDA, np.array([share]), Z_UM, condenser)[0]
        assert found == pytest.approx(np.array(wave) / energy, abs=2e-4)


def test_ends_where_condenser_and_objective_no_longer_meet() -> None:
    found = weak_object_transfer(PUPILS[1], LAMBDA, np.array([0, 0.84, 0.8501, 1.0]), Z_UM, 0.7)
    assert found[0] == pytest.approx(np.ones(4), abs=1e-12)
    assert found[1, 2] > 0 and not found[2:].any()


def test_table_is_the_direct_integral() -> None:
    """As without a condenser; at the curve's kink, (1 - σ) / 2, the spline is good to its spacing to the power 1.5."""
    optics = OpticsSettings(condenser_ratio=0.7)
    channel, z_um = 2, np.array([-5.9, 0.0, 0.77])
    table, pupil = OtfTable(optics, 6.0, 0.02), pupil_of(optics, 0.02)
    u = np.sort(np.random.default_rng(0).uniform(0, 1, 60))
    f = knots_to_share(u) * table.cutoffs[channel]
    direct = sum(
        weight * radial_otf(pupil, line, f / pupil.cutoff(line), z_um, 0.7)
        for line, weight in zip(*spectrum(optics, channel), strict=True)
    )
    tabulated = CubicSpline(table.knots(), table.at_knots(channel, z_um))(u)
    assert np.abs(tabulated - direct).max() < 3e-5


def test_the_papers_model_knows_no_condenser_and_no_mountant() -> None:
    paper = OpticsSettings(model="paper", condenser_ratio=0.7, mountant_index=1.52)
    assert paper.condenser is None and travel_per_depth(paper) == 1
    assert pupil_of(paper) == pupil_of(OpticsSettings(model="born_wolf"))


def test_apparent_depth_is_snells_near_the_axis() -> None:
    assert travel_per_depth(OpticsSettings(mountant_index=1.52)) == pytest.approx(1 / 1.52)
    narrow = OpticsSettings(model="debye", na=0.05, mountant_index=1.52)
    assert travel_per_depth(narrow) == pytest.approx(1 / 1.52, rel=1e-3)  # the next term is about NA² / 4
    oil = OpticsSettings(model="debye", na=1.3, refractive_index=1.518, mountant_index=1.518)
    assert travel_per_depth(oil) == pytest.approx(1)


def test_apparent_depth_at_high_aperture_is_where_a_point_is_brightest() -> None:
    """Against a search for the largest intensity on the axis behind 2 µm of mountant."""
    optics, depth_um = OpticsSettings(model="debye", mountant_index=1.52), 2.0
    nodes, weights = np.polynomial.legendre.leggauss(100)
    rho = (nodes + 1) / 2
    s2, weight = (optics.na * rho) ** 2, weights / 2 * rho * pupil_of(optics).amplitude(rho)

    def dark(z_um: float) -> float:
        path = depth_um * np.sqrt(1.52**2 - s2) - z_um * np.sqrt(1 - s2)
        return -(abs(weight @ np.exp(2j * np.pi / LAMBDA * path) / weight.sum()) ** 2)

    found = minimize_scalar(dark, bounds=(0.5, 2), method="bounded", options={"xatol": 1e-6})
    ratio = travel_per_depth(optics)
    assert ratio == pytest.approx(found.x / depth_um, abs=1e-4)
    rim, axis = np.sqrt(1 - 0.75**2) / np.sqrt(1.52**2 - 0.75**2), 1 / 1.52
    assert rim < ratio < axis
    # Maréchal: what is left of the aberration, by its Strehl ratio, as the function's notes say.
    left_um = LAMBDA / (2 * np.pi) * np.sqrt(1 + found.fun) / depth_um
    assert left_um == pytest.approx(0.0020, abs=1e-4)
