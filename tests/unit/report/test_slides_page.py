"""The page of restored slides, from the files of the slides' stage, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import NEEDED, opened_browser, opened_page
from click.testing import CliRunner
from PIL import Image

from tsva.cli.slides_page import command
from tsva.errors import UserError
from tsva.evaluation.names import percent
from tsva.settings.acquisition import OpticsSettings
from tsva.slides import trust_files
from tsva.slides.survey import Survey
from tsva.slides.trust import Verdict
from tsva.stage_files import write_table

SHAPE = (300, 500)
CELLS = (5, 8)


def survey() -> Survey:
    even = np.ones(CELLS, np.float32)
    offset_um = np.broadcast_to(np.linspace(-2, 2, CELLS[1]), CELLS).astype(np.float32)
    glass = np.zeros(CELLS, bool)
    glass[0] = True
    given = {
        "height": SHAPE[0],
        "width": SHAPE[1],
        "pixel_um": 0.345,
        "delta_um": 0.5,
        "optics": OpticsSettings(),
        "glass": glass,
        "level": np.repeat(even[..., None], 3, axis=2),
        "focal_offset_um": offset_um,
        "offset_known": ~glass,
        "shift_px": np.zeros((*CELLS, 2), np.float32),
        "misregistered": np.zeros(CELLS, bool),
        "brightness": np.ones(3),
        "noise": np.zeros((3, 2)),
        "white": np.ones(3),
        "black": np.zeros(3),
        "scale": 1.0,
        "delta_scale": 1.02,
    }
    maps = {"sharpness_low", "sharpness_high", "focal_offset_sd_um", "copy_rmse", "linear_rmse"}
    return Survey(**{n: given.get(n, even if n in maps else 0.0) for n in Survey.__dataclass_fields__})


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slides of a sheet; the second one's only file was damaged, and its name needs escaping."""
    folder = tmp_path_factory.mktemp("results") / "slides"
    one = folder / "A1" / "A1"
    measured = survey()
    verdict = np.where(measured.glass, Verdict.GLASS, Verdict.COPIED_GOOD).astype(np.uint8)
    verdict[2:4, 1:5] = Verdict.RESTORED
    trust_files.write(one, measured, {"verdict": verdict}, "A1")
    measured.save(one / "survey.npz")
    facts = {"file": "A1.ome.tif", "network": "fusion", "height_px": SHAPE[0], "width_px": SHAPE[1], "pixel_um": 0.345}
    strange = "the colours lie 4.7 standard deviations from those that the network was trained on (at most 3.5)"
    (one / "slide.json").write_text(json.dumps({**facts, "delta_um": 0.5, "unknown_colours": strange}))
    picture = np.random.default_rng(1).integers(0, 256, (*SHAPE, 3), np.uint8)
    for name in ("before", "after"):
        Image.fromarray(picture).save(one / f"{name}.png")
    write_table(folder / "A1" / "slides.tsv", pd.DataFrame([{"field": "A1", "file": "A1.ome.tif", "reason": ""}]))
    (folder / "B2").mkdir()
    failed = {"field": "B2 <b>", "file": "", "reason": "B2.tif: got 1 plane; wanted 2"}
    write_table(folder / "B2" / "slides.tsv", pd.DataFrame([failed]))
    return folder


@pytest.fixture(scope="module")
def page(slides: Path) -> Path:
    out = slides / "index.html"
    CliRunner().invoke(command, [str(slides / "A1"), str(slides / "B2"), "--out", str(out)], catch_exceptions=False)
    return out


def test_numbers_of_the_summary_and_what_failed_are_reported(slides: Path, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "B2.tif: got 1 plane; wanted 2" in text
    assert "<b>" not in text
    assert "No cell is believed: the colours lie 4.7 standard deviations" in text
    assert "times as far apart" not in text, "of a distance that seems right"
    summary = json.loads((slides / "A1/A1/summary.json").read_text())
    restored = next(row for row in summary["verdicts"] if row["verdict"] == "restored")
    assert f"{restored['cells']} cells" in text
    assert restored["cells"] == 8
    assert percent(restored["share_of_tissue"]) in text
    assert restored["colour"] in text


def test_a_folder_of_something_else_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"slide\.json: got no such file"):
        CliRunner().invoke(command, [str(tmp_path), "--out", str(tmp_path / "x.html")], catch_exceptions=False)
    assert not any(tmp_path.iterdir())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened_browser() as found:
        yield found


@NEEDED
def test_slider_and_linked_zoom_work_by_keyboard(browser: Any, page: Path) -> None:
    with opened_page(browser, page) as shown:
        shown.get_by_role("slider").focus()
        shown.keyboard.press("End")
        frame = shown.locator("div.frame")
        assert frame.evaluate("(e) => e.style.getPropertyValue('--cut')") == "100%"
        shown.get_by_role("button", name="Enlarge all pictures").focus()
        shown.keyboard.press("Enter")
        shown.locator("#viewer .panes").focus()
        shown.keyboard.press("+")
        zooms = shown.eval_on_selector_all("#viewer .pane img", "found => found.map((e) => e.style.transform)")
        assert len(zooms) == 4
        assert all("scale(1.5)" in one for one in zooms)
        sizes = shown.eval_on_selector_all("#viewer .pane img", "found => found.map((e) => e.naturalWidth)")
        assert sizes == [SHAPE[1]] * 4
        shown.keyboard.press("Escape")
        assert not shown.locator("#viewer").evaluate("(e) => e.open")


@NEEDED
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_it_is_no_wider_than_the_window(browser: Any, page: Path, width: int) -> None:
    with opened_page(browser, page, width=width) as shown:
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
