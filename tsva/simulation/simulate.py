"""Z-stacks of digital tissue, or of real sharp fields, through a simulated microscope."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline

from tsva.acquisition.draws import offset_at_um, rng
from tsva.acquisition.stack import Stack
from tsva.errors import UserError
from tsva.optics.camera import Frame, expose, frame_for, illumination, samples_per_pixel
from tsva.optics.imaging import best_focus_um, image_specimen
from tsva.optics.multislice import image_multislice
from tsva.optics.otf import OtfTable
from tsva.optics.pupil import travel_per_depth
from tsva.optics.specimen import FocalSurface, Specimen, draw_waves
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.sheet import SlideRow
from tsva.settings.simulate import MicroscopeSettings, SimulateSettings, TopographySettings

ALONG_UM = 0.3
"""Distance of the planes that the image along the focal surface is interpolated from: a fifth of the shortest period
that images have along z."""
SECTION_UM = 3.5
"""Mean thickness of digital sections (docs/phantom.md)."""
SLIDE_POSITION_UM = 0.25
"""A slide's mean focal position is anywhere within this of a plane: stages know nothing of the specimen."""


@dataclass(frozen=True)
class SimulatedField:
    """One field: its stack and the truth behind it, or the reason why there is none.

    Attributes
    ----------
    name : str
        Unique within the slide.
    stack : Stack or None
        What the microscope delivers.
    clean : Stack or None
        The planes near focus without noise; None if none lies near enough.
    continuous : (draw, 2, Y, X, 3) uint8 array
        Shots at `continuous_z_um` -/+ delta_um, with noise.
    continuous_clean : (draw, 2, Y, X, 3) uint8 array
        The same without noise.
    continuous_z_um : (draw,) float array
        Middle positions of the two shots.
    surface_um : (Y, X) float32 array
        Stage position at which each camera pixel's place is sharpest: the height of the focal surface, and beside it
        what spherical aberration moves the sharpest plane by.
    in_focus : (Y, X, 3) uint8 array
        The field without noise, each pixel at the stage position that its place of the focal surface is in focus at.
    nuclei : DataFrame or None
        `y_px`, `x_px` (camera pixels), `depth_um`, `radius_um`, `area_um2`; None for real fields.
    focus_z_um : float
        Mean of the surface.
    reason : str
        Why the field was left out; empty if it wasn't, and then the other attributes are there.
    """

    name: str
    stack: Stack | None = None
    clean: Stack | None = None
    continuous: np.ndarray | None = None
    continuous_clean: np.ndarray | None = None
    continuous_z_um: np.ndarray | None = None
    surface_um: np.ndarray | None = None
    in_focus: np.ndarray | None = None
    nuclei: pd.DataFrame | None = None
    focus_z_um: float = float("nan")
    reason: str = ""


def simulate_slide(
    row: SlideRow,
    settings: SimulateSettings,
    pairs: PairsSettings,
    nominal: OpticsSettings,
    *,
    seed: int,
    sharp: Iterable[tuple[str, np.ndarray, str]] = (),
    threads: int = 1,
) -> Iterator[SimulatedField]:
    """Simulate a slide, field by field.

    Parameters
    ----------
    row : SlideRow
        Of source `simulated` or `image`.
    settings : SimulateSettings
        Fields, microscopes, topography.
    pairs : PairsSettings
        Step of the planes; distance and spread of the shots at continuous offsets.
    nominal : OpticsSettings
        The nominal optics; they fix the camera's pixel.
    seed : int
        The run's seed. Every draw depends on it and on the names of slide and field alone.
    sharp : iterable of (str, (Y, X, 3) uint8 array, str)
        For source `image`: name of the field, picture at `sharp_sampling`, and the reason to leave it out, if any.
    threads : int
        Of the Fourier transforms.

    Yields
    ------
    SimulatedField

    Raises
    ------
    UserError
        If the row names an unknown microscope, or settings contradict each other.
    """
    microscope, optics = _microscope(row, settings, nominal)
    positions_um = plane_positions_um(settings, pairs)
    fine, pixel_um = samples_per_pixel(nominal), nominal.pixel_um
    frame = frame_for(settings.field_px, _blur_um(positions_um, nominal), pixel_um, fine)
    slide_draws = rng(seed, "slide", row.slide)
    slide_z_um = slide_draws.uniform(-SLIDE_POSITION_UM, SLIDE_POSITION_UM)
    slope = slide_draws.normal(0, settings.topography.tilt_sd_um_per_mm / 1000, 2)
    tables = _Tables(optics, microscope)
    thickness_um = SECTION_UM if row.source == "simulated" else settings.image_thickness_um
    sharpest_um = best_focus_um(optics, microscope.spherical_um, thickness_um)
    pairs_drawn = settings.draws[row.role]
    for name, specimen, nuclei, reason in _specimens(row, settings, frame, sharp, seed):
        if specimen is None:
            yield SimulatedField(name, reason=reason)
            continue
        surface = field_surface(settings.topography, slide_z_um, slope, rng(seed, "surface", row.slide, name), frame)
        focus_z_um = surface.height_um
        middle_um = focus_z_um + continuous_offsets_um(pairs_drawn, pairs, rng(seed, "draws", row.slide, name))
        shots_um = np.stack((middle_um - pairs.delta_um, middle_um + pairs.delta_um), axis=1).ravel()
        draws = rng(seed, "camera", row.slide, name)
        reported_um = np.concatenate((positions_um, shots_um))
        true_um = reported_um + draws.normal(0, microscope.z_error_sd_um, len(reported_um))
        heights_um = surface.heights(*frame.fine_places_um())
        at_camera_um = surface.heights(*frame.places_um()) + sharpest_um
        along_um, shares = _along(at_camera_um)
        z_um = np.append(true_um, along_um)
        images = _images(specimen, heights_um, z_um, tables, frame, settings, threads)
        near = np.flatnonzero(np.abs(positions_um - focus_z_um) <= settings.clean_within_um)
        planes = len(positions_um)
        # without noise: planes near focus, and the drawn shots
        clean_at = np.concatenate((near, np.arange(planes, len(reported_um))))
        taken, clean, in_focus = _pictures(images, len(reported_um), clean_at, shares, frame, microscope, draws)
        by_draw = (pairs_drawn, 2, *taken.shape[1:])
        yield SimulatedField(
            name,
            stack=Stack(taken[:planes], positions_um, pixel_um),
            clean=Stack(clean[: len(near)], positions_um[near], pixel_um) if len(near) else None,
            continuous=taken[planes:].reshape(by_draw),
            continuous_clean=clean[len(near) :].reshape(by_draw),
            continuous_z_um=middle_um,
            surface_um=at_camera_um.astype(np.float32),
            in_focus=in_focus,
            nuclei=nuclei,
            focus_z_um=focus_z_um,
        )


def _images(
    specimen: Specimen | Sequence[Specimen],
    surface_um: np.ndarray,
    z_um: np.ndarray,
    tables: _Tables,
    frame: Frame,
    settings: SimulateSettings,
    threads: int,
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Images of a specimen at true stage positions, as the settings have them computed."""
    optics, spacing_um = tables.optics, settings.layer_spacing_um
    if tables.microscope.imaging == "multislice":
        return image_multislice(
            specimen,
            surface_um,
            z_um,
            optics,
            frame.grid,
            spacing_um=spacing_um,
            points=tables.microscope.source_points,
            spherical_um=tables.microscope.spherical_um,
            threads=threads,
        )
    return image_specimen(
        specimen,
        surface_um,
        z_um,
        tables.reaching,
        frame.grid,
        spacing_um=spacing_um,
        travel_per_depth=travel_per_depth(optics),
        absorption="adds" if optics.model == "paper" else "multiplies",
        threads=threads,
    )


def _along(surface_um: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stage positions that reach along a focal surface, (Y, X), and each one's share of the image along it.

    Returns
    -------
    z_um : (Z,) float array
        One alone for a level surface.
    shares : (Y, X, Z) float32 array
        Of cubic interpolation at the surface's height.
    """
    low, high = float(surface_um.min()), float(surface_um.max())
    if low == high:
        return np.array([low]), np.ones((*surface_um.shape, 1), np.float32)
    z_um = np.linspace(low, high, max(3, int(np.ceil((high - low) / ALONG_UM)) + 1))
    return z_um, CubicSpline(z_um, np.eye(len(z_um)))(surface_um).astype(np.float32)


def plane_positions_um(settings: SimulateSettings, pairs: PairsSettings) -> np.ndarray:
    """Stage positions of a stack's planes, (Z,).

    Raises
    ------
    UserError
        If the planes don't fit between first and last, or don't reach as far as the pairs do.
    """
    steps = (settings.z_last_um - settings.z_first_um) / pairs.z_step_um
    if abs(steps - round(steps)) > 1e-6:
        raise UserError(
            "settings, key simulate.z_last_um",
            got=f"{settings.z_last_um}, which is {steps:g} steps from z_first_um ({settings.z_first_um})",
            wanted=f"a whole number of acquisition.z_step_um ({pairs.z_step_um})",
            do="Correct one of the three.",
        )
    reach_um = pairs.offset_max_um + pairs.delta_um
    if min(-settings.z_first_um, settings.z_last_um) < reach_um:
        raise UserError(
            "settings, keys simulate.z_first_um and z_last_um",
            got=f"{settings.z_first_um} to {settings.z_last_um}",
            wanted=f"at least ∓{reach_um:g} (acquisition.offset_max_um + delta_um), and the topography's spread beyond",
            do="Widen the stack or narrow the offsets.",
        )
    return settings.z_first_um + pairs.z_step_um * np.arange(round(steps) + 1)


def sharp_sampling(settings: SimulateSettings, nominal: OpticsSettings) -> tuple[float, tuple[int, int]]:
    """Pixel size (µm) and shape that sharp real fields have to be handed over with."""
    fine = samples_per_pixel(nominal)
    return nominal.pixel_um / fine, (settings.field_px[0] * fine, settings.field_px[1] * fine)


def continuous_offsets_um(draws: int, pairs: PairsSettings, generator: np.random.Generator) -> np.ndarray:
    """Stratified draws, (draw,), of the offset n from the Gaussian within offset_max_um, in random order."""
    share = (generator.permutation(draws) + generator.uniform(size=draws)) / max(draws, 1)
    return offset_at_um(share, pairs)


def field_surface(
    settings: TopographySettings, slide_z_um: float, slope: np.ndarray, draws: np.random.Generator, frame: Frame
) -> FocalSurface:
    """A field's focal surface; its mean over the camera's pixels is its `height_um` exactly.

    Parameters
    ----------
    settings : TopographySettings
        Spreads.
    slide_z_um : float
        The slide's mean focal position.
    slope : (2,) float array
        The slide's slope along y and x (µm per µm).
    draws : numpy Generator
        The field's own.
    frame : Frame
        Where its pixels lie.
    """
    height_um = slide_z_um + draws.normal(0, settings.field_sd_um)
    waves = draw_waves(draws, settings.waviness_sd_um, settings.waviness_period_um)
    unlevelled = FocalSurface(0.0, slope, waves, level_um=0.0)
    return FocalSurface(height_um, slope, waves, float(unlevelled.heights(*frame.places_um()).mean()))


def _pictures(
    images: Iterator[tuple[int, int, np.ndarray]],
    count: int,
    clean_planes: np.ndarray,
    shares: np.ndarray,
    frame: Frame,
    microscope: MicroscopeSettings,
    draws: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All `count` pictures, (Z, Y, X, 3) uint8, those of `clean_planes` without noise, and what the images after them
    make by their `shares`, (Y, X, 3) uint8, without noise."""
    height, width = frame.field_px
    lamps = np.ascontiguousarray(np.moveaxis(illumination(microscope, height, width), -1, 0))
    taken = np.empty((count, height, width, 3), np.uint8)
    clean = np.empty((len(clean_planes), height, width, 3), np.uint8)
    clean_at = {int(plane): index for index, plane in enumerate(clean_planes)}
    along = np.zeros((3, height, width), np.float32)
    for plane, channel, image in images:
        light = image[frame.rows, frame.columns]
        if plane >= count:
            along[channel] += shares[:, :, plane - count] * light
            continue
        taken[plane, :, :, channel] = expose(light, lamps[channel], microscope, draws)
        if plane in clean_at:
            clean[clean_at[plane], :, :, channel] = expose(light, lamps[channel], microscope)
    in_focus = [expose(light, lamps[channel], microscope) for channel, light in enumerate(along)]
    return taken, clean, np.stack(in_focus, axis=-1)


class _Tables:
    """Transfer functions of one microscope, computed anew only when a field reaches farther than any before."""

    def __init__(self, optics: OpticsSettings, microscope: MicroscopeSettings) -> None:
        self.optics, self.microscope = optics, microscope
        self._table: OtfTable | None = None

    def reaching(self, reach_um: float) -> OtfTable:
        if self._table is None or reach_um > self._table.reach_um:
            self._table = OtfTable(self.optics, 1.2 * reach_um, self.microscope.spherical_um)
        return self._table


def _microscope(
    row: SlideRow, settings: SimulateSettings, nominal: OpticsSettings
) -> tuple[MicroscopeSettings, OpticsSettings]:
    name = row.microscope or next(iter(settings.microscopes))
    if name not in settings.microscopes:
        raise UserError(
            f"slide {row.slide}, column microscope",
            got=repr(name),
            wanted=f"one of {', '.join(settings.microscopes)} (settings, key simulate.microscopes)",
            do="Correct this cell.",
        )
    microscope = settings.microscopes[name]
    optics = microscope.optics or nominal
    if optics.pixel_um != nominal.pixel_um:
        raise UserError(
            f"settings, key simulate.microscopes.{name}.optics.pixel_um",
            got=f"{optics.pixel_um}",
            wanted=f"{nominal.pixel_um}, as optics.pixel_um: all images of a run have one pixel size",
            do="Correct one of the two.",
        )
    if microscope.imaging == "multislice" and optics.condenser is None:
        raise UserError(
            f"settings, key simulate.microscopes.{name}.imaging",
            got="multislice, and optics without a condenser",
            wanted="condenser_ratio, and another model than paper, in its optics or in the nominal ones",
            do="Set optics.condenser_ratio (0.7 is usual), or imaging: fast.",
        )
    return microscope, optics


def _blur_um(positions_um: np.ndarray, optics: OpticsSettings) -> float:
    """Radius of the geometric blur at the far end of the stack: how far outside matter shines in."""
    reach_um = np.ptp(positions_um) / 2
    return reach_um * optics.na / np.sqrt(optics.refractive_index**2 - optics.na**2)


def _specimens(
    row: SlideRow, settings: SimulateSettings, frame: Frame, sharp: Iterable[tuple[str, np.ndarray, str]], seed: int
) -> Iterator[tuple[str, Specimen | Sequence[Specimen] | None, pd.DataFrame | None, str]]:
    """Name, specimen, nuclei and reason of every field."""
    count = row.fields or settings.fields[row.role]
    if row.source == "image":
        for name, picture, reason in sharp:
            yield name, None if reason else _specimen_of_picture(picture, settings, frame), None, reason
        return
    from tsva.simulation.phantom import tissue as phantom

    stain = row.stain or next(iter(phantom.STAINS))
    for index in range(1, count + 1):
        name = f"f{index:03d}"
        draws = rng(seed, "tissue", row.slide, name)
        specimen: Specimen | Sequence[Specimen]
        if settings.section_layers == 1 and settings.fine_detail == 0:
            specimen, nuclei = phantom.tissue(
                row.tissue, stain, shape=frame.fine_shape, pixel_um=frame.fine_um, rng=draws
            )
        else:
            specimen, nuclei = phantom.layered_tissue(
                row.tissue,
                stain,
                shape=frame.fine_shape,
                pixel_um=frame.fine_um,
                rng=draws,
                layers=settings.section_layers,
                detail=settings.fine_detail,
            )
        yield name, specimen, _in_field(nuclei, frame), ""


def _specimen_of_picture(picture: np.ndarray, settings: SimulateSettings, frame: Frame) -> Specimen:
    """A sharp picture as a section: its values are taken as transmitted light; outside it is mirrored."""
    transmittance = np.pad(picture, (*frame.fine_margins, (0, 0)), mode="symmetric").astype(np.float32) / 255
    flat = np.zeros(frame.fine_shape, np.float32)
    return Specimen(transmittance, flat, flat + np.float32(settings.image_thickness_um), frame.fine_um)


def _in_field(nuclei: pd.DataFrame, frame: Frame) -> pd.DataFrame:
    """Nuclei whose middle the camera sees, in its pixels."""
    y_px, x_px = frame.to_camera(nuclei["y_px"].to_numpy(), nuclei["x_px"].to_numpy())
    height, width = frame.field_px
    seen = (y_px >= -0.5) & (y_px < height - 0.5) & (x_px >= -0.5) & (x_px < width - 0.5)
    columns = ["y_px", "x_px", "depth_um", "radius_um", "area_um2"]
    return nuclei.assign(y_px=y_px, x_px=x_px).loc[seen, columns].reset_index(drop=True)
