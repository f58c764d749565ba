"""A checkpoint holds the physics that its network was trained with; other physics are refused, never ignored."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch
from checkpoints import colour_checkpoint

from tsva.errors import UserError
from tsva.restoration.checkpoint import Checkpoint, fresh_network, load, save
from tsva.restoration.fusion import bands, correction, filters, network, offset
from tsva.restoration.pair_network import build
from tsva.settings.methods import NETWORK_NAMES
from tsva.settings.train import TrainSettings

SETTINGS = TrainSettings.model_validate(
    {"width": 2, "levels": 2, "crop_px": None, "fusion": {"width": 8, "depth": 1, "crop_px": 64, "batch": 4}}
)


def checkpoint(name: str = "fusion") -> Checkpoint:
    torch.manual_seed(0)
    return colour_checkpoint(name, SETTINGS)


@pytest.fixture(autouse=True)
def _tables_anew() -> None:
    filters._tables.cache_clear()


@pytest.mark.parametrize(
    ("module", "constant", "value", "named"),
    [
        (filters, "SLOPE", 2.0, r"filters\.SLOPE is 2\.6 \(here 2\.0\)"),
        (filters, "DEPTH_SD_UM", 0.5, r"filters\.DEPTH_SD_UM is 1\.0 \(here 0\.5\)"),
        (filters, "NODE_STEP_UM", 0.2, r"filters\.NODE_STEP_UM is 0\.25"),
        (filters, "TAPER_PX", 3, r"filters\.TAPER_PX is 6"),
        (bands, "STRIDE_PX", 32, r"bands\.STRIDE_PX is 40"),
        (offset, "LEAST_POWER", 1e-9, r"offset\.LEAST_POWER"),
        (correction, "TENTS", (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0), r"correction\.TENTS"),
        (network, "ERROR_GAIN", 4.0, r"network\.ERROR_GAIN is 8\.0 \(here 4\.0\)"),
    ],
)
def test_another_constant_is_refused_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, constant: str, value: object, named: str
) -> None:
    path, made = tmp_path / "model.ckpt", checkpoint()
    save(made, path)
    kind = made.plain()
    monkeypatch.setattr(module, constant, value)
    with pytest.raises(UserError, match=named):
        load(path)
    with pytest.raises(UserError, match=named):
        fresh_network(**kind)


def test_a_trained_network_keeps_its_own_shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, made = tmp_path / "model.ckpt", checkpoint()
    save(made, path)
    for module, constant in product((correction, network), ("MOST_WEIGHT", "HALF_SD")):
        monkeypatch.setattr(module, constant, (0.1, 0.2, 0.3, 0.4, 0.5))
    kept, fresh = (dict(one.named_buffers()) for one in (load(path).restored_network(), build("fusion", SETTINGS, 3)))
    for name in ("most", "doubt"):
        assert torch.equal(kept[name], made.weights[name]) and not torch.equal(kept[name], fresh[name])


@torch.inference_mode()
def test_a_network_from_before_offsets_were_doubted_gives_what_it_gave(tmp_path: Path) -> None:
    path, made = tmp_path / "model.ckpt", checkpoint()
    save(made, path)
    held = torch.load(path, weights_only=True)
    for later in ("doubt", "contradicted", "copies_sharper", "by_contrast"):
        del held["weights"][later]
    for later in ("HALF_SD", "CONTRAST_EXPONENT", "MOST_CONTRAST"):
        del held["constants"][f"correction.{later}"]
    torch.save(held, path)
    older = load(path).restored_network()
    assert isinstance(older, network.Fusion) and not older.copies_sharper
    shots = torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    decision = older.decide(*shots)
    once = older.with_error(*shots, decision)
    again = older.with_error(*shots, replace(decision, sd_um=9 * decision.sd_um))
    assert all(torch.equal(one, other) for one, other in zip(once, again, strict=True))


def test_a_constant_that_has_come_or_gone_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(checkpoint(), tmp_path / "model.ckpt")
    monkeypatch.setattr(filters, "WINDOW_SD_PX", 3.0, raising=False)
    with pytest.raises(UserError, match=r"filters\.WINDOW_SD_PX is missing \(here 3\.0\)"):
        load(tmp_path / "model.ckpt")


def test_another_computation_is_refused_and_a_rounding_reproduced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables come out otherwise where the code of the optics changes: constants alone would not show it."""
    path = tmp_path / "model.ckpt"
    save(checkpoint(), path)
    compute = filters._tables
    for change, refused in ((1e-3, True), (1e-8, False)):

        def other(*arguments: object, change: float = change) -> tuple[object, object]:
            tables, radius = compute(*arguments)
            return tables * (1 + change), radius

        monkeypatch.setattr(filters, "_tables", other)
        if refused:
            with pytest.raises(UserError, match=r"wiener\.tables"):
                load(path)
            continue
        stored = torch.load(path, weights_only=True)["computed"]["wiener.tables"]
        assert torch.equal(load(path).restored_network().wiener.tables, stored)


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_it_holds_version_format_and_physics(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.ckpt"
    save(checkpoint(name), path)
    held = torch.load(path, weights_only=True)
    assert held["format"] == 3 and held["tsva_version"]
    assert ("filters.SLOPE" in held["constants"]) == ("wiener.tables" in held["computed"]) == name.startswith("fusion")
    assert load(path).network == name


def test_the_older_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    save(checkpoint(), path)
    held = torch.load(path, weights_only=True)
    torch.save({**held, "format": 1}, path)
    with pytest.raises(UserError, match=r"format 1.*wanted format 3"):
        load(path)


@pytest.mark.parametrize("change", [{"constants": None}, {"computed": {"wiener.tables": 3}}])
def test_physics_that_are_none_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "model.ckpt"
    save(checkpoint(), path)
    torch.save({**torch.load(path, weights_only=True), **change}, path)
    with pytest.raises(UserError, match=r"model\.ckpt"):
        load(path)
