"""tsva first-look: pictures of a slide and of a method while the run goes on."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from tsva.atomic import fresh_file
from tsva.cli.stage_settings import settings_option
from tsva.report.first_look import PICTURE_PX, difference, mosaic, page, shown_places
from tsva.settings.acquisition import PairsSettings
from tsva.stage_files import read_array, read_table

QUALITY = 90
REPORT = "../report/index.html"
SHOWN = 0
"""Place of the patch among the slide's: the first is in the test set, however few of a field's are."""


@click.command()
@settings_option(pairs=PairsSettings)
@click.option("--slide", required=True, help="Whose patches are shown.")
@click.option("--results", type=click.Path(path_type=Path), required=True, help="The folder results/ of the run.")
@click.option("--method", help="Write this method's picture; without, the page and the shots.")
@click.option("--dataset", help="Test set of the slide, with --method.")
@click.option("--methods", default="", help="Methods whose pictures will come, separated by commas.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of index.html and pictures.")
def command(
    pairs: PairsSettings, slide: str, results: Path, method: str | None, dataset: str | None, methods: str, out: Path
) -> None:
    """Write the page of first pictures, or the picture of one method."""
    stacks = read_array(results / f"pairs/{slide}/patches.npy")
    if not len(stacks):
        # the report says why; pictures are no reason to fail a run
        with fresh_file(out / (f"{method}.jpg" if method else "shots.jpg")) as path:
            mosaic([[np.full((PICTURE_PX, PICTURE_PX, 3), 255, np.uint8)]]).save(path, quality=QUALITY)
        if not method:
            with fresh_file(out / "index.html") as path:
                path.write_text(page(f"{slide} (no usable patches)", [], pairs.delta_um, [], REPORT), encoding="utf-8")
        return
    places = shown_places(pairs.offsets_um)
    middle, stack = pairs.reach_planes, stacks[SHOWN]
    if method is None:
        rows = []
        for place in places:
            parked = middle + round(pairs.offsets_um[place] / pairs.z_step_um)
            rows.append([stack[parked - pairs.delta_planes], stack[parked + pairs.delta_planes], stack[middle]])
        with fresh_file(out / "shots.jpg") as path:
            mosaic(rows).save(path, quality=QUALITY)
        shown = [pairs.offsets_um[place] for place in places]
        text = page(slide, shown, pairs.delta_um, [name for name in methods.split(",") if name], REPORT)
        with fresh_file(out / "index.html") as path:
            path.write_text(text, encoding="utf-8")
        return
    table = read_table(results / f"pairs/{dataset}.tsv")
    number = int(table.index[(table["slide"] == slide) & (table["index"] == SHOWN)][0])
    restored = read_array(results / f"refocus/{dataset}/{method}/restored.npy")[number]
    rows = [[restored[place], difference(restored[place], stack[middle])] for place in places]
    with fresh_file(out / f"{method}.jpg") as path:
        mosaic(rows).save(path, quality=QUALITY)
