"""Small z-stacks for the tutorials, in the forms in which a facility's scanners leave them.

    python docs/tutorials/make_stacks.py FOLDER

Digital tissue through the project's microscope model, one field a slide: OME-TIFF of slides `A1` to `A4` (training),
`B1` (test), `C1` and `D1` (to be refocused), and a folder of PNG planes without a pixel size (`B2`, test).
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from tsva.acquisition.stack import Stack
from tsva.readers.stack_file import write_stack
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.sheet import SlideRow
from tsva.settings.simulate import SimulateSettings
from tsva.simulation.simulate import simulate_slide

TISSUES = {
    "A1": "glandular",
    "A2": "epithelial",
    "A3": "stromal",
    "A4": "glandular",
    "B1": "epithelial",
    "B2": "glandular",
    "C1": "epithelial",
    "D1": "stromal",
}
AS_PICTURES = "B2"
"""A folder of one picture a plane; nothing in it states the pixel size."""


def make_stacks(slide: str, tissue: str, fields: int = 1, seed: int = 7, edge_px: int = 448) -> list[Stack]:
    """Z-stacks of a digital slide.

    Parameters
    ----------
    slide : str
        Its name, which the draws depend on.
    tissue : str
        Kind of tissue.
    fields : int
    seed : int
    edge_px : int
        Height and width of a field.

    Returns
    -------
    list of Stack
        27 planes each, 0.5 µm apart, 0.345 µm a pixel.
    """
    settings = SimulateSettings(fields={"train": fields}, field_px=(edge_px, edge_px), draws=0)
    row = SlideRow(slide=slide, patient=slide, sample=tissue, role="train", source="simulated", tissue=tissue)
    made = simulate_slide(row, settings, PairsSettings(), OpticsSettings(), seed=seed)
    return [field.stack for field in made if field.stack is not None]


def main() -> None:
    """Write all stacks into a folder."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for slide, tissue in tqdm(TISSUES.items(), desc="slides"):
        (stack,) = make_stacks(slide, tissue)
        if slide == AS_PICTURES:
            (folder / slide).mkdir(exist_ok=True)
            for plane, z_um in zip(stack.planes, stack.z_um, strict=True):
                Image.fromarray(plane).save(folder / slide / f"z{z_um:g}um.png")
        else:
            write_stack(folder / f"{slide}.ome.tif", stack)


if __name__ == "__main__":
    main()
