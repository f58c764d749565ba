"""The simulate stage: draws, conventions, truth, and messages."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from tsva.errors import UserError
from tsva.optics.camera import frame_for, noise_sd
from tsva.optics.specimen import Specimen
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.sheet import SlideRow
from tsva.settings.simulate import MicroscopeSettings, SimulateSettings, TopographySettings
from tsva.simulation.phantom import tissue as phantom
from tsva.simulation.simulate import (
    SimulatedField,
    continuous_offsets_um,
    field_surface,
    plane_positions_um,
    sharp_sampling,
    simulate_slide,
)

PAIRS = PairsSettings()
OPTICS = OpticsSettings(bandwidth_um=0)
SMALL = SimulateSettings(
    field_px=(64, 72), fields={"dataset1": 1}, z_first_um=-4.0, z_last_um=4.0, microscopes={"one": MicroscopeSettings()}
)


def _row(**cells: str) -> SlideRow:
    return SlideRow.model_validate(
        {"slide": "S", "patient": "P", "sample": "s", "role": "dataset1", "source": "simulated", "tissue": "stromal"}
        | cells
    )


def _thin(*_: str, shape: tuple[int, int], pixel_um: float, rng: np.random.Generator) -> tuple[Specimen, pd.DataFrame]:
    """Thin matter in one plane, with fine detail everywhere, and one nucleus in the middle of the frame."""
    taken = rng.random((*shape, 3), dtype=np.float32) * np.float32(0.6)
    flat = np.zeros(shape, np.float32)
    middle = {"y_px": [shape[0] / 2 - 0.5, 0.0], "x_px": [shape[1] / 2 - 0.5, 0.0]}
    nuclei = pd.DataFrame(middle | {"depth_um": 0.0, "radius_um": 3.0, "area_um2": 28.0})
    return Specimen(1 - taken, flat, flat, pixel_um), nuclei


@pytest.fixture(autouse=True)
def _thin_tissue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phantom, "tissue", _thin)


def _simulate(settings: SimulateSettings = SMALL, seed: int = 5, **cells: str) -> list[SimulatedField]:
    return list(simulate_slide(_row(**cells), settings, PAIRS, OPTICS, seed=seed))


def _same(one: SimulatedField, other: SimulatedField) -> bool:
    return (
        np.array_equal(one.stack.planes, other.stack.planes)
        and np.array_equal(one.clean.planes, other.clean.planes)
        and np.array_equal(one.continuous, other.continuous)
        and np.array_equal(one.surface_um, other.surface_um)
        and one.focus_z_um == other.focus_z_um
        and one.nuclei.equals(other.nuclei)
    )


def test_the_same_seed_gives_the_same_field_whatever_else_is_asked_for() -> None:
    alone = _simulate()[0]
    with_more_fields = _simulate(fields="2")
    assert len(with_more_fields) == 2
    assert _same(alone, with_more_fields[0])
    assert not _same(alone, with_more_fields[1])
    assert not _same(alone, _simulate(seed=6)[0])
    assert not _same(alone, _simulate(slide="T")[0])


def test_threads_change_nothing() -> None:
    two = list(simulate_slide(_row(), SMALL, PAIRS, OPTICS, seed=5, threads=2))
    assert _same(_simulate()[0], two[0])


@pytest.mark.parametrize("seed", range(4))
def test_sharpest_where_the_truth_says(seed: int) -> None:
    """Within the stage's error of half a step: the nearest plane, or the next where focus lies between the two."""
    still = SMALL.model_copy(update={"topography": TopographySettings(tilt_sd_um_per_mm=0, waviness_sd_um=0)})
    field = _simulate(still, seed=seed)[0]
    grey = field.stack.planes.mean(axis=3)
    sharpness = np.square(grey[:, :, 2:] - grey[:, :, :-2]).mean(axis=(1, 2))
    assert abs(field.stack.z_um[sharpness.argmax()] - field.focus_z_um) <= 0.25 + 4 * 0.03


def test_truth_beside_the_image() -> None:
    field = _simulate()[0]
    assert field.stack.planes.shape == (17, 64, 72, 3)
    assert field.stack.z_um == pytest.approx(np.arange(-4, 4.1, 0.5))
    assert field.stack.pixel_um == OPTICS.pixel_um
    assert field.surface_um.shape == (64, 72)
    assert field.surface_um.mean() == pytest.approx(field.focus_z_um, abs=1e-6)  # float32
    assert field.nuclei[["y_px", "x_px"]].to_numpy() == pytest.approx(np.array([[31.5, 35.5]]))  # the other is outside
    assert np.all(np.abs(field.clean.z_um - field.focus_z_um) <= SMALL.clean_within_um)
    assert len(field.clean.z_um) == 6  # ±1.5 µm around a focus between two planes 0.5 µm apart


def test_clean_planes_are_the_stacks_own_without_noise() -> None:
    """What is left is the camera's noise: a mean square of its variance, averaged over levels, within 5 √(2/N)."""
    field = _simulate()[0]
    captured = field.stack.planes[np.isin(field.stack.z_um, field.clean.z_um)] / 255
    clean = field.clean.planes / 255
    # Noise, its rounding, and the rounding of the clean one (1/12 step² more, already in noise_sd once).
    expected = (noise_sd(clean, MicroscopeSettings()) ** 2).mean() + 1 / 12 / 255**2
    assert np.square(captured - clean).mean() == pytest.approx(expected, rel=5 * np.sqrt(2 / clean.size) + 0.01)


STILL = MicroscopeSettings(z_error_sd_um=0)
LEVEL = SMALL.model_copy(
    update={"microscopes": {"one": STILL}, "topography": TopographySettings(tilt_sd_um_per_mm=0, waviness_sd_um=0)}
)


def test_a_level_field_is_in_focus_in_one_plane() -> None:
    """To the bit, where the stack has a plane there."""
    z_um = _simulate(LEVEL)[0].focus_z_um
    field = _simulate(LEVEL.model_copy(update={"z_first_um": z_um - 4, "z_last_um": z_um + 4}))[0]
    plane = int(np.abs(field.clean.z_um - field.focus_z_um).argmin())
    assert abs(field.clean.z_um[plane] - field.focus_z_um) < 1e-9
    assert np.array_equal(field.in_focus, field.clean.planes[plane])


def test_a_tilted_field_is_in_focus_everywhere() -> None:
    """As the same specimen is on a level surface, but for two roundings to whole grey levels, √(2/12) = 0.41. A plane
    across the tilt is farther off."""
    level = _simulate(LEVEL)[0]
    steep = TopographySettings(tilt_sd_um_per_mm=50, waviness_sd_um=0)
    tilted = _simulate(LEVEL.model_copy(update={"topography": steep}))[0]
    assert np.ptp(tilted.surface_um) > 1
    assert tilted.focus_z_um == level.focus_z_um
    rms = lambda image: float(np.sqrt(np.square(image.astype(float) - level.in_focus).mean()))  # noqa: E731
    across = tilted.clean.planes[np.abs(tilted.clean.z_um - tilted.focus_z_um).argmin()]
    assert rms(tilted.in_focus) < 0.41 < 1 < rms(across)


def test_drawn_shots_without_noise_are_the_same_shots() -> None:
    field = _simulate()[0]
    captured, clean = field.continuous / 255, field.continuous_clean / 255
    expected = (noise_sd(clean, MicroscopeSettings()) ** 2).mean() + 1 / 12 / 255**2
    assert np.square(captured - clean).mean() == pytest.approx(expected, rel=5 * np.sqrt(2 / clean.size) + 0.01)


def test_shots_lie_where_they_say() -> None:
    """On a still stage a shot at a plane's own position is that plane but for noise."""
    microscope = MicroscopeSettings(z_error_sd_um=0, full_well_e=10_000_000, read_noise_e=0)
    settings = SMALL.model_copy(update={"microscopes": {"one": microscope}, "draws": {"dataset1": 2}})
    field = _simulate(settings)[0]
    assert field.continuous.shape == (2, 2, 64, 72, 3)
    for shots, middle_um in zip(field.continuous, field.continuous_z_um, strict=True):
        for shot, z_um in zip(shots, (middle_um - PAIRS.delta_um, middle_um + PAIRS.delta_um), strict=True):
            distance = np.square(field.stack.planes - shot.astype(float)).mean(axis=(1, 2, 3))
            assert abs(field.stack.z_um[distance.argmin()] - z_um) <= 0.25 + 0.02


@pytest.mark.parametrize("draws", [1, 3, 40])
def test_offsets_fill_the_gaussians_strata_within_reach(draws: int) -> None:
    focal_offset_um = continuous_offsets_um(draws, PAIRS, np.random.default_rng(draws))
    edge = ndtr(-PAIRS.offset_max_um)
    share = (ndtr(focal_offset_um) - edge) / (1 - 2 * edge)
    assert sorted(np.floor(share * draws)) == list(range(draws))
    assert np.abs(focal_offset_um).max() <= PAIRS.offset_max_um


def test_no_draws_no_shots() -> None:
    field = _simulate(SMALL.model_copy(update={"draws": {"dataset1": 0}}))[0]
    assert field.continuous.shape == (0, 2, 64, 72, 3)


def test_focal_positions_scatter_as_the_paper_says() -> None:
    """Mean within 4/√N, variance within 4 √(2/N) of N(0, 1 µm); every field's own level is taken off."""
    frame, count = frame_for((64, 64), 0.0, 0.345, 1), 400
    slope = np.array([0.002, -0.001])
    surfaces = [
        field_surface(TopographySettings(), 0.2, slope, np.random.default_rng(seed), frame) for seed in range(count)
    ]
    heights = np.array([surface.height_um for surface in surfaces])
    assert heights.mean() == pytest.approx(0.2, abs=4 / np.sqrt(count))
    assert heights.var() == pytest.approx(1, rel=4 * np.sqrt(2 / count))
    for surface in surfaces[:5]:
        assert surface.heights(*frame.places_um()).mean() == pytest.approx(surface.height_um, abs=1e-12)


def test_a_slides_fields_share_its_tilt() -> None:
    """Without waves a surface is the slide's plane and nothing else."""
    settings = SMALL.model_copy(
        update={"topography": TopographySettings(waviness_sd_um=0, tilt_sd_um_per_mm=20), "fields": {"dataset1": 2}}
    )
    one, other = (field.surface_um - field.focus_z_um for field in _simulate(settings))
    assert np.ptp(one) > 0.05
    assert one == pytest.approx(other, abs=1e-6)


def test_a_longer_period_has_gentler_slopes() -> None:
    """Waves of amplitude a and frequency f have slopes of 2π a f: eight times the period, an eighth of the slope."""
    frame = frame_for((128, 128), 0.0, 0.345, 1)

    def slope(period_um: float) -> float:
        settings = TopographySettings(waviness_period_um=period_um)
        surfaces = [
            field_surface(settings, 0.0, np.zeros(2), np.random.default_rng(seed), frame).heights(*frame.places_um())
            for seed in range(40)
        ]
        return float(
            np.mean([np.square(np.gradient(surface, 0.345)).sum(axis=0).mean() for surface in surfaces]) ** 0.5
        )

    assert slope(30) / slope(240) == pytest.approx(8, rel=0.2)


def test_real_fields_are_their_own_in_focus_layer() -> None:
    settings = SMALL.model_copy(update={"image_thickness_um": 0.0})
    pixel_um, shape = sharp_sampling(settings, OPTICS)
    assert (pixel_um, shape) == (0.1725, (128, 144))
    picture = np.full((*shape, 3), 255, np.uint8)
    picture[60:68, 70:74] = 40
    sharp = [("blank", picture, "blank: no tissue"), ("tissue", picture, "")]
    row = _row(source="image", path="picture.png", tissue="")
    blank, field = simulate_slide(row, settings, PAIRS, OPTICS, seed=2, sharp=sharp)
    assert (blank.name, blank.reason, blank.stack) == ("blank", "blank: no tissue", None)
    assert field.nuclei is None and field.reason == ""
    sharpest = field.stack.planes[np.abs(field.stack.z_um - field.focus_z_um).argmin(), :, :, 1]
    darkest = np.unravel_index(sharpest.argmin(), sharpest.shape)
    assert 30 <= darkest[0] <= 33 and 35 <= darkest[1] <= 36
    assert sharpest[5, 5] == pytest.approx(0.92 * 255, abs=15)


def test_another_microscope_sees_otherwise_through_its_own_optics() -> None:
    """Aberrated Debye optics are not even in z, the nominal ones are: compare shots equally far on both sides."""
    still = TopographySettings(field_sd_um=0, tilt_sd_um_per_mm=0, waviness_sd_um=0)
    quiet = MicroscopeSettings(z_error_sd_um=0, full_well_e=10_000_000, read_noise_e=0, falloff=0)
    aberrated = quiet.model_copy(update={"optics": OPTICS.model_copy(update={"model": "debye"}), "spherical_um": 0.05})
    settings = SMALL.model_copy(
        update={"topography": still, "microscopes": {"even": quiet, "uneven": aberrated}, "draws": {"dataset1": 0}}
    )
    contrast = {}
    for name in ("even", "uneven"):
        field = _simulate(settings, microscope=name)[0]
        spread = field.stack.planes.std(axis=(1, 2)).mean(axis=1)
        above, below = (np.interp(field.focus_z_um + z_um, field.stack.z_um, spread) for z_um in (2.5, -2.5))
        contrast[name] = above / below
    assert contrast["even"] == pytest.approx(1, abs=0.02)
    assert abs(contrast["uneven"] - 1) > 0.1


def test_the_papers_model_is_eqs_1_to_3_whatever_else_is_set() -> None:
    """Condenser and mountant are void, and the stack is that of eq. 1 without them."""
    optics = {"model": "paper", "condenser_ratio": 0.7, "mountant_index": 1.52}
    paper = list(simulate_slide(_row(), SMALL, PAIRS, OPTICS.model_copy(update=optics), seed=5))
    assert _same(paper[0], _simulate()[0])
    wolf = OPTICS.model_copy(update=optics | {"model": "born_wolf"})
    assert not _same(paper[0], next(simulate_slide(_row(), SMALL, PAIRS, wolf, seed=5)))


def test_multislice_needs_a_condenser() -> None:
    slow = SMALL.model_copy(update={"microscopes": {"one": MicroscopeSettings(imaging="multislice")}})
    with pytest.raises(UserError, match=r"simulate\.microscopes\.one\.imaging: got multislice, and optics without"):
        _simulate(slow)


def test_multislice_takes_the_same_slide_as_the_fast_model() -> None:
    """Through thin matter of strong contrast; the fast model is linear in absorption, so that they are alike only."""
    optics = OPTICS.model_copy(update={"condenser_ratio": 0.7})
    ways = {way: MicroscopeSettings(imaging=way, source_points=16) for way in ("fast", "multislice")}
    small = SMALL.model_copy(update={"field_px": (64, 64), "draws": {"dataset1": 0}, "microscopes": ways})
    one, other = (
        next(simulate_slide(_row(microscope=way), small, PAIRS, optics, seed=5)) for way in ("fast", "multislice")
    )
    assert one.focus_z_um == other.focus_z_um and one.stack.planes.shape == other.stack.planes.shape
    near = np.abs(one.stack.z_um - one.focus_z_um).argmin()
    fast, slow = (field.stack.planes[near].astype(float).ravel() for field in (one, other))
    assert np.corrcoef(fast, slow)[0, 1] > 0.9


def test_an_unknown_microscope_is_reported() -> None:
    with pytest.raises(UserError, match="column microscope: got 'toy'; wanted one of one"):
        _simulate(microscope="toy")


def test_all_microscopes_have_the_nominal_pixel() -> None:
    other = MicroscopeSettings(optics=OpticsSettings(pixel_um=0.5))
    with pytest.raises(UserError, match=r"microscopes\.one\.optics\.pixel_um: got 0\.5; wanted 0\.345"):
        _simulate(SMALL.model_copy(update={"microscopes": {"one": other}}))


@pytest.mark.parametrize(
    ("z_um", "words"),
    [((-4.0, 4.2), "4.2, which is 16.4 steps"), ((-3.0, 4.0), "got -3.0 to 4.0; wanted at least ∓3.5")],
)
def test_planes_have_to_fit_and_to_reach(z_um: tuple[float, float], words: str) -> None:
    with pytest.raises(UserError, match=words):
        plane_positions_um(SMALL.model_copy(update={"z_first_um": z_um[0], "z_last_um": z_um[1]}), PAIRS)


def test_simulated_field_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        SimulatedField("f").reason = "late"
