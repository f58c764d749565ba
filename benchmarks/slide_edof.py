"""Extended depth of field: `tsva edof` beside the sharpest plane of each cell, and beside focus stacking by pixel.

A real picture is imaged at six planes, 1 µm apart, over a tilted and bent focal surface (`slide_simulation.py`). Gains
are those over the plane that is the sharpest on the whole, against the noise-free in-focus image.

    python benchmarks/slide_edof.py PICTURE.svs --region 2200 2712 780 1804 --simulated FOLDER
        --json docs/results/slide_edof.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from click.testing import CliRunner
from scipy.ndimage import gaussian_filter, laplace
from slide_quality import WORSE_DB, squared_errors
from slide_simulation import Surface, bent, kept_slide, picture_of

from tsva.cli.slide_planes import edof
from tsva.readers.stack_file import write_planes
from tsva.restoration.checkpoint import load
from tsva.restoration.packaged_model import packaged_model
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.simulate import MicroscopeSettings
from tsva.slides.trust import Verdict

MIDDLES_UM = (-2.0, 0.0, 2.0)
REACH_UM = 1.0
"""The surface is then as steep as that of `slide_quality.py`, whose slide is two and a half times as large."""
STACKING_PX = 4.0
"""Standard deviation of the window that focus stacking measures sharpness in."""


def about(middle_um: float, surface_seed: int) -> Callable[[int], Surface]:
    """The same focal surface, whatever the camera's seed, for two planes about another height."""

    def surface(_: int) -> Surface:
        own = bent(surface_seed, REACH_UM)
        return lambda y, x: own(y, x) + middle_um

    surface.__name__ = f"bent {REACH_UM:g} {surface_seed} about {middle_um:g}"
    return surface


def stacked(planes: np.ndarray) -> np.ndarray:
    """Of each pixel the plane with the most energy of the Laplacian around it, the usual focus stacking."""
    grey = planes.mean(axis=3, dtype=np.float32)
    energy = np.stack([gaussian_filter(np.square(laplace(plane)), STACKING_PX) for plane in grey])
    return np.take_along_axis(planes, energy.argmax(axis=0)[None, ..., None], axis=0)[0]


def main() -> None:
    """Simulate, restore, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--region", type=int, nargs=4, metavar=("TOP", "BOTTOM", "LEFT", "RIGHT"), required=True)
    parser.add_argument("--model", type=Path, default=packaged_model("slides"))
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--simulated", type=Path)
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args()
    held = load(given.model)
    optics, (top, bottom, left, right) = OpticsSettings.model_validate(held.optics), given.region
    picture = np.ascontiguousarray(picture_of(given.picture, optics.pixel_um)[top:bottom, left:right])
    microscope = MicroscopeSettings()
    slides = [
        kept_slide(
            given.simulated, picture, about(middle, given.seed), optics, held.delta_um, microscope, given.seed + number
        )
        for number, middle in enumerate(MIDDLES_UM)
    ]
    planes = np.stack([plane for slide in slides for plane in (slide.low, slide.high)])
    truth, z_um = slides[0].truth, [m + side * held.delta_um for m in MIDDLES_UM for side in (-1, 1)]
    with tempfile.TemporaryDirectory() as name:
        stack, out = Path(name) / "stack.ome.tif", Path(name) / "sharp.ome.tif"
        write_planes(stack, iter(planes), np.array(z_um), optics.pixel_um)
        line = [stack, "--model", given.model, "--out", out]
        CliRunner().invoke(edof, list(map(str, line)), catch_exceptions=False)
        written = tifffile.imread(out)
        with np.load(Path(name) / "sharp" / "cells.npz") as held_cells:
            verdict = held_cells["verdict"]
        with np.load(Path(name) / "sharp" / "planes.npz") as held_planes:
            height_um = held_planes["height_um"]
    errors = np.stack([squared_errors(plane, truth) for plane in planes])
    tissue = verdict != Verdict.GLASS
    one = errors[errors[:, tissue].mean(axis=1).argmin()]
    nearest = np.abs(np.array(z_um)[:, None, None] - height_um).argmin(axis=0)
    sharpest = np.take_along_axis(errors, nearest[None], axis=0)[0]
    found = {"cells": int(tissue.sum()), "restored": float((verdict[tissue] == Verdict.RESTORED).mean())}
    for name, error in (
        ("edof", squared_errors(written, truth)),
        ("sharpest_plane_of_each_cell", sharpest),
        ("focus_stacking_by_pixel", squared_errors(stacked(planes), truth)),
        ("best_plane_of_each_cell", errors.min(axis=0)),
    ):
        found[name] = {
            "gain_over_one_plane_db": float(10 * np.log10(one[tissue].mean() / error[tissue].mean())),
            "mean_gain_over_best_plane_db": float(10 * np.log10(errors.min(axis=0) / error)[tissue].mean()),
            "worse_than_best_plane": float((10 * np.log10(errors.min(axis=0) / error)[tissue] < -WORSE_DB).mean()),
        }
    told = {"what": f"{given.picture.name}, region {given.region}, seed {given.seed}; planes at {z_um} um", **found}
    print(json.dumps(told, indent=1))
    given.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
