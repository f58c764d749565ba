"""Pictures of the report, encoded here and written beside the summary; one of them the point spread function."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
import numpy as np
from PIL import Image

from tsva.optics.psf import radial_psf, sampled_psf
from tsva.optics.pupil import pupil_of
from tsva.settings.acquisition import OpticsSettings

BARS_UM = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
"""Lengths that a scale bar may have."""
QUALITY = 88
"""Of pictures that are looked at and not measured."""
MAP_QUALITY = 80
"""Of maps, whose colours change slowly."""


def scale_bar(width_um: float) -> dict[str, float]:
    """A round length that takes up at most two fifths of a picture's width, and its share of that width."""
    length = max(size for size in BARS_UM if size <= 0.4 * width_um or size == BARS_UM[0])
    return {"bar_um": length, "bar_share": length / width_um}


class Images:
    """Encoded pictures by the names of their files.

    Attributes
    ----------
    files : dict of str to bytes
        What has been added so far.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._numbers: dict[str, int] = {}

    def jpeg(self, name: str, image: np.ndarray) -> str:
        """Add an image, (Y, X, 1 or 3) uint8, as a JPEG (small, colours at full resolution); the file's name."""
        return self._add(name, _image(image), "JPEG", quality=QUALITY, subsampling=0, optimize=True)

    def webp(self, name: str, image: np.ndarray, quality: int = QUALITY) -> str:
        """Add an image, (Y, X, 1 or 3) uint8, as a WebP: a quarter of the PNG's size; the file's name."""
        return self._add(name, _image(image).convert("RGB"), "WEBP", quality=quality, method=4)

    def mapped(self, name: str, indices: np.ndarray, colours: np.ndarray) -> str:
        """Add indices, (Y, X) uint8, in colours, (256, 3) uint8, as a WebP; the file's name."""
        return self.webp(name, colours[indices], MAP_QUALITY)

    def png(self, name: str, image: np.ndarray) -> str:
        """Add an image, (Y, X, 1 or 3) uint8, as a PNG, every pixel as it is; the file's name."""
        return self._add(name, _image(image), "PNG", optimize=True)

    def palette(self, name: str, indices: np.ndarray, colours: np.ndarray) -> str:
        """Add indices, (Y, X) uint8, into colours, (256, 3) uint8, as a PNG; the file's name."""
        image = Image.fromarray(np.ascontiguousarray(indices))
        image.putpalette(np.ascontiguousarray(colours).tobytes())
        return self._add(name, image, "PNG", optimize=True)

    def take(self, others: Images) -> None:
        """Add the pictures of others, drawn by another process; ValueError if both have one of a name."""
        both = self.files.keys() & others.files.keys()
        if both:
            raise ValueError(f"pictures of the same name: {', '.join(sorted(both))}")
        self.files |= others.files
        self._numbers |= others._numbers

    def _add(self, name: str, image: Image.Image, kind: str, **options: Any) -> str:
        """Encode a picture; further pictures of one name are numbered."""
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        number = self._numbers.get(name, 0)
        self._numbers[name] = number + 1
        file = f"{name}_{number}.{kind.lower()}"
        self.files[file] = buffer.getvalue()
        return file


def _image(image: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image))


GREEN = 1
SIZE = 61
"""Samples along the edge of a lateral plane."""
AXIAL_SAMPLES = 401
COLOURS = "cividis"


def point_spread(optics: OpticsSettings, delta_um: float) -> dict[str, Any]:
    """Intensity along the optical axis, as a share of the one in focus, at the green wavelength.

    Parameters
    ----------
    optics : OpticsSettings
        The nominal microscope.
    delta_um : float
        Defocus that is marked beside 0.

    Returns
    -------
    dict
        `on_axis` (`defocus_um` and `intensity` at 0 and at `delta_um`), `axial` (lists `defocus_um` and `intensity` of
        the whole curve) and `half_width_um` (half the edge of the lateral pictures).
    """
    pupil, wavelength_um = pupil_of(optics), optics.wavelengths_um[GREEN]
    reach_um = 4 * wavelength_um * optics.refractive_index / optics.na**2
    z_um = np.linspace(-reach_um, reach_um, AXIAL_SAMPLES)
    marked_um = np.array([0.0, delta_um])
    found = radial_psf(pupil, wavelength_um, np.zeros(1), np.append(marked_um, z_um))[:, 0]
    share = found / found[0]
    return {
        "on_axis": [{"defocus_um": z, "intensity": part} for z, part in zip(marked_um, share, strict=False)],
        "axial": {"defocus_um": z_um, "intensity": share[len(marked_um) :]},
        "half_width_um": _half_width_um(optics),
    }


def lateral_pictures(optics: OpticsSettings, delta_um: float, images: Images) -> list[str]:
    """Lateral planes in focus and at `delta_um`: square roots of the intensity (they show the rings), one scale.

    Returns
    -------
    list of str
        Files of the pictures.
    """
    pixel_um = 2 * _half_width_um(optics) / SIZE
    planes_um = np.array([0.0, delta_um])
    planes = sampled_psf(pupil_of(optics), optics.wavelengths_um[GREEN], planes_um, SIZE, pixel_um)
    colours = matplotlib.colormaps[COLOURS](np.arange(256), bytes=True)[:, :3]
    roots = np.sqrt(planes / planes[0].max())
    return [images.palette("psf", (255 * plane).round().astype(np.uint8), colours) for plane in roots]


def _half_width_um(optics: OpticsSettings) -> float:
    return 2 * optics.wavelengths_um[GREEN] / optics.na
