"""A report over 200 slides: how large it is, and how long a browser takes to open it.

    python benchmarks/report_scale.py results --slides 200

The slides are those of a finished run, repeated under new names with one patch each. The pages are made by
`tsva evaluate` and `tsva report`, and opened in Chromium five times in turn with the run's own report.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from tsva.stage_files import read_table, write_table

METHODS = ("y1", "wiener_two_shot", "tsva", "fusion")
OPENINGS = 5
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="results of a finished run")
    parser.add_argument("--slides", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="where the pages stay")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        large = Path(name) / "results"
        repeat(arguments.results.resolve(), large, arguments.slides)
        seconds = {stage: made(large, stage, arguments.results.resolve()) for stage in ("evaluate", "report")}
        page = large / "report" / "index.html"
        opened = openings({"own": arguments.results / "report" / "index.html", "large": page})
        if arguments.keep:
            shutil.copytree(large / "report", arguments.keep)
        facts = {
            "slides": arguments.slides,
            "megabytes": round(page.stat().st_size / 1e6, 1),
            "inputs_megabytes": round((large / "report" / "inputs.html").stat().st_size / 1e6, 1),
            "evaluate_s": round(seconds["evaluate"], 1),
            "render_s": round(seconds["report"], 1),
            "opens_in_s": round(opened["large"], 2),
            "own_opens_in_s": round(opened["own"], 2),
            "ratio": round(opened["large"] / opened["own"], 2),
        }
        json.dump(facts, sys.stdout, indent=2)


def repeat(source: Path, target: Path, slides: int) -> None:
    """A results folder with so many test slides, of which files are linked and tables renamed."""
    target.mkdir()
    for stage in ("advise", "train"):
        (target / stage).symlink_to(source / stage)
    (target / "pairs").mkdir()
    for name in ("train.tsv", "excluded.tsv"):
        shutil.copy(source / "pairs" / name, target / "pairs" / name)
    for row in read_table(source / "pairs" / "train.tsv").drop_duplicates("slide")["slide"]:
        for stage in ("ingest", "focus", "pairs", "simulate"):
            (target / stage).mkdir(exist_ok=True)
            (target / stage / row).symlink_to(source / stage / row)
    for dataset in ("dataset1", "dataset2"):
        repeat_dataset(source, target, dataset, slides // 2)


def repeat_dataset(source: Path, target: Path, dataset: str, slides: int) -> None:
    """The first patch of each slide, again and again."""
    table = read_table(source / "pairs" / f"{dataset}.tsv")
    first = table.drop_duplicates("slide")
    chosen = [int(first.index[number % len(first)]) for number in range(slides)]
    names = [f"{table.at[patch, 'slide']}-{number:03d}" for number, patch in enumerate(chosen)]
    for name, patch in zip(names, chosen, strict=True):
        for stage in ("ingest", "focus", "pairs", "simulate"):
            link(source / stage / table.at[patch, "slide"], target / stage / name, name)
    patches = table.loc[chosen].reset_index(drop=True)
    patches["slide"], patches["patient"] = names, names
    patches["array"] = [f"pairs/{name}/patches.npy" for name in names]
    write_table(target / "pairs" / f"{dataset}.tsv", patches)
    for method in METHODS:
        folder = target / "refocus" / dataset / method
        folder.mkdir(parents=True)
        images = np.load(source / "refocus" / dataset / method / "restored.npy", mmap_mode="r")
        out = np.lib.format.open_memmap(
            folder / "restored.npy", mode="w+", dtype=np.uint8, shape=(slides, *images.shape[1:])
        )
        for number, patch in enumerate(chosen):
            out[number] = images[patch]
        for kind, path in (("refocus", f"{dataset}/{method}/scores.tsv"), ("count", f"{dataset}/{method}.tsv")):
            (target / kind / path).parent.mkdir(parents=True, exist_ok=True)
            rows = read_table(source / kind / path)
            write_table(target / kind / path, repeated_rows(rows, chosen, names))


def repeated_rows(rows: pd.DataFrame, chosen: list[int], names: list[str]) -> pd.DataFrame:
    """The rows of the chosen patches, numbered and named anew."""
    by_patch = dict(iter(rows.groupby("patch")))
    return pd.concat(
        [
            by_patch[patch].assign(patch=number, slide=name)
            for number, (patch, name) in enumerate(zip(chosen, names, strict=True))
        ],
        ignore_index=True,
    )


def link(source: Path, target: Path, name: str) -> None:
    """A slide's folder of one stage: tables copied with the new name, all else linked."""
    target.mkdir(parents=True)
    for path in source.iterdir():
        if path.suffix == ".tsv":
            rows = read_table(path)
            write_table(target / path.name, rows.assign(slide=name) if "slide" in rows else rows)
        else:
            (target / path.name).symlink_to(path)


def made(results: Path, stage: str, source: Path) -> float:
    """Seconds that a command takes, run as by hand."""
    folder = results / "evaluate" / "report"
    words = ["--evaluation", str(folder), "--out", str(results / "report")]
    if stage == "evaluate":
        words = ["--seed", "1", "--results", str(results), "--out", str(folder)]
        words += ["--dataset", "dataset1", "--dataset", "dataset2"]
        words += [word for method in METHODS for word in ("--method", method)]
        found = sorted(
            (source.parent / ".snakemake" / "tsva" / "settings").glob("evaluate-*.json"), key=os.path.getmtime
        )
        words += ["--settings", str(found[-1])] if found else []
    began = time.perf_counter()
    subprocess.run([Path(sys.executable).with_name("tsva"), stage, *words], check=True)
    return time.perf_counter() - began


def openings(pages: dict[str, Path]) -> dict[str, float]:
    """Median seconds until each page's load event, opened in turn."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    found: dict[str, list[float]] = {name: [] for name in pages}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(OPENINGS):
            for name, file in pages.items():
                page = browser.new_page()
                page.goto(file.resolve().as_uri())
                found[name].append(page.evaluate(LOADED) / 1000)
                page.close()
        browser.close()
    return {name: statistics.median(values) for name, values in found.items()}


if __name__ == "__main__":
    main()
