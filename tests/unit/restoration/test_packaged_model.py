"""The network that comes with the package: it is there, it is the one of its card, and it restores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tsva
from tsva.acquisition.pair import Pair, y1_of
from tsva.evaluation.scoring import psnr_db
from tsva.restoration import packaged_model as packaged
from tsva.restoration.checkpoint import load
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.sheet import SlideRow
from tsva.settings.simulate import SimulateSettings
from tsva.simulation.simulate import simulate_slide

MOST_BYTES = 300_000
OPTICS = OpticsSettings(model="debye", mountant_index=1.52, condenser_ratio=0.7)


@pytest.mark.parametrize("use", ["pairs", "slides"])
def test_each_file_is_small_and_is_the_cards(use: packaged.Use) -> None:
    path, card = packaged.packaged_model(use), packaged.card(use)
    held = load(path)
    assert path.stat().st_size <= MOST_BYTES
    assert (held.network, held.pixel_um, held.delta_um) == (card["network"], card["pixel_um"], card["delta_um"])
    assert held.data == card["data"] and card["scores"]


def test_another_file_in_its_place_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "card", lambda _: {"sha256": "0" * 64})
    with pytest.raises(tsva.UserError, match="SHA-256"):
        packaged.packaged_model()


@pytest.fixture(scope="module")
def field() -> tuple[np.ndarray, np.ndarray]:
    """Planes and the in-focus image without noise of a field that nothing was trained on."""
    row = SlideRow.model_validate(
        {"slide": "X", "patient": "P", "sample": "S", "role": "train", "source": "simulated", "tissue": "glandular"}
    )
    settings = SimulateSettings.model_validate(
        {
            "field_px": (224, 224),
            "z_first_um": -3.5,
            "z_last_um": 3.5,
            "fields": {"train": 1},
            "draws": {"train": 0},
            "topography": {"field_sd_um": 0, "tilt_sd_um_per_mm": 0, "waviness_sd_um": 0},
            "section_layers": 3,
            "fine_detail": 1.0,
        }
    )
    (found,) = simulate_slide(row, settings, PairsSettings(), OPTICS, seed=12345)
    assert found.stack is not None and found.clean is not None
    middle = int(np.argmin(np.abs(found.stack.z_um - found.focus_z_um)))
    clean = int(np.argmin(np.abs(found.clean.z_um - found.stack.z_um[middle])))
    return found.stack.planes[middle - 3 : middle + 4], found.clean.planes[clean]


def test_it_restores_two_shots_right_after_set_up(field: tuple[np.ndarray, np.ndarray]) -> None:
    planes, target = field
    model = tsva.load_model()
    pairs = [Pair(planes[3 + n - 1], planes[3 + n + 1], 0.5, OPTICS) for n in (-2, 0, 2)]
    restored = tsva.refocus(model, pairs).images
    before = np.stack([np.rint(255 * y1_of(pair)).astype(np.uint8) for pair in pairs])
    gain_db = psnr_db(restored, np.broadcast_to(target, restored.shape)) - psnr_db(
        before, np.broadcast_to(target, before.shape)
    )
    assert gain_db.min() > 0 and gain_db.mean() > 1


@pytest.mark.parametrize(("key", "value"), [("na", 0.4), ("condenser_ratio", None), ("mountant_index", None)])
def test_other_optics_are_warned_of(field: tuple[np.ndarray, np.ndarray], key: str, value: float | None) -> None:
    planes, _ = field
    optics = OPTICS.model_copy(update={key: value})
    with pytest.warns(UserWarning, match=f"{key} is .*trained on"):
        tsva.refocus(tsva.load_model(), Pair(planes[2], planes[4], 0.5, optics))


def test_other_pixels_and_shots_are_refused(field: tuple[np.ndarray, np.ndarray]) -> None:
    planes, _ = field
    with pytest.raises(tsva.UserError, match="pixels of"):
        tsva.refocus(tsva.load_model(), Pair(planes[2], planes[4], 0.5, OPTICS.model_copy(update={"pixel_um": 0.5})))
    with pytest.raises(tsva.UserError, match="shots at"):
        tsva.refocus(tsva.load_model(), Pair(planes[1], planes[5], 1.0, OPTICS))


def test_its_file_lies_in_the_package() -> None:
    assert packaged.packaged_model().parent == Path(tsva.__file__).parent / "restoration" / "models"
