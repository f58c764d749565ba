"""Which distance of shots: the simulation, and the best δ of curves whose best δ is known."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from pydantic import ValidationError
from scipy.special import ndtr
from settings_file import settings_option

from tsva.acquisition.spectrum import signal_table
from tsva.cli.advise import command
from tsva.evaluation.advise import METHODS, Bench, best, curves, in_focus, measure
from tsva.report.plots import drawing
from tsva.report.run_figures import psnr_by_delta
from tsva.restoration.baselines.plane import Signal
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.evaluation import AdviseSettings
from tsva.settings.restoration import BaselineSettings
from tsva.settings.simulate import MicroscopeSettings
from tsva.stage_files import read_table

SMALL = AdviseSettings(
    deltas_um=(0.25, 0.75, 1.5), tissues=("glandular", "muscle"), specimens=2, offsets=2, field_px=64
)


def bench(settings: AdviseSettings = SMALL, sd_um: float = 1.0) -> Bench:
    return Bench(OpticsSettings(bandwidth_um=0), MicroscopeSettings(), BaselineSettings(), settings, sd_um, seed=3)


@pytest.fixture(scope="module")
def signal() -> Signal:
    return Signal.of_table(signal_table(in_focus(bench()), OpticsSettings().pixel_um))


def test_offsets_lie_one_in_each_part_of_the_gaussian() -> None:
    many = bench(AdviseSettings(offsets=50), sd_um=0.7)
    parts = np.floor(ndtr(many.offsets_um(4) / 0.7) * 50)
    np.testing.assert_array_equal(parts, np.arange(50))
    assert not np.array_equal(many.offsets_um(4), many.offsets_um(5))


def test_a_specimen_depends_on_its_number_alone(signal: Signal) -> None:
    other = bench(SMALL.model_copy(update={"specimens": 7}))
    pd.testing.assert_frame_equal(measure(bench(), signal, 1), measure(other, signal, 1))


def test_every_offset_and_distance_has_a_row(signal: Signal) -> None:
    table = measure(bench(), signal, 1)
    assert list(table["delta_um"]) == [0, 0.25, 0.75, 1.5] * 2 and set(table["tissue"]) == {"muscle"}
    single = table["delta_um"] == 0
    assert table.loc[single, ["wiener_two_shot", "wiener_blind"]].isna().all(axis=None)
    assert np.isfinite(table.loc[~single, list(METHODS)]).all(axis=None)


def test_the_sharper_shot_far_out_is_the_nearer_one() -> None:
    """With F far above focus, the sharper shot at δ = 1.5 is less blurred than the one at δ = 0.25."""
    far = bench(SMALL.model_copy(update={"offsets": 1}), sd_um=1e-6)
    at_focus = measure(far, Signal(np.array([0.01, 2.0]), np.full((3, 2), 1e-6)), 0).set_index("delta_um")
    # with F in focus, on the other hand, every step away loses, and one shot at F is best
    assert at_focus["sharper_shot"].is_monotonic_decreasing


def table_of(curve: dict[float, float], specimens: int = 6, scatter: float = 0.0) -> pd.DataFrame:
    level = np.random.default_rng(1).normal(size=(specimens, 2))
    rows = []
    for number, (height, slope) in enumerate(level):
        for delta_um, psnr in curve.items():
            one = psnr + height + scatter * slope * delta_um
            rows.append((number, 0.0, delta_um, one, 30 + height))
    return pd.DataFrame(rows, columns=["specimen", "focal_offset_um", "delta_um", "one", "wiener_one_shot"])


def test_the_vertex_of_a_parabola_is_found_whatever_the_specimens_levels() -> None:
    deltas = (0.25, 0.5, 0.75, 1.0, 1.5)
    table = table_of({delta: 40 - 3 * (delta - 0.83) ** 2 for delta in deltas})
    found = best(table, "one", seed=1)
    assert found["delta_um"] == pytest.approx(0.83) and not found["at_end"]
    # specimens differ in level alone, which moves no vertex
    assert found["low_um"] == pytest.approx(0.83) and found["high_um"] == pytest.approx(0.83)


def test_specimens_that_differ_in_their_best_distance_widen_its_interval() -> None:
    deltas = (0.25, 0.5, 0.75, 1.0, 1.5)
    found = best(table_of({delta: 40 - 3 * (delta - 0.83) ** 2 for delta in deltas}, scatter=1.0), "one", seed=1)
    assert found["low_um"] < found["delta_um"] < found["high_um"]


def test_a_curve_that_still_rises_says_so() -> None:
    found = best(table_of({0.25: 30, 0.5: 31, 0.75: 32}), "one", seed=1)
    assert found["at_end"] and found["delta_um"] == 0.75


def test_gains_are_over_one_shot_at_f_and_paired() -> None:
    found = curves(table_of({0.0: 30.0, 0.5: 33.0}), ("one",)).set_index("delta_um")
    np.testing.assert_allclose(
        found.loc[0.5, ["gain_over_one_shot_db", "gain_low_db", "gain_high_db"]].astype(float), 3
    )
    assert found.loc[0.5, "low_db"] < found.loc[0.5, "psnr_db"] < found.loc[0.5, "high_db"]


def test_distances_rise() -> None:
    with pytest.raises(ValidationError, match="rising"):
        AdviseSettings(deltas_um=(0.5, 0.25, 1.0))


def test_the_command_writes_what_the_figure_reads(tmp_path) -> None:
    arguments = [
        *settings_option(advise=SMALL.model_dump(mode="json"), optics={"bandwidth_um": 0.0}),
        "--seed",
        "1",
        "--out",
        str(tmp_path / "advise"),
    ]
    CliRunner().invoke(command, arguments, catch_exceptions=False)
    found = read_table(tmp_path / "advise/delta.tsv")
    summary = json.loads((tmp_path / "advise/summary.json").read_text(encoding="utf-8"))
    assert set(found["method"]) == set(METHODS) == set(summary["best"])
    assert len(read_table(tmp_path / "advise/patches.tsv")) == 2 * 2 * 4
    drawn = drawing(psnr_by_delta({**summary, "curves": found.to_dict("records")})).element
    assert drawn.startswith("<svg") and "n estimated" in drawn


def test_layers_and_mountant_are_those_of_the_settings(signal: Signal) -> None:
    """Depth in the mountant is another stage travel: pictures out of focus differ."""
    optics = OpticsSettings(bandwidth_um=0, model="debye", condenser_ratio=0.7)
    far = SMALL.model_copy(update={"specimens": 2, "offsets": 1})
    psnr = {}
    for index in (None, 1.52):
        in_medium = optics.model_copy(update={"mountant_index": index})
        one = Bench(
            in_medium, MicroscopeSettings(), BaselineSettings(), far, 1e-6, 3, section_layers=3, fine_detail=1.0
        )
        psnr[index] = measure(one, signal, 0).set_index("delta_um").loc[0.75, "sharper_shot"]
    assert psnr[1.52] != psnr[None]
