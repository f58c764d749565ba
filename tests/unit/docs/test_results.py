"""Numbers of README.md and docs/results/default.md are those of docs/results/default.json."""

from __future__ import annotations

import importlib.util
import json
import re
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[3]
FIX = "python benchmarks/results_table.py --write"


def loaded(name: str) -> ModuleType:
    """A program of benchmarks/."""
    found = importlib.util.spec_from_file_location(name, ROOT / f"benchmarks/{name}.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")  # what they share
        found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return loaded("results_table")


def test_pages_print_the_stored_results(script: ModuleType) -> None:
    results = json.loads(script.KEPT.read_text(encoding="utf-8"))
    readme = script.README.read_text(encoding="utf-8")
    assert script.with_results(readme, results) == readme, FIX
    assert script.in_page(results) == script.PAGE.read_text(encoding="utf-8"), FIX


def test_page_of_many_slides_prints_the_stored_results(script: ModuleType) -> None:
    results = json.loads(script.MANY.read_text(encoding="utf-8"))
    page = script.MANY_PAGE.read_text(encoding="utf-8")
    assert script.in_page_of_many(results) == page, "python benchmarks/results_table.py SUMMARY --write-many"
    assert {row["slides"] for row in results["rows"]} == {21}


def test_readme_has_no_result_outside_its_table(script: ModuleType) -> None:
    readme = script.README.read_text(encoding="utf-8")
    before, _, rest = readme.partition(script.START)
    prose = before + rest.partition(script.END)[2]
    assert not re.findall(r"[+−-]\d+\.\d+|\d+ %(?! intervals)|\d+(?:\.\d+)? dB(?! below)", prose)
    assert len(readme.splitlines()) <= 120


def test_what_is_kept_of_a_summary(script: ModuleType) -> None:
    names = {"y1_matched": "Brightness", "fusion": "Fusion"}
    row = {"baseline": "y1", "sample": None, "dataset": "dataset1", "slides": 3, "patches": 12}
    gains = {"difference_db": 1.23456, "low_db": 1.0, "high_db": 1.5, "share_worse": 0.25, "mean_loss_db": 0.5}
    average = {"protocol": "continuous", "target": "clean", "focal_offset_um": None}
    at_two_um = {"protocol": "folded", "target": "captured", "focal_offset_um": 2.0, "difference_db": 3.0}
    rows = [row | gains | average | {"method": method} for method in names]
    rows.append(row | gains | at_two_um | {"method": "fusion"})
    rows.append(rows[1] | {"sample": "Skin", "difference_db": 9.0})
    methods = [{"dataset": "dataset1", "method": method, "name": name} for method, name in names.items()]
    results = script.kept({"comparisons": rows, "methods": methods}) | {"minutes_on_two_cores": 7}
    (kept,) = results["rows"]
    assert kept["gain_db"]["continuous, noise-free"] == [1.23456, 1.0, 1.5]
    assert kept["gain_by_offset_db"]["2"] == 3.0
    assert "| Dataset 1 | Fusion | +1.23 (+1.00 to +1.50) | 25 % | 3 | 12 |" in script.in_readme(results)
    text = f"takes about 99 minutes on two cores\n{script.START}old\n{script.END}end\n"
    assert script.with_results(text, results).startswith("takes about 7 minutes on two cores\n")
    with pytest.raises(ValueError, match="wants the lines"):
        script.with_results("no table", results)


@pytest.mark.parametrize("name", ["seeds", "second_shot"])
def test_pages_of_seeds_print_the_stored_results(name: str) -> None:
    page = (ROOT / f"docs/results/{name}.md").read_text(encoding="utf-8")
    made = json.loads((ROOT / f"docs/results/{name}.json").read_text(encoding="utf-8"))
    assert loaded("seeds").with_tables(page, made) == page


def test_networks_of_several_seeds_are_trained_for_the_optics_of_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = loaded("seeds")
    monkeypatch.setattr(seeds.subprocess, "run", lambda *_, **__: None)
    options = Namespace(results=tmp_path, trained=tmp_path / "trained", train={})
    seeds._train("fusion", 1, options)
    written = json.loads((tmp_path / "trained/settings.json").read_text(encoding="utf-8"))
    assert written["optics"] == yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))["optics"]
