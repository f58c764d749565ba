"""Scan times against closed forms: moves, grids, limits, and the command's table, file and figure."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tsva.cli.commands import cli
from tsva.errors import UserError
from tsva.evaluation import scan_plan
from tsva.evaluation.scan_plan import grid, map_time, move_s, plan, positions_um, stack_time, two_shot_time
from tsva.settings.evaluation import ScanSettings

ROOT = Path(__file__).parents[3]
SIZES = st.floats(1e-3, 1e3)
INSTANT = {"stage_speed_mm_per_s": 1e12, "stage_acceleration_mm_per_s2": 1e24, "stage_settle_ms": 0.0}
INSTANT |= {"z_speed_mm_per_s": 1e12, "z_acceleration_mm_per_s2": 1e24, "z_settle_ms": 0.0}


def travelled(seconds: float, speed: float, acceleration: float) -> float:
    """Way of a move that takes so long, by summing its velocity over small steps of time."""
    t = np.linspace(0, seconds, 200_001)
    velocity = np.minimum(speed, acceleration * np.minimum(t, seconds - t))
    return float(np.trapezoid(velocity, t))


@pytest.mark.parametrize("distance", [0.001, 0.5, 2.0, 2.1, 40.0])
def test_a_move_of_the_time_given_covers_the_distance(distance: float) -> None:
    assert travelled(move_s(distance, 20, 200), 20, 200) == pytest.approx(distance, rel=1e-6)


@given(SIZES, SIZES, SIZES)
def test_moves_have_their_closed_forms(distance: float, speed: float, acceleration: float) -> None:
    found = move_s(distance, speed, acceleration)
    assert found == move_s(-distance, speed, acceleration)
    # never faster than either limit alone, never slower than both one after the other
    assert found >= max(distance / speed, 2 * math.sqrt(distance / acceleration)) * (1 - 1e-12)
    assert found <= (distance / speed + 2 * math.sqrt(distance / acceleration)) * (1 + 1e-12)


@given(SIZES, SIZES)
def test_triangle_and_trapezium_meet(speed: float, acceleration: float) -> None:
    edge = speed**2 / acceleration
    assert move_s(edge, speed, acceleration) == pytest.approx(2 * speed / acceleration)
    assert move_s(edge * (1 + 1e-9), speed, acceleration) == pytest.approx(2 * speed / acceleration, rel=1e-6)


def test_no_move_takes_no_time() -> None:
    assert move_s(0.0, 20, 200) == 0


def test_the_grid_covers_the_area_and_no_more() -> None:
    scan = ScanSettings()
    columns, rows = grid(scan)
    (width, height), (x, y) = scan.tile_um, scan_plan.step_um(scan)
    assert (columns - 1) * x + width >= scan.area_width_mm * 1000 > (columns - 2) * x + width
    assert (rows - 1) * y + height >= scan.area_height_mm * 1000 > (rows - 2) * y + height
    one = ScanSettings(area_width_mm=0.1, area_height_mm=0.1)
    assert grid(one) == (1, 1)
    exact = ScanSettings(
        tile_width_px=1000, tile_height_px=500, pixel_um=1, overlap=0, area_width_mm=5, area_height_mm=5
    )
    assert grid(exact) == (5, 10)


def test_the_way_visits_every_tile_once_in_steps_of_one() -> None:
    scan = ScanSettings(area_width_mm=3, area_height_mm=2)
    stops = list(positions_um(scan))
    assert len(stops) == len(set(stops)) == math.prod(grid(scan))
    x, y = scan_plan.step_um(scan)
    for (x0, y0), (x1, y1) in pairwise(stops):
        assert (round(abs(x1 - x0) / x, 6), round(abs(y1 - y0) / y, 6)) in ((1, 0), (0, 1))
    assert list(positions_um(scan, 4)) == stops[::4]


def test_shots_are_those_of_the_paper() -> None:
    scan = ScanSettings()
    tiles = math.prod(grid(scan))
    stack, focus_map, two = plan(scan)
    assert stack.shots == 21 * tiles  # "N + 1 times image shooting", N = 20
    assert two.shots == 2 * tiles + 20
    assert focus_map.shots == tiles + 20 * math.ceil(tiles / scan.map_every)
    assert {time.tiles for time in (stack, focus_map, two)} == {tiles}


def test_without_inertia_only_shots_count() -> None:
    scan = ScanSettings(**INSTANT, compute_s_per_mp=0)
    for time in plan(scan):
        assert time.settling_s == 0
        assert time.moving_s < 1e-6 * time.exposing_s
        assert time.scanner_min * 60 == pytest.approx(time.shots * 0.025)
    stack, _, two = plan(scan)
    tiles = stack.tiles
    assert two.scanner_min / stack.scanner_min == pytest.approx((2 * tiles + 20) / (21 * tiles))


def test_a_shot_takes_its_exposure_and_its_reading_out() -> None:
    scan = ScanSettings(**INSTANT, exposure_ms=12, readout_ms=3, compute_s_per_mp=0)
    for time in plan(scan):
        assert time.exposing_s == pytest.approx(time.shots * 0.015)


def test_one_tile_by_hand() -> None:
    """20 planes, 0.5 µm apart: every step of the focus drive is a triangle, 2 √(d/a)."""
    scan = ScanSettings(area_width_mm=0.1, area_height_mm=0.1)
    step, half = 2 * math.sqrt(0.0005 / 20), 2 * math.sqrt(0.00475 / 20)
    (time,) = [stack_time(scan)]
    assert time.moving_s == pytest.approx(half + 19 * step + half)
    assert time.settling_s == pytest.approx(21 * 0.020)
    assert time.exposing_s == pytest.approx(21 * 0.025)
    two = two_shot_time(scan)
    to_shot, between = 2 * math.sqrt(0.00525 / 20), 2 * math.sqrt(0.001 / 20)
    assert two.moving_s == pytest.approx(half + 19 * step + to_shot + between)
    assert two.settling_s == pytest.approx(22 * 0.020)
    assert two.computing_s == pytest.approx(1224 * 1024 / 1e6 * 0.21)


def test_axes_move_together_and_the_later_one_is_waited_for() -> None:
    scan = ScanSettings(area_width_mm=0.7, area_height_mm=0.1, stage_settle_ms=0.0, planes=3)
    assert grid(scan) == (2, 1)
    across = move_s(scan_plan.step_um(scan)[0] / 1000, 20, 200)
    follow = move_s(0.001, 1, 20)
    assert across > follow + 0.020
    slow = map_time(scan, 2)
    none = map_time(scan.model_copy(update={"focus_change_um": 0.0}), 2)
    assert slow.scanner_min == pytest.approx(none.scanner_min)
    far = map_time(scan.model_copy(update={"focus_change_um": 50.0}), 2)
    assert (far.scanner_min - slow.scanner_min) * 60 == pytest.approx(move_s(0.05, 1, 20) + 0.020 - across)


def test_a_coarser_map_takes_less_time_down_to_one_stack() -> None:
    scan = ScanSettings(area_width_mm=5, area_height_mm=5)
    minutes = [map_time(scan, k).scanner_min for k in (1, 2, 4, 8, 16, 10_000)]
    assert minutes == sorted(minutes, reverse=True)
    tiles = math.prod(grid(scan))
    assert map_time(scan, 10_000).shots == tiles + 20
    assert map_time(scan, 1).scanner_min > stack_time(scan).scanner_min  # a second way over the slide


def test_restoring_beside_the_scan_and_after_it() -> None:
    fast, slow = (two_shot_time(ScanSettings(compute_s_per_mp=s)) for s in (0.01, 10.0))
    assert fast.beside_min == pytest.approx(fast.scanner_min + fast.computing_s / 60 / fast.tiles)
    assert slow.beside_min == pytest.approx(slow.computing_s / 60 * (1 + 1 / slow.tiles))
    assert slow.after_min == pytest.approx(slow.scanner_min + slow.computing_s / 60)
    halved = two_shot_time(ScanSettings(compute_s_per_mp=10.0, workers=2))
    assert halved.computing_s == pytest.approx(slow.computing_s / 2)


def test_the_default_computing_time_is_the_measured_one() -> None:
    measured = json.loads((ROOT / "docs/results/fusion.json").read_text())["seconds_a_patch"]["fusion"]
    assert ScanSettings().compute_s_per_mp == pytest.approx(measured / (224 * 224 / 1e6), rel=0.01)


def test_a_stack_has_to_span_the_two_shots() -> None:
    ScanSettings(planes=3, z_step_um=0.5, delta_um=0.5)
    with pytest.raises(ValidationError, match=r"delta_um is 0.5; wanted at most .* 0.25"):
        ScanSettings(planes=2, z_step_um=0.5, delta_um=0.5)


def test_the_command_prints_writes_and_draws(tmp_path: Path) -> None:
    wanted = ["--json", str(tmp_path / "scan.json"), "--figure", str(tmp_path / "scan.svg"), "--map-every", "25"]
    result = CliRunner().invoke(cli, ["plan-scan", *wanted], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    held = json.loads((tmp_path / "scan.json").read_text())
    assert held["settings"]["map_every"] == 25
    times = plan(ScanSettings(map_every=25))
    for time, row in zip(times, held["schemes"], strict=True):
        assert row["scanner_min"] == pytest.approx(time.scanner_min)
        (line,) = [line for line in result.output.splitlines() if line.startswith(time.scheme)]
        assert f"{time.scanner_min:.1f} min" in line
        assert str(time.shots) in line
    drawn = "".join(ElementTree.fromstring((tmp_path / "scan.svg").read_text()).itertext())
    assert all(time.scheme in drawn for time in times)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scan.json", "scan.svg"]


def test_a_wrong_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--overlap: got 1.0") as told:
        CliRunner().invoke(cli, ["plan-scan", "--overlap", "1"], catch_exceptions=False)
    assert told.value.wanted == "less than 0.9"
    with pytest.raises(UserError, match=r"--delta-um: got 9.0"):
        CliRunner().invoke(cli, ["plan-scan", "--delta-um", "9"], catch_exceptions=False)
    with pytest.raises(UserError, match=r"--figure: .*\.gif"):
        CliRunner().invoke(cli, ["plan-scan", "--figure", str(tmp_path / "x.gif")], catch_exceptions=False)
    with pytest.raises(UserError, match=r"got \d{6,} tiles; wanted at most 500000"):
        CliRunner().invoke(cli, ["plan-scan", "--tile-width-px", "1", "--tile-height-px", "1"], catch_exceptions=False)
    assert not list(tmp_path.iterdir())


def test_the_example_of_the_docs_is_what_the_command_prints() -> None:
    page = (ROOT / "docs/scan_time.md").read_text(encoding="utf-8")
    result = CliRunner().invoke(cli, ["plan-scan"], catch_exceptions=False)
    assert result.output.strip() in page


def test_the_command_needs_no_torch() -> None:
    code = "import sys, tsva.cli.plan_scan; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
