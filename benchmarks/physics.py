"""The fast model against multi-slice Abbe imaging, one physical effect at a time.

    python benchmarks/physics.py [--settings config/config.yaml] [--points 128] [--kinds glandular,stromal,lymphoid]

Digital tissue in several layers is imaged slice by slice through the settings' optics (condenser, mountant, every slice
absorbing what the one before lets through), and by the fast model with all effects, with each one left out, and with
none. Prints a table: root mean square difference over planes, pixels and colours, by |z|, in per cent of full scale;
mean and standard deviation of what the reference itself changes with half of its source points stand below.
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import click
import numpy as np
import yaml

from tsva.acquisition.draws import rng
from tsva.optics.camera import Frame, frame_for, samples_per_pixel
from tsva.optics.imaging import image_specimen
from tsva.optics.multislice import image_multislice
from tsva.optics.otf import OtfTable
from tsva.optics.pupil import travel_per_depth
from tsva.optics.specimen import Specimen
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.root import parse_settings
from tsva.settings.simulate import SimulateSettings
from tsva.simulation.phantom import tissue as phantom

Z_UM = np.arange(-3.0, 3.1, 1.0)
REACH_UM = 4.0
WITHOUT: dict[str, dict[str, object]] = {
    "all effects": {},
    "depth as stage travel": {"mountant_index": None},
    "absorption adds": {"absorption": "adds"},
    "incoherent light": {"condenser_ratio": None},
    "none (eqs. 2 and 3)": {"mountant_index": None, "absorption": "adds", "condenser_ratio": None},
}
"""What the fast model leaves out, by the row's name."""


def specimen_of(
    kind: str, seed: int, simulate: SimulateSettings, optics: OpticsSettings, field_px: int
) -> tuple[tuple[Specimen, ...], Frame]:
    """Layers of a field of digital tissue, and its frame."""
    frame = frame_for((field_px, field_px), REACH_UM, optics.pixel_um, samples_per_pixel(optics))
    slabs, _ = phantom.layered_tissue(
        kind,
        "lab_a",
        shape=frame.fine_shape,
        pixel_um=frame.fine_um,
        rng=rng(seed, "physics", kind),
        layers=max(2, simulate.section_layers),
        detail=simulate.fine_detail,
    )
    return slabs, frame


@cache
def transfer(optics: OpticsSettings) -> OtfTable:
    """Transfer functions for every field; the mountant has no part in them."""
    return OtfTable(optics, 2 * REACH_UM)


def fast(
    slabs: tuple[Specimen, ...], frame: Frame, optics: OpticsSettings, spacing_um: float, without: dict[str, object]
) -> np.ndarray:
    """(Z, 3, Y, X) images of the fast model with effects left out."""
    left = {key: value for key, value in without.items() if key != "absorption"}
    optics = optics.model_copy(update=left)
    images = image_specimen(
        slabs,
        np.zeros(frame.fine_shape),
        Z_UM,
        lambda _: transfer(optics.model_copy(update={"mountant_index": None})),
        frame.grid,
        spacing_um=spacing_um,
        travel_per_depth=travel_per_depth(optics),
        absorption="adds" if "absorption" in without else "multiplies",
    )
    return _stack(images, frame)


def _stack(images, frame: Frame) -> np.ndarray:
    stack = np.empty((len(Z_UM), 3, *frame.field_px))
    for plane, channel, image in images:
        stack[plane, channel] = image[frame.rows, frame.columns]
    return stack


@click.command()
@click.option("--settings", "path", type=click.Path(exists=True, path_type=Path), default="config/config.yaml")
@click.option("--points", default=128, show_default=True, help="Source points of the reference.")
@click.option("--kinds", default="glandular,stromal,lymphoid", show_default=True)
@click.option("--field-px", default=96, show_default=True)
def main(path: Path, points: int, kinds: str, field_px: int) -> None:
    """Print the table."""
    settings = parse_settings(yaml.safe_load(path.read_text(encoding="utf-8")), str(path))
    optics, simulate = settings.optics, settings.simulate
    spacing_um = simulate.layer_spacing_um
    squares: dict[str, list[np.ndarray]] = {}
    seconds: dict[str, float] = {}
    for kind in kinds.split(","):
        slabs, frame = specimen_of(kind, settings.seed, simulate, optics, field_px)
        references = []
        for some in (points, points // 2):
            start = time.perf_counter()
            images = image_multislice(
                slabs, np.zeros(frame.fine_shape), Z_UM, optics, frame.grid, spacing_um=spacing_um, points=some
            )
            references.append(_stack(images, frame))
            seconds[f"multislice, {some} points"] = time.perf_counter() - start
        rows = {name: fast(slabs, frame, optics, spacing_um, without) for name, without in WITHOUT.items()}
        rows[f"reference with {points // 2} points"] = references[1]
        for name, image in rows.items():
            squares.setdefault(name, []).append(np.mean((image - references[0]) ** 2, axis=(1, 2, 3)))
    far = sorted({abs(z) for z in Z_UM})
    click.echo(
        "| fast model with | " + " | ".join(f"±{z:g} µm" for z in far) + " | all |\n" + "|---" * (len(far) + 2) + "|"
    )
    for name, each in squares.items():
        mean = np.mean(each, axis=0)
        cells = [100 * np.sqrt(mean[np.abs(Z_UM) == z].mean()) for z in far] + [100 * np.sqrt(mean.mean())]
        click.echo(f"| {name} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |")
    click.echo(f"\n{seconds} (s a field of {field_px} pixels, {len(Z_UM)} planes)")


if __name__ == "__main__":
    main()
