"""A miniature results folder, consistent from stage to stage, and the report made of it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from filelock import FileLock
from scipy.ndimage import gaussian_filter
from settings_file import settings_option

from tsva.cli.evaluate import command as evaluate
from tsva.cli.report import command as render
from tsva.settings.acquisition import PairsSettings
from tsva.settings.methods import NETWORK_NAMES
from tsva.stage_files import write_table

PAIRS = PairsSettings(patch_px=32)
FIELDS = 3


@dataclass(frozen=True)
class World:
    """What the miniature is to contain.

    `remaining` is the share of Y1's error that a method leaves, by method; without `nuclei`, tables of counts have none
    that were found by their stain. Methods named in `sampled` restored the first patch of each slide alone, and
    failed at −3 µm; those in `knowing` say which offset they found, and how large they take their error to be.
    """

    remaining: dict[str, float] = field(default_factory=lambda: {"tsva": 0.5, "unet": 0.7})
    datasets: tuple[str, ...] = ("dataset1", "dataset2")
    slides: int = 3
    patches: int = 2
    simulated: bool = True
    nuclei: bool = True
    slide_name: str = "{dataset}_slide{number}"
    sampled: tuple[str, ...] = ()
    knowing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table of the page: its class, and its rows as (attributes of row and group, texts of the cells)."""

    kind: str
    dataset: str
    caption: str
    rows: list[tuple[dict[str, str], list[str]]]

    def of(self, **attributes: str) -> list[list[str]]:
        """Cells of the body's rows that have these attributes."""
        return [cells for found, cells in self.rows if attributes.items() <= found.items()]


@dataclass(frozen=True)
class Report:
    """What the commands wrote: `page` is index.html, `inputs` the page on the slides."""

    page: str
    inputs: str
    summary: dict[str, Any]
    results: Path

    @property
    def tables(self) -> list[Table]:
        reader = _Tables()
        reader.feed(self.page + self.inputs)
        return reader.tables

    def table(self, kind: str, dataset: str = "") -> Table:
        """The one table of this class (and data set)."""
        (found,) = (table for table in self.tables if (table.kind, table.dataset) == (kind, dataset))
        return found


class _Tables(HTMLParser):
    """Reads the tables of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[Table] = []
        self._group: dict[str, str] = {}
        self._text: list[str] | None = None
        self._caption: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key.removeprefix("data-"): value or "" for key, value in attrs if key.startswith("data-")}
        if tag == "table":
            self.tables.append(Table((dict(attrs)["class"] or "").split()[0], found.get("dataset", ""), "", []))
        elif tag in ("thead", "tbody"):
            self._group = found | {"part": tag}
        elif tag == "tr":
            self.tables[-1].rows.append((self._group | found | {"class": dict(attrs).get("class") or ""}, []))
        elif tag in ("td", "th"):
            self._text = []
        elif tag == "caption":
            self._caption = []

    def handle_data(self, data: str) -> None:
        for text in (self._text, self._caption):
            if text is not None:
                text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._text is not None:
            self.tables[-1].rows[-1][1].append(" ".join(" ".join(self._text).split()))
            self._text = None
        elif tag == "caption" and self._caption is not None:
            self.tables[-1] = replace(self.tables[-1], caption=" ".join("".join(self._caption).split()))
            self._caption = None


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Callable[..., Report]:
    """Make a miniature and its report; equal miniatures are made once, for all processes of the test run."""
    place = tmp_path_factory.getbasetemp()
    place = (place.parent if hasattr(request.config, "workerinput") else place) / "reports"
    made: dict[str, Report] = {}

    def make(sheet: str = "", **facts: Any) -> Report:
        world, key = World(**facts), hashlib.sha256(f"{World(**facts)} {sheet}".encode()).hexdigest()[:16]
        if key not in made:
            results = place / key / "results"
            results.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(place / f"{key}.lock"):
                if not (place / f"{key}.done").exists():
                    shutil.rmtree(results, ignore_errors=True)
                    write_results(results, world)
                    (results / "slides.tsv").write_text(sheet)
                    run(results, world, *(["--sheet", str(results / "slides.tsv")] if sheet else []))
                    (place / f"{key}.done").touch()
            made[key] = read(results)
        return made[key]

    return make


def run(results: Path, world: World, *more: str) -> None:
    """Call both commands on a results folder."""
    arguments = settings_option(
        report={"examples": 3},
        pairs=PAIRS.model_dump(mode="json"),
        train={"recipe": "miniature"},
        run={"tsva_version": "0.0"},
    )
    arguments += ["--seed", "1", "--results", str(results)]
    arguments += [word for name in world.datasets for word in ("--dataset", name)]
    arguments += [word for name in ("y1", *world.remaining) for word in ("--method", name)]
    evaluation = str(results / "evaluate" / "report")
    CliRunner().invoke(evaluate, [*arguments, *more, "--out", evaluation], catch_exceptions=False)
    pages = ["--evaluation", evaluation, "--out", str(results / "report")]
    CliRunner().invoke(render, pages, catch_exceptions=False)


def read(results: Path) -> Report:
    """What the commands wrote."""
    page, inputs = ((results / "report" / f"{name}.html").read_text(encoding="utf-8") for name in ("index", "inputs"))
    summary = json.loads((results / "report" / "summary.json").read_text(encoding="utf-8"), parse_constant=_refuse)
    return Report(page, inputs, summary, results)


def _refuse(word: str) -> None:
    raise AssertionError(f"summary.json holds {word}")


def write_results(results: Path, world: World) -> None:
    """Write what the stages before the report write."""
    rng = np.random.default_rng(3)
    for dataset in world.datasets:
        tables = [_slide(results, world, dataset, number, rng) for number in range(world.slides)]
        table = pd.concat(tables, ignore_index=True).assign(split="test")
        write_table(results / "pairs" / f"{dataset}.tsv", table)
        for method in ("y1", *world.remaining):
            _method(results, world, dataset, method, table)
    for network in world.remaining.keys() & {*NETWORK_NAMES}:
        _training(results / "train" / network, network)
    slide = world.slide_name.format(dataset="dataset1", number=0)
    excluded = [(slide, "dataset1", "f2", None, None, "3 % of the field is tissue; 5 % are wanted")]
    excluded += [(slide, "dataset1", "f0", 0, column, "blank: <no tissue>") for column in (3, 4)]
    table = pd.DataFrame(excluded, columns=["slide", "role", "field", "row", "column", "reason"])
    (results / "pairs").mkdir(exist_ok=True, parents=True)
    write_table(results / "pairs" / "excluded.tsv", table.astype({"row": "Int64", "column": "Int64"}))


def _slide(results: Path, world: World, dataset: str, number: int, rng: np.random.Generator) -> pd.DataFrame:
    """One slide's ingest, focus and pairs; returns its patch table."""
    name = world.slide_name.format(dataset=dataset, number=number)
    for stage in ("ingest", "focus", "pairs"):
        (results / stage / name).mkdir(parents=True)
    names = [f"f{index}" for index in range(FIELDS)]
    taken = pd.DataFrame({"slide": name, "field": names, "reason": ""})
    taken["brightness_spread"], taken["brightness_matched"] = np.linspace(0.001, 0.003, FIELDS), 0
    write_table(results / "ingest" / name / "fields.tsv", taken)
    offsets = [np.nan, *rng.normal(0, 0.8, FIELDS - 1)]
    verdicts = ["ok", "ok", "blank"] if number == 0 and dataset == "dataset1" else ["ok"] * FIELDS
    fields = pd.DataFrame(
        {"slide": name, "field": names, "verdict": verdicts, "reason": "", "focal_offset_um": offsets}
    )
    fields["max_shift_px"] = rng.uniform(0, 1.5, FIELDS)
    write_table(results / "focus" / name / "fields.tsv", fields)
    facts = {"initial_focal_position_um": 0.5, "fields": FIELDS, "usable": FIELDS, "assumed_sd_um": 1.0}
    facts |= {
        "focal_offset_mean_um": float(np.nanmean(offsets)),
        "focal_offset_sd_um": float(np.nanstd(offsets, ddof=1)),
    }
    (results / "focus" / name / "summary.json").write_text(json.dumps(facts))

    stacks, clean = zip(*(_stack(rng) for _ in range(world.patches)), strict=True)
    np.save(results / "pairs" / name / "patches.npy", np.stack(stacks))
    if world.simulated:
        np.save(results / "pairs" / name / "clean.npy", np.stack(clean))
        _surface(results / "simulate" / name, PAIRS.patch_px * world.patches, number)
    rows = {
        "index": range(world.patches),
        "sample": f"Sample{number + 1}",
        "patient": f"p-{name}",
        "slide": name,
        "role": dataset,
        "field": "f0",
        "row": 0,
        "column": range(world.patches),
        "y_px": 0,
        "x_px": np.arange(world.patches) * PAIRS.patch_px,
        "pixel_um": 0.345,
        "channels": 3,
        "focus_z_um": 0.0,
        "focus_plane": 7,
        "own_focus_plane": 7,
        "own_focus_z_um": 0.0,
        "target_plane": 7,
        "target_z_um": 0.0,
        "target_offset_um": 0.0,
        "focal_offset_um": rng.choice(PAIRS.offsets_um, world.patches),
        "array": f"pairs/{name}/patches.npy",
        "has_clean": int(world.simulated),
        "draws": 2 * int(world.simulated),
    }
    return pd.DataFrame(rows)


def _surface(folder: Path, width: int, number: int) -> None:
    """The true focal surface of the slide's first field: a slope along x from `number` upwards by 1 µm."""
    (folder / "truth").mkdir(parents=True)
    slope = np.tile(number + np.linspace(0, 1, width, dtype=np.float32), (PAIRS.patch_px, 1))
    np.save(folder / "truth" / "f0_surface.npy", slope)
    facts = {"field": ["f0", "f1"], "surface_file": ["truth/f0_surface.npy", ""]}
    write_table(folder / "fields.tsv", pd.DataFrame(facts))


def _stack(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Planes of noise blurred more the farther they are from focus, with camera noise; and the noise-free target."""
    edge = PAIRS.patch_px
    sharp = gaussian_filter(rng.normal(size=(edge, edge, 3)), (1, 1, 0)) * 90 + 150
    z = np.arange(-PAIRS.reach_planes, PAIRS.reach_planes + 1) * PAIRS.z_step_um
    planes = [gaussian_filter(sharp, (0.1 + 0.7 * abs(depth), 0.1 + 0.7 * abs(depth), 0)) for depth in z]
    noisy = np.stack(planes) + rng.normal(0, 1.5, (len(z), edge, edge, 3))
    return noisy.clip(0, 255).round().astype(np.uint8), planes[PAIRS.reach_planes].clip(0, 255).round().astype(np.uint8)


def _method(results: Path, world: World, dataset: str, method: str, table: pd.DataFrame) -> None:
    """Restored patches that keep a share of Y1's error, and their true scores."""
    folder = results / "refocus" / dataset / method
    folder.mkdir(parents=True)
    (results / "count" / dataset).mkdir(parents=True, exist_ok=True)
    share = world.remaining.get(method, 1.0)
    restored = np.empty((len(table), len(PAIRS.offsets_um), PAIRS.patch_px, PAIRS.patch_px, 3), np.uint8)
    scores, counts = [], []
    for patch, row in enumerate(table.itertuples()):
        stack = np.load(results / row.array)[row.index]
        clean = np.load((results / row.array).with_name("clean.npy"))[row.index] if world.simulated else None
        target = stack[PAIRS.reach_planes]
        for place, focal_offset_um in enumerate(PAIRS.offsets_um):
            # the patch's own bit of luck lets intervals have a width
            image = _restore(
                stack, focal_offset_um, share * (1 + 0.05 * np.sin(9 * patch + place)) if method != "y1" else 1
            )
            restored[patch, place] = image
            common = {"patch": patch, "slide": row.slide, "sample": row.sample, "focal_offset_um": focal_offset_um}
            for name, against in (("captured", target), ("clean", clean)):
                if against is not None:
                    facts = {"protocol": "grid", "draw": None, "target": name, "seconds": 0.01}
                    scores.append({**common, **facts, **_score(image, against)})
            counts.append({**common, "count_restored": 5 + place % 2, "count_truth": 5, "true_nuclei": 6})
            if world.nuclei:
                counts[-1] |= _nuclei(share, place, patch, world.simulated)
        for draw, focal_offset_um in enumerate((-1.23, 0.71) if clean is not None else ()):
            image = _restore(stack, round(focal_offset_um * 2) / 2, 0.9 * share)
            common = {"patch": patch, "slide": row.slide, "sample": row.sample, "focal_offset_um": focal_offset_um}
            for name, against in (("captured", target), ("clean", clean)):
                facts = {"protocol": "continuous", "draw": draw, "target": name, "seconds": 0.01}
                scores.append({**common, **facts, **_score(image, against)})
    np.save(folder / "restored.npy", restored)
    frame = pd.DataFrame(scores).astype({"draw": "Int64"}).assign(failure="")
    if method in world.sampled:
        kept = (frame["patch"] % world.patches == 0) & (frame["protocol"] == "grid")
        frame = frame[kept].assign(
            psnr_shifted_db=frame["psnr_db"] + 0.5,
            failure=frame["focal_offset_um"].map(
                lambda focal_offset_um: "the kernel <collapsed>" if focal_offset_um == -3 else ""
            ),
        )
        counts = [row for row in counts if row["patch"] % world.patches == 0]
    if method in world.knowing:
        frame = frame.assign(
            estimated_focal_offset_um=frame["focal_offset_um"] + 0.1,
            estimated_focal_offset_sd_um=0.2,
            predicted_rmse=10 ** (-frame["psnr_db"] / 20),
        )
    write_table(folder / "scores.tsv", frame)
    areas = pd.DataFrame(counts).assign(area_restored_px=100.0, area_truth_px=101.0)
    write_table(results / "count" / dataset / f"{method}.tsv", areas)


def _nuclei(share: float, place: int, patch: int, simulated: bool) -> dict[str, int | None]:
    """Twenty nuclei in focus, of which defocus loses more than two, less where a method leaves less of the error."""
    lost = round(share * (2 + abs(place - 6) + patch % 2))
    facts: dict[str, int | None] = {"nuclei_restored": 20 - lost, "nuclei_truth": 20, "nuclei_matched": 19 - lost}
    true = {"real_restored": 18 - lost, "real_truth": 18, "found_restored": 5 - lost // 3, "found_truth": 5}
    return {**facts, **(true if simulated else dict.fromkeys(true))}


def _restore(stack: np.ndarray, focal_offset_um: float, share: float) -> np.ndarray:
    """The sharper shot with `share` of its error."""
    planes = [
        PAIRS.reach_planes + round((focal_offset_um + side) / PAIRS.z_step_um)
        for side in (-PAIRS.delta_um, PAIRS.delta_um)
    ]
    y1 = stack[min(planes, key=lambda plane: abs(plane - PAIRS.reach_planes))].astype(float)
    target = stack[PAIRS.reach_planes].astype(float)
    bias = 0 if share == 1 else 1
    return np.asarray((target + share * (y1 - target) + bias).clip(0, 255).round(), np.uint8)


def _score(image: np.ndarray, target: np.ndarray) -> dict[str, Any]:
    error = np.mean((image.astype(float) - target) ** 2)
    psnr = None if error == 0 else 10 * np.log10(255**2 / error)
    return {"psnr_db": psnr, "ssim": 1 / (1 + error / 100), "identical": int(error == 0)}


def _training(folder: Path, network: str) -> None:
    folder.mkdir(parents=True)
    facts = {
        "network": network,
        "parameters": 1234567,
        "multiply_accumulates_224": 7130000000,
        "training_patches": 9,
        "verification_patches": 3,
        "steps": 40,
        "best_step": 30,
    }
    facts |= {"verification_psnr_db": 33.21, "verification_y1_psnr_db": 30.0, "seconds": 12.5}
    (folder / "summary.json").write_text(json.dumps(facts))
    steps = range(0, 50, 10)
    log = {"step": steps, "epoch": 0, "training_loss": [None, 0.1, 0.05, 0.03, 0.02], "verification_loss": 0.01}
    log |= {"verification_psnr_db": [30, 31, 32, 33.21, 33.1], "verification_y1_psnr_db": 30.0}
    pd.DataFrame(log).assign(learning_rate=1e-3, seconds=1.0).to_csv(folder / "log.csv", index=False)
