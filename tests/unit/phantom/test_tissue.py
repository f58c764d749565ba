"""Whole fields of digital tissue."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from tsva.simulation.phantom.tissue import KINDS, STAINS, layered_tissue, tissue

PIXEL_UM = 0.1725
DOCS = Path(__file__).parents[3] / "docs" / "phantom.md"


@pytest.fixture(scope="module", params=KINDS)
def field(request):
    """Kind, specimen and nuclei, of every kind."""
    return request.param, *draw(request.param, seed=11, shape=(580, 700))


def draw(kind, stain="lab_a", seed=1, shape=(240, 300)):
    return tissue(kind, stain, shape=shape, pixel_um=PIXEL_UM, rng=np.random.default_rng(seed))


def amounts(specimen, stain):
    """Colour deconvolution (Ruifrok & Johnston 2001): haematoxylin and eosin, (Y, X, 2)."""
    density = -np.log10(specimen.transmittance / np.array(STAINS[stain].blank))
    return density @ np.linalg.pinv(STAINS[stain].vectors)


@pytest.mark.parametrize("kind", KINDS)
def test_same_generator_same_field(kind):
    (first, nuclei), (again, same), (other, _) = draw(kind), draw(kind), draw(kind, seed=2)
    for name in ("transmittance", "depth_um", "thickness_um"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert nuclei.equals(same)
    assert np.mean(np.abs(first.transmittance - other.transmittance)) > 0.01


def test_specimen_is_physical(field):
    _, specimen, _ = field
    light, depth, thickness = specimen.transmittance, specimen.depth_um, specimen.thickness_um
    assert light.shape == (*depth.shape, 3) == (*thickness.shape, 3)
    assert light.dtype == depth.dtype == thickness.dtype == np.float32
    assert np.all(light > 0) and np.all(light <= 1)
    # Sections are 3 to 4 µm thick; a fold at most doubles that. Depth adds the section's own waves, 0.15 µm (5 sigma).
    assert np.all(thickness > 0) and np.all(thickness <= 8)
    assert np.all(np.abs(depth) <= 2 + 5 * 0.15)


def test_two_stains_on_glass_make_a_plane(field):
    """Beer-Lambert with two stains: optical densities have rank two, whatever was drawn."""
    _, specimen, _ = field
    density = -np.log10(specimen.transmittance.reshape(-1, 3) / np.array(STAINS["lab_a"].blank))
    strength = np.linalg.svd(density, compute_uv=False)
    assert strength[2] < 1e-5 * strength[0] < 1e-2 * strength[1]  # single precision against what eosin adds


def test_nuclei_are_where_the_table_says(field):
    kind, specimen, nuclei = field
    haematoxylin = amounts(specimen, "lab_a")[..., 0]
    rows, columns = np.indices(haematoxylin.shape)
    covered = np.zeros(haematoxylin.shape, bool)
    inside = []
    for nucleus in nuclei.itertuples():
        far = np.hypot(rows - nucleus.y_px, columns - nucleus.x_px) * PIXEL_UM
        # The smallest half axis of a spindle is a quarter of the radius of the circle of equal area.
        inside.append(haematoxylin[far <= max(0.25 * nucleus.radius_um, PIXEL_UM)].mean())
        covered |= far <= 2.5 * nucleus.radius_um
    assert len(nuclei) >= 2
    outside = haematoxylin[~covered]
    assert np.median(inside) > 2 * np.median(outside)
    assert np.mean(np.array(inside) > np.percentile(outside, 75)) > 0.9, kind


def test_nuclei_lie_within_field_and_section(field):
    _, specimen, nuclei = field
    assert list(nuclei.columns) == ["y_px", "x_px", "depth_um", "radius_um", "area_um2"]
    height, width = specimen.depth_um.shape
    assert nuclei.y_px.between(0, height - 1).all() and nuclei.x_px.between(0, width - 1).all()
    assert (nuclei.depth_um.abs() <= 1 + 1e-9).all()
    np.testing.assert_allclose(np.pi * nuclei.radius_um**2, nuclei.area_um2)
    assert nuclei.area_um2.between(4, 150).all()


def test_depth_map_is_the_nucleus_own_where_one_lies(field):
    """Where a nucleus absorbs most, the map's depth follows the table's, up to the section's waves of 0.15 µm."""
    _, specimen, nuclei = field
    rows, columns = nuclei.y_px.round().astype(int), nuclei.x_px.round().astype(int)
    there = specimen.depth_um[rows, columns]
    slope = np.polyfit(nuclei.depth_um, there, 1)[0]
    # The nucleus's share of the absorbance is between a half and one.
    error = 0.15 / (nuclei.depth_um.std() * np.sqrt(len(nuclei)))
    assert 0.5 - 3 * error < slope < 1 + 3 * error


def test_stain_changes_colour_alone():
    (first, nuclei), (other, same) = draw("glandular", "lab_a"), draw("glandular", "lab_b")
    assert nuclei.equals(same)
    np.testing.assert_array_equal(first.depth_um, other.depth_um)
    np.testing.assert_array_equal(first.thickness_um, other.thickness_um)
    ratios = [light.transmittance.mean((0, 1)) for light in (first, other)]
    ratios = [ratio / ratio.sum() for ratio in ratios]
    # A fiftieth of the whole is five grey levels of 250 and seen by eye.
    assert np.abs(ratios[0] - ratios[1]).max() > 0.02


@pytest.mark.parametrize("stain", STAINS)
def test_fat_is_empty(stain):
    specimen, _ = draw("fatty", stain, seed=3, shape=(580, 580))
    empty = np.median(specimen.transmittance, axis=(0, 1))
    np.testing.assert_allclose(empty, STAINS[stain].blank, atol=0.02)


def test_detail_reaches_the_optical_cutoff(field):
    """Below the cutoff 2 NA / wavelength of a 0.75 objective, texture is stronger than an 8-bit camera's rounding."""
    _, specimen, _ = field
    green = specimen.transmittance[:576, :576, 1].astype(float)
    window = np.outer(np.hanning(576), np.hanning(576))
    power = np.abs(np.fft.fft2((green - green.mean()) * window)) ** 2 / (window**2).sum()
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(576, PIXEL_UM)] * 2))
    cutoff = 2 * 0.75 / 0.54
    rounding = (1 / 255) ** 2 / 12
    assert power[(frequency > 0.9 * cutoff) & (frequency < cutoff)].mean() > rounding


LAYERS = 3


def layered(kind, seed=1, shape=(240, 300), detail=0.0):
    rng = np.random.default_rng(seed)
    return layered_tissue(kind, "lab_a", shape=shape, pixel_um=PIXEL_UM, rng=rng, layers=LAYERS, detail=detail)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_the_same_section_divided(kind):
    """Nuclei are those of the extruded section; slanting moves matter about, and creates none to speak of."""
    (whole, nuclei), (slabs, same) = draw(kind, shape=(400, 400)), layered(kind, shape=(400, 400))
    assert nuclei.equals(same) and len(slabs) == LAYERS
    together = -np.log(np.prod([slab.transmittance for slab in slabs], axis=0)).mean()
    assert together == pytest.approx(-np.log(whole.transmittance).mean(), rel=0.03)
    middles = [slab.depth_um.mean() for slab in slabs]
    assert np.all(np.diff(middles) > 0.9)
    assert all(np.all((slab.transmittance > 0) & (slab.transmittance <= 1)) for slab in slabs)


def test_nuclei_lie_in_the_layers_that_they_reach_into():
    """Mean depth of what absorbs at a nucleus follows the table's depth."""
    slabs, nuclei = layered("lymphoid", shape=(500, 500))
    density = np.stack([-np.log(slab.transmittance[..., 0]) for slab in slabs])
    depth = np.stack([slab.depth_um for slab in slabs])
    rows, columns = nuclei.y_px.round().astype(int), nuclei.x_px.round().astype(int)
    there = (np.sum(density * depth, axis=0) / density.sum(axis=0))[rows, columns]
    # Overlapping nuclei, the section's waves and what is left of cytoplasm blur the relation.
    assert np.corrcoef(nuclei.depth_um, there)[0, 1] > 0.6


def test_fine_detail_is_each_layers_own():
    """Detail is added to alike layers: what is finer than 1 µm differs more between them than without it."""
    alike = []
    for detail in (0.0, 1.0):
        slabs, _ = layered("stromal", shape=(400, 400), detail=detail)
        logs = [np.log(1e-3 - np.log(slab.transmittance[..., 1])) for slab in slabs[1:]]
        fine = [log - ndimage.gaussian_filter(log, 0.5 / PIXEL_UM) for log in logs]
        alike.append(np.corrcoef(fine[0].ravel(), fine[1].ravel())[0, 1])
    assert alike[1] < 0.7 * alike[0]


def literature():
    """Rows of the table in docs/phantom.md: kind, lowest and highest number of nuclei per square millimetre."""
    rows = re.findall(r"^\| (\w+) \| ([\d ]+) to ([\d ]+) \|", DOCS.read_text(encoding="utf-8"), flags=re.M)
    return {kind: (int(low.replace(" ", "")), int(high.replace(" ", ""))) for kind, low, high in rows}


@pytest.mark.parametrize("kind", KINDS)
def test_density_is_the_literatures(kind):
    shape, fields = (700, 700), 5
    area_mm2 = fields * shape[0] * shape[1] * PIXEL_UM**2 * 1e-6
    density = sum(len(draw(kind, seed=40 + seed, shape=shape)[1]) for seed in range(fields)) / area_mm2
    low, high = literature()[kind]
    # Three standard deviations of a Poisson count at the limits themselves.
    assert low - 3 * np.sqrt(low / area_mm2) <= density <= high + 3 * np.sqrt(high / area_mm2)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"kind": "bone"}, "glandular"), ({"stain": "lab_z"}, "lab_a"), ({"pixel_um": 0.6}, "0.08 to 0.5")],
)
def test_unknown_names_are_reported(change, message):
    arguments = {"kind": "fatty", "stain": "lab_a", "pixel_um": PIXEL_UM} | change
    with pytest.raises(ValueError, match=message):
        tissue(**arguments, shape=(64, 64), rng=np.random.default_rng(1))
