"""Digital tissue beside real fields: colour and power spectrum of optical density, as a table.

    python docs/pictures/tissue_spectra.py SHARED

SHARED is the folder of real images (its data/he holds CMU-1-Small-Region.svs and OS-1-detail.ome.tif).
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import openslide
import tifffile
from tissue import in_focus

from tsva.simulation.phantom.tissue import KINDS

EDGES = (0.05, 0.1, 0.2, 0.3, 0.45, 0.65, 0.9, 1.2)
"""Spatial frequencies in cycles per µm."""
CAMERA_UM = 0.345
WHITE = 250.0
"""Grey level of empty glass, near enough in all of them."""


def density(picture: np.ndarray, white: float) -> np.ndarray:
    """(Y, X, 3) optical densities (base ten) of an 8-bit picture."""
    return -np.log10(np.clip(picture, 3, None) / white)


def powers(densities: np.ndarray, pixel_um: float) -> np.ndarray:
    """log10 of the power of mean optical density (µm²), averaged over rings of frequency."""
    grey = densities.mean(axis=2)
    size = min(grey.shape)
    window = np.outer(np.hanning(size), np.hanning(size))
    grey = (grey[:size, :size] - grey[:size, :size].mean()) * window
    power = np.abs(np.fft.fft2(grey)) ** 2 * pixel_um**2 / (window**2).sum()
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(size, pixel_um)] * 2))
    return np.log10([power[(frequency >= low) & (frequency < high)].mean() for low, high in pairwise(EDGES)])


def real_fields(folder: Path) -> dict[str, tuple[np.ndarray, float]]:
    """Pictures and their pixel sizes; the rectangles of the slide lie within tissue."""
    fields = {"OS-1 (breast carcinoma)": (tifffile.imread(folder / "OS-1-detail.ome.tif"), 0.227)}
    with openslide.OpenSlide(folder / "CMU-1-Small-Region.svs") as slide:
        for name, corner in (("CMU-1 dermis, epidermis", (950, 2200)), ("CMU-1 dermis", (750, 2300))):
            fields[name] = np.array(slide.read_region(corner, 0, (400, 400)).convert("RGB")), 0.499
    return fields


@click.command()
@click.argument("shared", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(shared: Path) -> None:
    """Print the table."""
    pictures = real_fields(shared / "data" / "he")
    pictures |= {kind: (in_focus(kind, "lab_a", 7 + index), CAMERA_UM) for index, kind in enumerate(KINDS)}
    header = ["field", "median R, G, B", *(f"{low:g} to {high:g}" for low, high in pairwise(EDGES))]
    print("| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|")
    for name, (picture, pixel_um) in pictures.items():
        densities = density(picture, WHITE)
        colour = ", ".join(f"{value:.2f}" for value in np.median(densities.reshape(-1, 3), axis=0))
        cells = [name, colour, *(f"{value:.1f}" for value in powers(densities, pixel_um))]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
