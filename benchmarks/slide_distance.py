"""How well the distance of two planes is estimated from their spectra, and how often a right one is called wrong.

Digital tissue is imaged at planes 1 µm apart, at several focal offsets; sharp pictures, if any are given, over bent
focal surfaces (`slide_simulation.py`; the picture of `slide_quality.py` must not be among them). The distance is
stated rightly, 1.2 times too small and 1.25 times too large, so that 1.0, 1.2 and 0.8 are to be found.

    python benchmarks/slide_distance.py --picture high.png=0.25 --simulated FOLDER
        --json docs/results/slide_distance.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from slide_simulation import bent, kept_slide, picture_of
from tqdm import tqdm

from tsva.acquisition.stack import Stack
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.sheet import SlideRow
from tsva.settings.simulate import MicroscopeSettings, SimulateSettings
from tsva.simulation.simulate import simulate_slide
from tsva.slides.surveyor import survey
from tsva.slides.two_planes import ArrayPlanes

TISSUES = ("glandular", "epithelial", "lymphoid", "stromal")
OFFSETS_UM = (-2.0, -1.0, 1.5, 2.5)
EDGE_PX, PICTURE_PX = 640, 1024
DELTA_UM, DISTANCES = 0.5, (1.0, 1.2, 0.8)
SEED = 23


def stack_of(tissue: str) -> Stack:
    """A z-stack of one field of digital tissue, 27 planes 0.5 µm apart."""
    settings = SimulateSettings(fields={"train": 1}, field_px=(EDGE_PX, EDGE_PX), draws=0)
    row = SlideRow(slide=tissue, patient=tissue, sample=tissue, role="train", source="simulated", tissue=tissue)
    (made,) = simulate_slide(row, settings, PairsSettings(), OpticsSettings(), seed=SEED)
    assert made.stack is not None
    return made.stack


def slides(pictures: list[str], simulated: Path | None) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Names, low and high planes, 1 µm apart."""
    for tissue in TISSUES:
        stack = stack_of(tissue)
        for offset_um in OFFSETS_UM:
            planes = [int(np.argmin(np.abs(stack.z_um - (offset_um + step)))) for step in (-DELTA_UM, DELTA_UM)]
            yield f"digital {tissue}, {offset_um:+g} µm", stack.planes[planes[0]], stack.planes[planes[1]]
    optics = OpticsSettings()
    for seed, each in enumerate(pictures):
        path, _, source_um = each.partition("=")
        picture = picture_of(Path(path), optics.pixel_um, float(source_um) if source_um else None)
        part = np.ascontiguousarray(picture[:PICTURE_PX, :PICTURE_PX])
        made = kept_slide(simulated, part, bent, optics, DELTA_UM, MicroscopeSettings(), SEED + seed)
        yield f"{Path(path).name}, bent surface", made.low, made.high


def main() -> None:
    """Measure, print and write."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--picture", action="append", default=[], help="FILE, or FILE=MICROMETRES A PIXEL")
    arguments.add_argument("--simulated", type=Path, help="folder that keeps simulated slides")
    arguments.add_argument("--json", type=Path)
    told = arguments.parse_args()
    rows = []
    for name, low, high in tqdm(slides(told.picture, told.simulated), unit="slide"):
        for distance in DISTANCES:
            planes = ArrayPlanes(low, high, OpticsSettings().pixel_um, DELTA_UM / distance)
            found = survey(planes, optics=OpticsSettings(), progress=False)
            known = bool(np.isfinite(found.delta_scale))
            rows.append(
                {
                    "slide": name,
                    "true": distance,
                    "found": round(found.delta_scale, 3) if known else None,
                    "sd": round(found.delta_scale_sd, 3) if known else None,
                    "called_wrong": found.distance_seems_wrong,
                }
            )
    called = {str(t): sum(bool(r["called_wrong"]) for r in rows if r["true"] == t) for t in DISTANCES}
    result = {"slides": len(rows) // len(DISTANCES), "called_wrong": called, "rows": rows}
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if told.json:
        told.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
