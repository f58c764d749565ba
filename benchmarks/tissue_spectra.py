"""Power spectra of digital tissue against real sections, octave by octave.

    python benchmarks/tissue_spectra.py FOLDER [--settings config/config.yaml] [--figure docs/pictures/spectra.svg]

FOLDER holds sharp images of stained sections whose files name their pixel size (Aperio SVS, OME-TIFF, …); others are
left out and named. All are resampled to the camera's pixel; where a file's own pixels are coarser, octaves beyond 0.4
cycles of its pixel are left out. Beside them stands scikit-image's picture of colon (immunohistochemistry, DAB) at its
own pixels, as nothing says their size. Digital fields are those of the first microscope's, every kind of tissue, in
focus and without noise. Power is that of the grey value (mean of the colours, as a share of white) in patches of 256
pixels, Hann window, averaged over a picture's patches that hold tissue, then over pictures.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import click
import matplotlib.pyplot as plt
import numpy as np
import skimage.data
import yaml

from tsva.acquisition.draws import rng
from tsva.acquisition.stack import SAME_PIXEL
from tsva.errors import UserError
from tsva.optics.camera import frame_for, samples_per_pixel
from tsva.optics.imaging import image_specimen
from tsva.optics.otf import OtfTable
from tsva.optics.pupil import travel_per_depth
from tsva.readers.slide import open_regions, read_sharp_fields
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.root import Settings, parse_settings
from tsva.simulation.phantom import tissue as phantom

EDGES = (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4)
"""Octaves, cycles a pixel."""
PATCH_PX = 256
REACH_UM = 5.0
TISSUE = 0.03
"""Patches whose grey value varies by less, relative to white, hold no tissue to speak of."""


def powers(grey: np.ndarray) -> list[np.ndarray]:
    """Mean power (per pixel of frequency) in each octave, of each patch of a picture that holds tissue."""
    window = np.outer(np.hanning(PATCH_PX), np.hanning(PATCH_PX))
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(PATCH_PX)] * 2))
    rings = [(frequency >= low) & (frequency < high) for low, high in pairwise(EDGES)]
    found = []
    for top in range(0, grey.shape[0] - PATCH_PX + 1, PATCH_PX):
        for left in range(0, grey.shape[1] - PATCH_PX + 1, PATCH_PX):
            patch = grey[top : top + PATCH_PX, left : left + PATCH_PX]
            if patch.std() > TISSUE:
                power = np.abs(np.fft.fft2((patch - patch.mean()) * window)) ** 2 / (window**2).sum()
                found.append(np.array([power[ring].mean() for ring in rings]))
    return found


def real(folder: Path, settings: Settings) -> dict[str, np.ndarray]:
    """Spectrum of every image; octaves that its own pixels don't carry are NaN."""
    found = {}
    pixel_um = settings.optics.pixel_um
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        patches = []
        try:
            with open_regions(file) as image:
                own_um = image.pixel.um
            for _, picture, reason in read_sharp_fields(file, None, pixel_um, (PATCH_PX, PATCH_PX), 200):
                if not reason:
                    grey = picture.mean(axis=2) / 255
                    patches += powers(grey)
        except UserError as error:
            click.echo(f"left out: {error}", err=True)
            continue
        if patches:
            carried = np.array(EDGES[1:]) <= EDGES[-1] * min(1, pixel_um / (own_um or pixel_um)) * (1 + SAME_PIXEL)
            found[file.name] = np.where(carried, np.mean(patches, axis=0), np.nan)
    return found


def colon() -> dict[str, np.ndarray]:
    """Spectrum of scikit-image's immunohistochemistry, at its own pixels."""
    grey = skimage.data.immunohistochemistry().mean(axis=2) / 255
    return {"scikit-image, colon (DAB), own pixels": np.mean(powers(grey), axis=0)}


@cache
def transfer(optics: OpticsSettings) -> OtfTable:
    """Transfer functions for every field."""
    return OtfTable(optics, REACH_UM)


def digital(settings: Settings, fields: int, stain: str) -> dict[str, np.ndarray]:
    """Spectrum of every kind of tissue."""
    simulate, optics = settings.simulate, settings.optics
    frame = frame_for((PATCH_PX, PATCH_PX), 0.0, optics.pixel_um, samples_per_pixel(optics))
    found = {}
    for kind in phantom.KINDS:
        patches = []
        for index in range(fields):
            specimen, _ = phantom.layered_tissue(
                kind,
                stain,
                shape=frame.fine_shape,
                pixel_um=frame.fine_um,
                rng=rng(settings.seed, "spectra", kind, index),
                layers=simulate.section_layers,
                detail=simulate.fine_detail,
            )
            images = image_specimen(
                specimen,
                np.zeros(frame.fine_shape),
                np.zeros(1),
                lambda _: transfer(optics),
                frame.grid,
                spacing_um=simulate.layer_spacing_um,
                travel_per_depth=travel_per_depth(optics),
            )
            patches += powers(np.mean([image[frame.rows, frame.columns] for _, _, image in images], axis=0))
        if patches:
            found[kind] = np.mean(patches, axis=0)
    return found


def draw(spectra: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """Power over frequency: single pictures thin, means thick."""
    figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    middles = np.sqrt(np.multiply(EDGES[1:], EDGES[:-1]))
    for (label, group), colour in zip(spectra.items(), ("tab:red", "tab:grey", "tab:blue"), strict=True):
        for power in group.values():
            axes.loglog(middles, power, color=colour, linewidth=0.6, alpha=0.5)
        mean = np.nanmean(list(group.values()), axis=0)
        axes.loglog(middles, mean, "o-", color=colour, label=label)
    axes.set_xlabel("spatial frequency (cycles a pixel)")
    axes.set_ylabel("power of the grey value")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    figure.savefig(path)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--settings", "path", type=click.Path(exists=True, path_type=Path), default="config/config.yaml")
@click.option("--fields", default=6, show_default=True, help="Digital fields of each kind of tissue.")
@click.option("--stain", default="lab_a", show_default=True)
@click.option("--figure", type=click.Path(dir_okay=False, path_type=Path))
def main(folder: Path, path: Path, fields: int, stain: str, figure: Path | None) -> None:
    """Print a table, and draw a figure."""
    settings = parse_settings(yaml.safe_load(path.read_text(encoding="utf-8")), str(path))
    before = {"section_layers": 1, "fine_detail": 0.0}
    plain = settings.model_copy(update={"simulate": settings.simulate.model_copy(update=before)})
    spectra = {
        "real": real(folder, settings) | colon(),
        "digital, extruded, without fine detail": digital(plain, fields, stain),
        "digital": digital(settings, fields, stain),
    }
    click.echo("| picture | " + " | ".join(f"{low:g} to {high:g}" for low, high in pairwise(EDGES)) + " |")
    click.echo("|---" * len(EDGES) + "|")
    means = {label: np.nanmean(list(group.values()), axis=0) for label, group in spectra.items()}
    for label, group in spectra.items():
        for name, power in (*group.items(), ("mean", means[label])):
            cells = ["–" if np.isnan(value) else f"{value:.3g}" for value in power]
            click.echo(f"| {label}: {name} | " + " | ".join(cells) + " |")
    for label in list(spectra)[1:]:
        cells = [f"{value:.2f}" for value in means[label] / means["real"]]
        click.echo(f"| {label} over real | " + " | ".join(cells) + " |")
    if figure:
        draw(spectra, figure)


if __name__ == "__main__":
    main()
