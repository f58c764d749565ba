"""Eqs. 2 and 3: the fast way against the plain ways, and what linear imaging has to keep."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tsva.optics.camera import Grid
from tsva.optics.imaging import image_layers, image_specimen
from tsva.optics.otf import OtfTable, radial_otf
from tsva.optics.psf import pixel_psf
from tsva.optics.pupil import pupil_of, spectrum
from tsva.optics.specimen import Specimen
from tsva.settings.acquisition import OpticsSettings

OPTICS = OpticsSettings(bandwidth_um=0)
GRID = Grid((40, 48), OPTICS.pixel_um, 2)
FINE_SHAPE = (80, 96)
HEIGHTS_UM = np.array([-1.0, 0.0, 1.5])
Z_UM = np.array([-6.3, -0.5, 0.0, 2.2])
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def table() -> OtfTable:
    return OtfTable(OPTICS, 10.0)


@pytest.fixture(scope="module")
def layers() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.random(FINE_SHAPE) / 3 for _ in HEIGHTS_UM]


def _stack(images: Iterator[tuple[int, int, np.ndarray]], planes: int) -> np.ndarray:
    """(Z, Y, X, 3) from planes of single colours."""
    parts = {(plane, channel): image for plane, channel, image in images}
    assert len(parts) == 3 * planes
    return np.stack([np.stack([parts[plane, channel] for channel in range(3)], axis=-1) for plane in range(planes)])


def _image(layers: list[np.ndarray], table: OtfTable, dtype: type = np.float64, grid: Grid = GRID) -> np.ndarray:
    return _stack(
        image_layers([[layer] * 3 for layer in layers], HEIGHTS_UM, Z_UM, table, grid, dtype=dtype), len(Z_UM)
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_is_the_plain_sum_of_convolutions(layers: list[np.ndarray], table: OtfTable, dtype: type) -> None:
    """Directly integrated transfer functions, whole fine spectra, every second sample; the table is good to 1e-5."""
    image = _image(layers, table, dtype)
    fine_um = OPTICS.pixel_um / 2
    f_y, f_x = np.fft.fftfreq(FINE_SHAPE[0], fine_um)[:, None], np.fft.fftfreq(FINE_SHAPE[1], fine_um)[None]
    radius = np.hypot(f_y, f_x)
    pixel = np.sinc(f_y * OPTICS.pixel_um) * np.sinc(f_x * OPTICS.pixel_um) * np.exp(1j * np.pi * fine_um * (f_y + f_x))
    pixel[FINE_SHAPE[0] // 2] = pixel[:, FINE_SHAPE[1] // 2] = 0
    pupil = pupil_of(OPTICS)
    for channel in range(3):
        wavelength = spectrum(OPTICS, channel)[0][0]
        distinct, where = np.unique(radius / pupil.cutoff(wavelength), return_inverse=True)
        for plane, z_um in enumerate(Z_UM):
            otf = radial_otf(pupil, wavelength, distinct, z_um - HEIGHTS_UM)[where.reshape(radius.shape)]
            taken = sum(np.fft.fft2(layer) * otf[:, :, index] * pixel for index, layer in enumerate(layers))
            expected = 1 - np.fft.ifft2(taken).real[::2, ::2]
            assert np.abs(image[plane, :, :, channel] - expected).max() < 1e-5


def test_a_point_makes_the_pixel_psf() -> None:
    """Space against frequency: three samples a pixel carry all of light's frequencies, so that a single absorbing
    sample at a pixel's middle gives the PSF, but for the periodic copies' p² λ / (2 π³ NA R³), 1.6e-6 at 43 pixels."""
    grid = Grid((64, 64), OPTICS.pixel_um, 3)
    point = np.zeros((192, 192))
    point[3 * 32 + 1, 3 * 32 + 1] = 1
    z_um = np.array([0.0, -1.0, 4.0])
    images = image_layers([[point] * 3], np.zeros(1), z_um, OtfTable(OPTICS, 4.0), grid, dtype=np.float64)
    image = 9 * (1 - _stack(images, 3))
    expected = np.moveaxis(pixel_psf(OPTICS, z_um, 41), 1, -1)
    assert image[:, 12:53, 12:53] == pytest.approx(expected, abs=1.2e-5)


def test_adds_up(layers: list[np.ndarray], table: OtfTable) -> None:
    twice, other = [2 * layer for layer in layers], [layer[::-1] for layer in layers]
    both = [a + b for a, b in zip(twice, other, strict=True)]
    parts = 2 * (1 - _image(layers, table)) + (1 - _image(other, table))
    assert 1 - _image(both, table) == pytest.approx(parts, abs=ROUNDING)


def test_moves_with_the_specimen(layers: list[np.ndarray], table: OtfTable) -> None:
    moved = _image([np.roll(layer, (2 * 5, -2 * 7), (0, 1)) for layer in layers], table)
    assert moved == pytest.approx(np.roll(_image(layers, table), (5, -7), (1, 2)), abs=ROUNDING)


def test_takes_the_same_light_away_at_every_z(layers: list[np.ndarray], table: OtfTable) -> None:
    taken = (1 - _image(layers, table)).mean(axis=(1, 2))
    assert taken == pytest.approx(np.full((4, 3), sum(layer.mean() for layer in layers)), abs=ROUNDING)


def test_carries_nothing_beyond_the_cutoff() -> None:
    optics = OpticsSettings(pixel_um=0.1)
    grid = Grid((64, 64), 0.1, 1)
    noise = [np.random.default_rng(1).random((64, 64))]
    z_um = np.array([0.0, 3.0])
    image = _stack(
        image_layers(
            [[layer] * 3 for layer in noise], np.zeros(1), z_um, OtfTable(optics, 3.0), grid, dtype=np.float64
        ),
        2,
    )
    radius = np.hypot(np.fft.fftfreq(64, 0.1)[:, None], np.fft.fftfreq(64, 0.1)[None])
    for channel in range(3):
        beyond = radius >= 2 * optics.na / spectrum(optics, channel)[0].min()
        assert beyond.any()
        assert np.abs(np.fft.fft2(image[..., channel])[:, beyond]).max() < ROUNDING * 64**2


def test_empty_glass_stays_one(table: OtfTable) -> None:
    flat = np.zeros(FINE_SHAPE, np.float32)
    glass = Specimen(np.ones((*FINE_SHAPE, 3), np.float32), flat, flat, OPTICS.pixel_um / 2)
    assert np.all(_stack(image_specimen(glass, flat, Z_UM, lambda _: table, GRID, spacing_um=0.5), 4) == 1)


def test_flat_specimen_stays_flat(table: OtfTable) -> None:
    """Whatever the depth, even transmission 0.3 images as 0.3, to float32."""
    flat = np.zeros(FINE_SHAPE, np.float32)
    even = Specimen(np.full((*FINE_SHAPE, 3), 0.3, np.float32), flat + 0.7, flat + 1.3, OPTICS.pixel_um / 2)
    image = _stack(image_specimen(even, flat - 0.4, Z_UM, lambda _: table, GRID, spacing_um=0.5), 4)
    assert image == pytest.approx(np.full(image.shape, 0.3), abs=1e-6)


@pytest.mark.parametrize(
    ("depth_um", "surface_um", "sharp_at_um"), [(1.0, 0.0, -1.0), (-1.0, 0.0, 1.0), (0.0, 1.5, 1.5), (0.5, 2.0, 1.5)]
)
def test_comes_into_focus_where_the_conventions_say(
    table: OtfTable, depth_um: float, surface_um: float, sharp_at_um: float
) -> None:
    flat = np.zeros(FINE_SHAPE, np.float32)
    transmittance = np.ones((*FINE_SHAPE, 3), np.float32)
    transmittance[40, 48] = 0
    specimen = Specimen(transmittance, flat + np.float32(depth_um), flat, OPTICS.pixel_um / 2)
    z_um = np.arange(-4, 4.1, 0.5)
    images = image_specimen(specimen, flat + surface_um, z_um, lambda _: table, GRID, spacing_um=0.5)
    image = _stack(images, len(z_um))
    assert z_um[image.min(axis=(1, 2, 3)).argmin()] == sharp_at_um


def test_matter_that_varies_in_depth_has_no_seams(table: OtfTable) -> None:
    """An even absorber on a steep slope, imaged from far away, shows nothing of the layers' borders."""
    slope = np.broadcast_to(np.linspace(-2, 2, FINE_SHAPE[1], dtype=np.float32), FINE_SHAPE)
    even = Specimen(
        np.full((*FINE_SHAPE, 3), 0.5, np.float32), slope, np.zeros(FINE_SHAPE, np.float32), OPTICS.pixel_um / 2
    )
    images = image_specimen(even, np.zeros(FINE_SHAPE), np.array([6.0]), lambda _: table, GRID, spacing_um=0.5)
    middle = _stack(images, 1)[0, :, 20:28]  # away from the jump where the periodic slope begins again
    assert np.abs(np.diff(middle, axis=1)).max() < 0.01


def test_samples_have_to_fit_the_camera(table: OtfTable) -> None:
    flat = np.zeros((10, 10), np.float32)
    with pytest.raises(ValueError, match="on a camera of"):
        image_specimen(
            Specimen(np.ones((10, 10, 3)), flat, flat, 0.1725), flat, Z_UM, lambda _: table, GRID, spacing_um=0.5
        )
    flat = np.zeros(FINE_SHAPE, np.float32)
    with pytest.raises(ValueError, match=r"wanted 0\.345 / 2"):
        image_specimen(
            Specimen(np.ones((*FINE_SHAPE, 3)), flat, flat, 0.2), flat, Z_UM, lambda _: table, GRID, spacing_um=0.5
        )


def test_slabs_multiply_or_add(table: OtfTable) -> None:
    """Even slabs of 0.5 and 0.8: the light that both let through is 0.4 in either way."""
    flat = np.zeros(FINE_SHAPE, np.float32)
    slabs = [
        Specimen(np.full((*FINE_SHAPE, 3), share, np.float32), flat + depth, flat + 0.5, OPTICS.pixel_um / 2)
        for share, depth in ((0.5, np.float32(-1)), (0.8, np.float32(1)))
    ]
    for absorption in ("multiplies", "adds"):
        images = image_specimen(slabs, flat, Z_UM, lambda _: table, GRID, spacing_um=0.5, absorption=absorption)
        assert _stack(images, 4) == pytest.approx(0.4, abs=2e-6)


def test_slabs_that_add_at_one_height_are_one_specimen(table: OtfTable) -> None:
    rng, flat = np.random.default_rng(4), np.zeros(FINE_SHAPE, np.float32)
    parts = [rng.uniform(0.3, 1, (*FINE_SHAPE, 3)).astype(np.float32) for _ in range(2)]
    slabs = [Specimen(part, flat + np.float32(0.3), flat + 1, OPTICS.pixel_um / 2) for part in parts]
    whole = Specimen(parts[0] * parts[1], flat + np.float32(0.3), flat + 1, OPTICS.pixel_um / 2)
    one, other = (
        _stack(image_specimen(what, flat, Z_UM, lambda _: table, GRID, spacing_um=0.5, absorption="adds"), 4)
        for what in (slabs, whole)
    )
    assert one == pytest.approx(other, abs=1e-5)


def test_apparent_depth_moves_focus_and_thins_the_section(table: OtfTable) -> None:
    """Depth 1.5 in an index of 1.5 is depth 1, and thickness 3 is 2."""
    rng, flat = np.random.default_rng(5), np.zeros(FINE_SHAPE, np.float32)
    light = rng.uniform(0.3, 1, (*FINE_SHAPE, 3)).astype(np.float32)
    deep, shallow = (
        Specimen(light, flat + np.float32(depth), flat + np.float32(thickness), OPTICS.pixel_um / 2)
        for depth, thickness in ((1.5, 3.0), (1.0, 2.0))
    )
    images = image_specimen(deep, flat, Z_UM, lambda _: table, GRID, spacing_um=0.5, travel_per_depth=1 / 1.5)
    plain = image_specimen(shallow, flat, Z_UM, lambda _: table, GRID, spacing_um=0.5)
    assert _stack(images, 4) == pytest.approx(_stack(plain, 4), abs=1e-5)
