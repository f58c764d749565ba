"""Contact sheet of digital tissue: every kind in two stains, in focus through the nominal microscope.

python docs/pictures/tissue.py docs/pictures/tissue.jpg
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tsva.optics.camera import frame_for, samples_per_pixel
from tsva.optics.imaging import image_specimen
from tsva.optics.otf import OtfTable
from tsva.settings.acquisition import OpticsSettings
from tsva.simulation.phantom.tissue import KINDS, tissue

FIELD_PX = 440
STAINS = ("lab_a", "lab_b")
BLUR_UM = 6.0
SPACING_UM = 0.5


def in_focus(kind: str, stain: str, seed: int) -> np.ndarray:
    """(Y, X, 3) uint8 picture of a field on a flat focal surface, without noise."""
    optics = OpticsSettings()
    frame = frame_for((FIELD_PX, FIELD_PX), BLUR_UM, optics.pixel_um, samples_per_pixel(optics))
    specimen, _ = tissue(kind, stain, shape=frame.fine_shape, pixel_um=frame.fine_um, rng=np.random.default_rng(seed))
    images = image_specimen(
        specimen,
        np.zeros(frame.fine_shape),
        np.zeros(1),
        lambda reach: OtfTable(optics, reach),
        frame.grid,
        spacing_um=SPACING_UM,
    )
    light = np.stack([image[frame.rows, frame.columns] for _, _, image in images], axis=2)  # one plane, three colours
    return np.rint(np.clip(light, 0, 1) * 250).astype(np.uint8)


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seed", default=7, show_default=True)
@click.option("--quality", default=80, show_default=True)
def main(path: Path, seed: int, quality: int) -> None:
    """Draw the sheet to PATH."""
    head_px = 22
    sheet = Image.new("RGB", (len(KINDS) * FIELD_PX, len(STAINS) * (FIELD_PX + head_px)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=16)
    for row, stain in enumerate(STAINS):
        for column, kind in enumerate(KINDS):
            left, top = column * FIELD_PX, row * (FIELD_PX + head_px)
            pen.text((left + 6, top + 2), f"{kind}, {stain}", fill="black", font=font)
            sheet.paste(Image.fromarray(in_focus(kind, stain, seed + column)), (left, top + head_px))
    sheet.save(path, quality=quality)


if __name__ == "__main__":
    main()
