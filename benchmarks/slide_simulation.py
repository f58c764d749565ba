"""Two planes of a whole slide, simulated from a sharp picture with this package's optics, piece by piece.

The picture's values are taken as transmitted light, as for slides of source `image`. The focal surface is given as a
function of the place, so that the focal offset varies over the slide as on a scanner without autofocus.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tsva.acquisition.draws import rng
from tsva.acquisition.stack import resample
from tsva.atomic import fresh_file
from tsva.optics.camera import expose, frame_for, illumination, samples_per_pixel
from tsva.optics.imaging import image_specimen
from tsva.optics.otf import OtfTable
from tsva.optics.pupil import travel_per_depth
from tsva.optics.specimen import Specimen
from tsva.readers.slide import open_regions
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.simulate import MicroscopeSettings

PIECE_PX = 512
THICKNESS_UM = 2.0
SPACING_UM = 0.5

Surface = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Focal offset n in µm at places (y, x), shares of the slide's height and width."""


@dataclass(frozen=True)
class SimulatedSlide:
    """Two planes of a slide and what is true of them.

    Attributes
    ----------
    low, high : (Y, X, 3) uint8 arrays
        Shots at F - delta_um and F + delta_um, with noise.
    truth : (Y, X, 3) uint8 array
        Every place in focus, without noise.
    focal_offset_um : (Y, X) float32 array
    """

    low: np.ndarray
    high: np.ndarray
    truth: np.ndarray
    focal_offset_um: np.ndarray


def kept_slide(
    folder: Path | None,
    picture: np.ndarray,
    surface: Callable[[int], Surface],
    optics: OpticsSettings,
    delta_um: float,
    microscope: MicroscopeSettings,
    seed: int,
) -> SimulatedSlide:
    """`simulated_slide` of ``surface(seed)``; kept in a folder, if one is given, by a digest of all that makes it.

    Simulating takes about forty seconds for 512 by 512 pixels.
    """
    if folder is None:
        return simulated_slide(picture, surface(seed), optics, delta_um, microscope, seed)
    told = (optics.model_dump(mode="json"), delta_um, microscope.model_dump(mode="json"), seed, surface.__name__)
    settings = (PIECE_PX, THICKNESS_UM, SPACING_UM)
    digest = hashlib.sha256(picture.tobytes() + json.dumps([told, settings, picture.shape]).encode()).hexdigest()
    file = folder / f"{digest[:16]}.npz"
    if not file.exists():
        made = simulated_slide(picture, surface(seed), optics, delta_um, microscope, seed)
        folder.mkdir(parents=True, exist_ok=True)
        with fresh_file(file) as part:
            np.savez(part, low=made.low, high=made.high, truth=made.truth, n=made.focal_offset_um)
    with np.load(file) as held:
        return SimulatedSlide(held["low"], held["high"], held["truth"], held["n"])


def picture_of(path: Path, pixel_um: float, source_um: float | None = None) -> np.ndarray:
    """A sharp picture, (Y, X, 3) uint8, at a pixel size; `source_um` is its own where the file doesn't say it."""
    with open_regions(path) as image:
        own_um = source_um or image.pixel.um
        level = image.levels[0]
        pixels = image.read(0, 0, 0, level.height, level.width)
    assert own_um is not None
    factor = own_um / pixel_um
    shape = int(pixels.shape[0] * factor), int(pixels.shape[1] * factor)
    box = (0.0, 0.0, shape[1] / factor, shape[0] / factor)
    return resample(np.ascontiguousarray(pixels[..., :3]), shape, box)


def bent(seed: int, reach_um: float = 2.5) -> Surface:
    """A tilted and bent focal surface whose offsets run from minus to plus `reach_um`."""
    random = rng(seed, "bent surface")
    angle, phase = random.uniform(0, 2 * np.pi), random.uniform(0, 2 * np.pi)
    bend = random.uniform(0.25, 0.5)

    def offset(y: np.ndarray, x: np.ndarray) -> np.ndarray:
        along = (np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)) / (
            (abs(np.cos(angle)) + abs(np.sin(angle))) / 2
        )
        across = -np.sin(angle) * (x - 0.5) + np.cos(angle) * (y - 0.5)
        return np.asarray(reach_um * np.clip(along + bend * np.sin(3 * np.pi * across + phase), -1, 1))

    return offset


def simulated_slide(
    picture: np.ndarray,
    surface: Surface,
    optics: OpticsSettings,
    delta_um: float,
    microscope: MicroscopeSettings,
    seed: int,
) -> SimulatedSlide:
    """Image a picture at both planes and in focus.

    Parameters
    ----------
    picture : (Y, X, 3) uint8 array
        At the pixel size of the optics.
    surface : callable
        See `Surface`.
    optics : OpticsSettings
        Nominal; the microscope's own, if it has any, make the images.
    delta_um : float
        Half the distance between the shots, as it truly is.
    microscope : MicroscopeSettings
        Noise, white level, spherical aberration. The lamp is even.
    seed : int
        Of the noise.
    """
    true_optics = microscope.optics or optics
    fine, (height, width) = samples_per_pixel(true_optics), picture.shape[:2]
    reach_um = 3.0 + delta_um + THICKNESS_UM / 2
    table = OtfTable(true_optics, reach_um + 1.5, microscope.spherical_um)
    blur_um = reach_um * true_optics.na / np.sqrt(true_optics.refractive_index**2 - true_optics.na**2)
    frame = frame_for((PIECE_PX, PIECE_PX), blur_um, true_optics.pixel_um, fine)
    top, left = frame.rows.start, frame.columns.start
    whole_y, whole_x = frame.grid.shape_px
    lamp = illumination(microscope.model_copy(update={"falloff": 0.0}), PIECE_PX, PIECE_PX)
    rows, columns = -(-height // PIECE_PX), -(-width // PIECE_PX)
    padded = np.pad(
        picture,
        (
            (top, rows * PIECE_PX - height + whole_y - top - PIECE_PX),
            (left, columns * PIECE_PX - width + whole_x - left - PIECE_PX),
            (0, 0),
        ),
        mode="symmetric",
    )
    shots = np.empty((3, rows * PIECE_PX, columns * PIECE_PX, 3), np.uint8)
    offsets = np.empty(shots.shape[1:3], np.float32)
    random = rng(seed, "camera of a slide")
    for y in range(0, rows * PIECE_PX, PIECE_PX):
        for x in range(0, columns * PIECE_PX, PIECE_PX):
            piece = np.ascontiguousarray(padded[y : y + whole_y, x : x + whole_x])
            fine_piece = resample(piece, frame.fine_shape) if fine > 1 else piece
            places = (
                (np.arange(frame.fine_shape[0]) + 0.5) / fine + y - top,
                (np.arange(frame.fine_shape[1]) + 0.5) / fine + x - left,
            )
            offset_um = surface(places[0][:, None] / height, places[1][None, :] / width)
            flat = np.zeros(frame.fine_shape, np.float32)
            specimen = Specimen(
                fine_piece.astype(np.float32) / 255, flat, flat + np.float32(THICKNESS_UM), frame.fine_um
            )
            part = slice(y, y + PIECE_PX), slice(x, x + PIECE_PX)
            for number, (focus_um, z_um) in enumerate(
                ((-offset_um, np.array([-delta_um, delta_um])), (flat, np.zeros(1)))
            ):
                images = image_specimen(
                    specimen,
                    focus_um,
                    z_um,
                    lambda _: table,
                    frame.grid,
                    spacing_um=SPACING_UM,
                    travel_per_depth=travel_per_depth(true_optics),
                )
                for plane, channel, image in images:
                    light = image[frame.rows, frame.columns]
                    taken = expose(light, lamp[..., channel], microscope, None if number else random)
                    shots[2 * number + plane][(*part, channel)] = taken
            offsets[part] = offset_um[top * fine :: fine, left * fine :: fine][:PIECE_PX, :PIECE_PX]
    low, high, truth = shots[:, :height, :width]
    return SimulatedSlide(low, high, truth, offsets[:height, :width])
