"""Stacks of random texture: a section of which everything is known, to measure microscopes on."""

from __future__ import annotations

import numpy as np

from tsva.acquisition.stack import Stack
from tsva.optics.camera import expose, frame_for, illumination, samples_per_pixel
from tsva.optics.imaging import image_specimen
from tsva.optics.otf import OtfTable
from tsva.optics.specimen import Specimen
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.simulate import MicroscopeSettings

LAYERS_PER_FIELD = 0.15
"""Distance between depth layers, as a share of 1 µm / NA²: a quarter of diffraction's depth of field."""


def textured_stack(
    optics: OpticsSettings,
    z_um: np.ndarray,
    *,
    thickness_um: float,
    slabs: int = 3,
    microscope: MicroscopeSettings | None = None,
    field_px: int = 192,
    slope: float = 0.0,
    channels: int = 1,
    seed: int = 1,
) -> Stack:
    """A z-stack of a section whose slabs are random textures that have nothing in common.

    Parameters
    ----------
    optics : OpticsSettings
    z_um : (Z,) float array
        Stage positions; the section's middle is in focus at 0.
    thickness_um : float
        In stage travel.
    slabs : int
    microscope : MicroscopeSettings, optional
        Its noise, lamp and aberration; its optics are not looked at.
    field_px : int
        Edge of the field.
    slope : float
        Of the focal surface along x, µm per µm.
    channels : int
        3, or 1: green alone.
    seed : int

    Returns
    -------
    Stack
    """
    random, fine = np.random.default_rng(seed), samples_per_pixel(optics)
    microscope = microscope or MicroscopeSettings()
    blur_um = np.abs(z_um).max() * optics.na / np.sqrt(optics.refractive_index**2 - optics.na**2)
    frame = frame_for((field_px, field_px), blur_um, optics.pixel_um, fine)
    flat = np.zeros(frame.fine_shape, np.float32)
    specimens = []
    for slab in range(slabs):
        texture = _texture(random, frame.fine_shape, frame.fine_um)
        density = np.clip(0.3 / slabs + 0.08 / np.sqrt(slabs) * texture, 0, None)
        depth_um = ((slab + 0.5) / slabs - 0.5) * thickness_um
        through = np.repeat(np.exp(-density).astype(np.float32)[..., None], 3, axis=2)
        specimens.append(
            Specimen(through, flat + np.float32(depth_um), flat + np.float32(thickness_um / slabs), frame.fine_um)
        )
    surface = flat + slope * frame.fine_places_um()[1][None, :]
    lamp = illumination(microscope, field_px, field_px)
    planes = np.empty((len(z_um), field_px, field_px, 3), np.uint8)
    images = image_specimen(
        specimens,
        surface,
        z_um,
        lambda reach: OtfTable(optics, max(reach, 1.0), microscope.spherical_um),
        frame.grid,
        spacing_um=LAYERS_PER_FIELD / optics.na**2,
        absorption="adds",
    )
    for plane, channel, image in images:
        planes[plane, ..., channel] = expose(image[frame.rows, frame.columns], lamp[..., channel], microscope, random)
    return Stack(planes if channels == 3 else planes[..., 1:2].copy(), np.asarray(z_um, float), optics.pixel_um)


def _texture(random: np.random.Generator, shape: tuple[int, int], pixel_um: float) -> np.ndarray:
    f = np.hypot(np.fft.fftfreq(shape[0], pixel_um)[:, None], np.fft.rfftfreq(shape[1], pixel_um)[None])
    drawn = np.fft.irfft2(np.fft.rfft2(random.standard_normal(shape)) / (f + 0.02) ** 1.2, shape)
    return np.asarray(drawn / drawn.std())
