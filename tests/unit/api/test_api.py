"""What ``import tsva`` offers: docs/api.md as it stands, and what it refuses."""

from __future__ import annotations

import ast
import doctest
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints import colour_checkpoint
from scipy.ndimage import gaussian_filter

import tsva
from tsva.readers.stack_file import write_stack
from tsva.restoration.checkpoint import save
from tsva.settings.train import TrainSettings

PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack that is sharpest in its middle plane, and a TSVA that returns the sharper shot."""
    folder = tmp_path_factory.mktemp("api")
    random = np.random.default_rng(1)
    specimen = random.uniform(40, 230, (96, 128, 3))
    z_um = np.arange(-10, 11) * 0.5
    planes = [
        gaussian_filter(specimen, (0.7 + abs(z), 0.7 + abs(z), 0)) + random.normal(0, 1, specimen.shape) for z in z_um
    ]
    write_stack(folder / "stack.ome.tif", tsva.Stack(np.clip(planes, 0, 255).astype(np.uint8), z_um, 0.345))
    save(colour_checkpoint("tsva", TrainSettings(width=2, levels=2)), folder / "model.ckpt")
    return folder


def test_the_documents_examples_hold(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    failed, tried = doctest.testfile(str(PROJECT / "docs/api.md"), module_relative=False)
    assert tried > 10 and not failed


def test_the_import_loads_nothing() -> None:
    code = "import sys, tsva; print([name for name in ('numpy', 'torch', 'pandas', 'pydantic') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)
    assert done.stdout.strip() == "[]"


def test_types_are_given_of_all_names() -> None:
    tree = ast.parse((PROJECT / "tsva/__init__.pyi").read_text(encoding="utf-8"))
    typed = {alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == set(tsva.__all__) <= set(dir(tsva))
    for name in tsva.__all__:
        assert getattr(tsva, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'focus_pocus'"):
        tsva.focus_pocus  # noqa: B018


def test_a_pair_alone_and_the_same_of_a_stack(folder: Path) -> None:
    stack, model = tsva.open_stack(folder / "stack.ome.tif"), tsva.load_model(folder / "model.ckpt", tile_px=32)
    pair = tsva.make_pairs(stack, 10, offset_max_um=1.0)[-1]
    one = tsva.refocus(model, pair).images[0]
    np.testing.assert_array_equal(one, tsva.refocus(model, stack, focal_position_um=1.0).images[0])
    two = tsva.Stack(np.stack([pair.low, pair.high]), np.array([7.0, 8.0]), 0.345)
    np.testing.assert_array_equal(one, tsva.refocus(model, two).images[0])
    same = tsva.score(one, one)
    assert np.isnan(same.psnr_db[0]) and same.ssim[0] == pytest.approx(1)


def test_what_does_not_fit_is_refused(folder: Path) -> None:
    stack, model = tsva.open_stack(folder / "stack.ome.tif"), tsva.load_model(folder / "model.ckpt")
    with pytest.raises(tsva.UserError, match=r"pixels of 0\.5 µm; wanted pixels of 0\.345 µm"):
        tsva.refocus(model, replace(stack, pixel_um=0.5))
    with pytest.raises(tsva.UserError, match=r"grey \(1 channel\); wanted colour"):
        tsva.refocus(model, replace(stack, planes=stack.planes[..., :1]))
    with pytest.raises(tsva.UserError, match=r"shots at ∓1 µm"):
        tsva.refocus(model, tsva.make_pairs(stack, 10, delta_um=1.0))
    with pytest.raises(tsva.UserError, match="none; wanted at least one"):
        tsva.refocus(model, [])
    pair = tsva.make_pairs(stack, 10)[0]
    with pytest.raises(tsva.UserError, match="shots of several sizes"):
        tsva.refocus(model, [pair, replace(pair, low=pair.low[:32], high=pair.high[:32])])
    with pytest.raises(tsva.UserError, match=r"4 planes on the shorter side of plane 4; wanted 7"):
        tsva.make_pairs(stack, 4)
    with pytest.raises(tsva.UserError, match=r"whole number of z_step_um"):
        tsva.make_pairs(stack, 10, delta_um=0.7)
    with pytest.raises(tsva.UserError, match="not evenly spaced"):
        tsva.make_pairs(replace(stack, z_um=stack.z_um + 0.2 * (stack.z_um == 5)), 10)
    with pytest.raises(tsva.UserError, match=r"no single field 'other'; wanted one of stack"):
        tsva.open_stack(folder / "stack.ome.tif", "other")
    with pytest.raises(tsva.UserError, match="no such file"):
        tsva.load_model(folder / "nothing.ckpt")
    with pytest.raises(ValueError, match="the target is"):
        tsva.score(stack.planes, stack.planes[0, :32])
