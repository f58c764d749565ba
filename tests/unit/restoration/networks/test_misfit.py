"""How far spectra are from those of the training pairs, and what follows for the weight of Fusion's images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tsva.restoration.checkpoint import Checkpoint, load, save
from tsva.restoration.fusion import lessons
from tsva.restoration.fusion.bands import FREQUENCIES
from tsva.restoration.fusion.microscopes import Microscopes, Seen
from tsva.restoration.fusion.misfit import MOST_MISFIT, SpectralMisfit, unknown
from tsva.restoration.fusion.network import Fusion
from tsva.restoration.pair_network import build
from tsva.restoration.refocus import restore
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.train import TrainSettings

OPTICS, DELTA_UM, FEATURES = OpticsSettings(), 0.5, 12


def normal(count: int, features: int = FEATURES, seed: int = 0) -> Tensor:
    """Features that depend on one another."""
    random = torch.Generator().manual_seed(seed)
    mixed = torch.randn(features, features, generator=torch.Generator().manual_seed(99))
    return torch.randn(count, features, generator=random) @ mixed


def offsets(count: int, seed: int = 5) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed))


def fitted(count: int = 4000) -> SpectralMisfit:
    found = SpectralMisfit(FEATURES, DELTA_UM)
    found.fit(normal(count) + offsets(count).abs()[:, None], offsets(count))
    return found


def test_training_pairs_and_others_alike_have_a_misfit_of_one_in_the_mean() -> None:
    found = fitted()
    misfit = found(normal(4000) + offsets(4000).abs()[:, None], offsets(4000))
    assert float(misfit.mean()) == pytest.approx(1, rel=1e-4)
    unseen = found(normal(4000, seed=1) + offsets(4000, 6).abs()[:, None], offsets(4000, 6))
    assert float(unseen.mean()) == pytest.approx(1, rel=0.05)
    # the expected square of the distance: 1, and the displacement's own
    moved = torch.full((FEATURES,), 0.7)
    of_move = ((moved @ found.whitening).square()).mean()
    farther = found(normal(4000, seed=1) + offsets(4000, 6).abs()[:, None] + moved, offsets(4000, 6))
    assert float(farther.mean() - unseen.mean()) == pytest.approx(float(of_move), rel=0.1)


def test_few_training_pairs_make_a_finite_misfit() -> None:
    found = SpectralMisfit(FEATURES, DELTA_UM)
    found.fit(normal(3), offsets(3))
    assert torch.isfinite(found(normal(50, seed=2), offsets(50))).all()
    found.fit(torch.ones(3, FEATURES), torch.zeros(3))
    assert torch.isfinite(found.whitening).all()


def test_limits_are_lifted_by_half_at_the_given_misfit_and_never_before_a_fit() -> None:
    found = fitted()
    misfit = torch.tensor([0.0, 1.0, MOST_MISFIT / 2, MOST_MISFIT, 2 * MOST_MISFIT, 1e4])
    share = found.share(misfit)
    torch.testing.assert_close(share[2:5], torch.tensor([8 / 9, 1 / 2, 1 / 9]))
    assert (share.diff() <= 0).all() and share[0] == 1 and share[-1] < 1e-6
    assert (SpectralMisfit(FEATURES, DELTA_UM).share(misfit) == 0).all()


def test_limits_are_lifted_as_far_as_verification_pairs_allow() -> None:
    found = fitted()
    best, good, harmed = (torch.tensor(row) for row in ([1.0, 2.0, 3.0], [0.2, 0.3, 0.4], [0.0, -0.05, -1.0]))
    found.choose_lift(torch.stack([best] * 18 + [good]))
    assert found.limits[2] == 1
    found.choose_lift(torch.stack([best] * 19 + [harmed]))  # one in twenty may be made worse
    assert found.limits[2] == 1
    found.choose_lift(torch.stack([best] * 18 + [harmed] * 2))
    assert found.limits[2] == 0.5
    torch.testing.assert_close(found.share(torch.tensor([0.0, MOST_MISFIT])), torch.tensor([0.5, 0.25]))
    found.choose_lift(torch.stack([best] * 8 + [harmed - 0.06] * 2))
    assert found.limits[2] == 0
    # what limits do not prevent is no reason for them
    found.choose_lift(torch.stack([best] * 8 + [harmed - 0.2] * 2))
    assert found.limits[2] == 1


@pytest.fixture(scope="module")
def taught() -> tuple[Fusion, Microscopes]:
    """Fusion that knows the nominal microscope's spectra, and that microscope with two others."""
    torch.manual_seed(0)
    network = build("fusion", TrainSettings(), 3, OPTICS, DELTA_UM)
    assert isinstance(network, Fusion)
    others = [(OPTICS, 0.0, 1.0), (OPTICS.model_copy(update={"na": 0.8 * OPTICS.na}), 0.0, 1.0), (OPTICS, 0.05, 1.0)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Microscopes, "draw", lambda *_: others)
        seen = Microscopes(OPTICS, DELTA_UM, 3, len(others), np.random.default_rng(1))
    estimated = offsets(2000)
    spectra = shown(seen.nominal(estimated), seed=3)
    network.offset.standardise(spectra)
    network.misfit.fit(*network.offset.nearer_first(spectra, estimated))
    return network.eval(), seen


def shown(seen: Seen, seed: int) -> Tensor:
    """Spectra of sections of varied power and slope, with noise, their bands scattered by a tenth."""
    random = torch.Generator().manual_seed(seed)
    count = len(seen.low)
    frequency = torch.tensor(FREQUENCIES)
    slope = 2.6 + 0.2 * torch.randn(count, 1, 1, generator=random)
    signal = 1e-5 * frequency**-slope * torch.exp(0.3 * torch.randn(count, 1, 1, generator=random))
    scatter = torch.exp(0.1 * torch.randn(2, *seen.low.shape, generator=random))
    low, high = signal * seen.low * scatter[0], signal * seen.high * scatter[1]
    common = seen.coherence * (low * high).sqrt()
    return torch.stack([low + 2e-5, high + 2e-5, common], dim=2).flatten(1)


@torch.no_grad()
def test_another_aperture_and_an_aberration_raise_the_misfit(taught: tuple[Fusion, Microscopes]) -> None:
    network, seen = taught
    at_um = offsets(500, 8)
    nominal, *others = (
        network.misfit(*network.offset.nearer_first(shown(seen._at(torch.full((500,), which), at_um), 4), at_um))
        for which in range(3)
    )
    assert float(nominal.median()) == pytest.approx(1, abs=0.25)
    for other in others:
        assert other.median() > 2 * nominal.median()
        assert network.misfit.share(other).median() < network.misfit.share(nominal).median()


@torch.no_grad()
def test_the_order_of_the_shots_changes_nothing(taught: tuple[Fusion, Microscopes]) -> None:
    network, seen = taught
    at_um = offsets(100, 9)
    spectra = shown(seen.nominal(at_um), 5)
    there = network.misfit(*network.offset.nearer_first(spectra, at_um))
    back = network.misfit(*network.offset.nearer_first(network.offset.exchanged(spectra), -at_um))
    torch.testing.assert_close(there, back)


def shots(size: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    sharp = (0.6 + 0.05 * torch.randn(1, 3, size, size, generator=random)).clamp(0, 1)
    return sharp, torch.nn.functional.avg_pool2d(sharp, 3, 1, 1, count_include_pad=False)


@torch.no_grad()
def test_an_image_of_little_misfit_has_the_weight_of_its_expected_errors(
    taught: tuple[Fusion, Microscopes],
) -> None:
    network, (low, high) = taught[0], shots(96)
    network.error.calibration.copy_(torch.tensor([0.1, 1.0]))  # a large gain is expected
    decision = replace(network.decide(low, high), sd_um=torch.tensor([0.5]))
    restored, copy, *_ = network.unblended(low, high, decision)
    by_share = [
        network.with_error(low, high, replace(decision, lifted=torch.tensor([share])))[0] for share in (0.0, 0.5, 1.0)
    ]
    limited = network.with_error(low, high, replace(decision, lifted=None))[0]
    assert torch.equal(by_share[0], limited) and (limited - restored).abs().max() > 0.01
    torch.testing.assert_close(by_share[2], restored, rtol=0, atol=1e-5)
    torch.testing.assert_close(by_share[1], (by_share[0] + by_share[2]) / 2, rtol=0, atol=1e-6)
    assert (by_share[2] - copy).abs().max() > 0.01
    network.error.calibration.fill_(1)


@torch.no_grad()
def test_tiles_have_the_share_of_their_image(taught: tuple[Fusion, Microscopes]) -> None:
    network, (low, high) = taught[0], shots(320)
    whole, tiled = (restore(network, low, high, tile_px=edge) for edge in (10_000, 96))
    torch.testing.assert_close(tiled[0], whole[0], rtol=1e-3, atol=2e-5)
    decision = network.decide(low, high)
    assert decision.lifted is not None and decision.lifted.shape == (1,)
    assert torch.equal(decision.tile(slice(0, 96), slice(0, 96)).lifted, decision.lifted)


@torch.no_grad()
def test_a_network_of_before_restores_what_it_restored(taught: tuple[Fusion, Microscopes], tmp_path: Path) -> None:
    network, (low, high) = taught[0], shots(96)
    settings, optics = (kind().model_dump(mode="json") for kind in (TrainSettings, OpticsSettings))
    later = ("misfit.", "factors_lifted")
    weights = {name: value for name, value in network.state_dict().items() if not name.startswith(later)}
    older = Checkpoint("fusion", settings, 3, 0.345, DELTA_UM, 3.0, optics, step=7, seed=1, data="abc", weights=weights)
    save(older, tmp_path / "model.ckpt")
    held = torch.load(tmp_path / "model.ckpt", weights_only=True)["constants"]
    assert not any("misfit" in name.lower() or "lift" in name.lower() for name in held)
    loaded = load(tmp_path / "model.ckpt").restored_network()
    decision = network.decide(low, high)
    wanted = network.with_error(low, high, replace(decision, lifted=None))
    for one, other in zip(loaded.with_error(low, high, loaded.decide(low, high)), wanted, strict=True):
        assert torch.equal(one, other)


def test_nothing_is_known_of_images_of_other_channels(taught: tuple[Fusion, Microscopes]) -> None:
    grey = build("fusion", TrainSettings(), 1, OPTICS, DELTA_UM)
    found = unknown(taught[0].state_dict(), 3, 1)
    own = {name: value for name, value in grey.state_dict().items() if name in found}
    assert {name: value.shape for name, value in found.items()} == {name: value.shape for name, value in own.items()}
    assert len(found) == 3 and all((value == 0).all() for value in found.values())


def test_lessons_fit_it(monkeypatch: pytest.MonkeyPatch, taught: tuple[Fusion, Microscopes]) -> None:
    seen = taught[1]
    at_um = offsets(60, 11)
    of_patches = shown(seen.nominal(at_um), 6), at_um, at_um.abs() < 0.3
    monkeypatch.setattr(lessons, "_of_patches", lambda *_: of_patches)
    settings = TrainSettings.model_validate({"fusion": {"offset_steps": 5, "microscopes": 1}})
    other = build("fusion", settings, 3, OPTICS, DELTA_UM)
    assert isinstance(other, Fusion)
    pairs = type("Pairs", (), {"offset_sd_um": 1.0, "z_step_um": 0.5, "offset_max_um": 3.0})
    lessons.teach_offsets(other, type("Patches", (), {"pairs": pairs})(), settings, 1)  # type: ignore[arg-type]
    with torch.no_grad():
        estimated = other.offset(of_patches[0])[0]
        misfit = other.misfit(*other.offset.nearer_first(of_patches[0], estimated))
    assert float(misfit.mean()) == pytest.approx(1, rel=1e-3)
