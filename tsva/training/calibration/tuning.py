"""A network made the microscope's own: measured optics, and weights trained on part of the area."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tsva.errors import UserError
from tsva.restoration.checkpoint import Checkpoint
from tsva.restoration.fusion.filters import REACH_UM
from tsva.restoration.fusion.misfit import unknown
from tsva.restoration.fusion.network import Fusion
from tsva.restoration.pair_network import PairNetwork, build
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.train import TrainSettings
from tsva.training.calibration.kept_area import (
    Area,
    KeptPair,
    area_of,
    chosen_of,
    denoised_gains,
    gains_of,
    kept_pairs,
    protocol,
    summary_of,
)
from tsva.training.calibration.limits import LEAST_FIELDS, Blends, Limits, fitted_limits
from tsva.training.calibration.measure import Measured
from tsva.training.calibration.offsets import keep_likelier, teach_own_offsets
from tsva.training.dataset import VerificationPairs
from tsva.training.fit import CALIBRATION_PAIRS, fit
from tsva.training.loop import DivergedError

log = logging.getLogger(__name__)
STEPS = 300
RECIPE: dict[str, Any] = {
    "recipe": "calibrate",
    "offsets": "continuous",
    "targets": "captured",
    "stain_jitter": 0.05,
    "lamp_jitter": 0.05,
    "noise_jitter": 0.004,
    "epochs": None,
    "steps_of": {},
    "learning_rate": 1e-3,
    "schedule": "one_cycle",
    "verifications": 6,
    "verification_pairs": 48,
}
"""One facility's stain and lamp: little jitter. Shots between the planes, so that no shot shares the target's noise."""
LEAST_CROP_PX = 64
LIMITS_PAIRS = 200
"""At most so many pairs of training patches are restored for limits."""
GIVEN, MEASURED, CAUTIOUS, TUNED = "given", "measured", "tuned_cautious", "tuned"
"""Candidates, by how far each is the microscope's own: cautious is the fine-tuned one with the given limits."""
WORDS = {
    GIVEN: "The network is kept as it was given: neither measured optics nor fine-tuning made it better",
    MEASURED: "Fine-tuning was not better: the old weights are kept, with the measured optics",
    CAUTIOUS: "Fine-tuned, with the given limits of the restored image's weight",
    TUNED: "Fine-tuned",
}


@dataclass(frozen=True)
class Tuned:
    """What fine-tuning gave.

    Attributes
    ----------
    checkpoint : Checkpoint
        The best on kept area; never worse there than what was given.
    record : dict
        ``fine_tuning`` of ``calibration.json``.
    """

    checkpoint: Checkpoint
    record: dict[str, Any]


def tune(
    measured: Measured,
    given: Checkpoint,
    *,
    delta_um: float | None = None,
    offset_max_um: float | None = None,
    patch_px: int | None = None,
    aside: Collection[int] | None = None,
    steps: int = STEPS,
    seed: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> Tuned:
    """Fine-tune a network on part of the fields, and compare it on the rest.

    Parameters
    ----------
    measured : Measured
    given : Checkpoint
        To begin with. Fusion may be of other pixels, colours, optics and δ: its linear part is computed anew.
    delta_um : float, optional
        Half the distance between the shots; by default the network's where the planes allow it, else the best one.
    offset_max_um : float, optional
        Largest focal offset; by default three times the spread that was measured, as far as planes reach.
    patch_px : int, optional
        Edge of the patches; by default as large as leaves enough of them.
    aside : collection of int, optional
        Numbers of the fields to keep aside; by default drawn, or the second half of each of few fields.
    steps : int
        Of training.
    seed : int
    progress : callable
        Called with what is done next.

    Raises
    ------
    UserError
        If there are too few patches or planes, or lengths are beyond what the network is made for.
    """
    began = time.monotonic()
    fields = list(measured.fields)
    if delta_um is None:
        delta_um = _delta_um(measured, given, fields[0].z_step_um)
    pairs = protocol(fields, delta_um, measured.delta.offset_sd_um, offset_max_um, patch_px)
    _check_reach(given, pairs.offset_max_um)
    area = area_of(fields, pairs, seed, aside)
    candidates = _candidates(given, area, measured.optics, steps, seed, progress)
    progress("network: area kept aside")
    kept = kept_pairs(area.kept, measured.optics)
    gains = {name: gains_of(one.restored_network(), kept) for name, one in candidates.items()}
    chosen = chosen_of(gains)
    record = {
        "network": given.network,
        "steps": steps,
        **_compared(gains, chosen, kept, area),
        "denoised_y1": summary_of(denoised_gains(kept, float(measured.noise.sd.mean()) / 255)),
        "seconds": round(time.monotonic() - began, 1),
    }
    return Tuned(candidates[chosen], record)


def _delta_um(measured: Measured, given: Checkpoint, step_um: float) -> float:
    """The network's δ where planes allow it, else the best one, in whole steps."""
    even = abs(given.delta_um / step_um - round(given.delta_um / step_um)) < 0.02 and given.delta_um > 0.9 * step_um
    return given.delta_um if even else max(1, round(measured.delta.delta_um / step_um)) * step_um


def _candidates(
    given: Checkpoint, area: Area, optics: OpticsSettings, steps: int, seed: int, progress: Callable[[str], None]
) -> dict[str, Checkpoint]:
    """As it was given where it fits, with the measured optics, and fine-tuned, where that did not diverge."""
    pairs, channels = area.training.pairs, area.training.channels
    progress("network: measured optics")
    settings = TrainSettings.model_validate(
        {**given.settings, **RECIPE, "steps": steps, **_crops(given, pairs.patch_px, own=_knows_own(area))}
    )
    # a real camera's in-focus plane has noise, which log_mse forgives
    start = _with_optics(given, settings, area, optics, seed)
    base = replace(
        given,
        settings=settings.model_dump(mode="json"),
        channels=channels,
        pixel_um=optics.pixel_um,
        delta_um=pairs.delta_um,
        offset_max_um=pairs.offset_max_um,
        optics=optics.model_dump(mode="json"),
        weights=start.state_dict(),
        computed={},
    )
    candidates = {GIVEN: given} if _fits(given, optics, channels, pairs.delta_um) else {}
    candidates[MEASURED] = base
    progress(f"network: {steps} steps on {len(area.training)} patches")
    try:
        begun = dict(base.weights)
        if isinstance(start, Fusion) and _knows_own(area):
            # limits choose no step: with them a network that may hardly restore seems as good as one that can
            begun |= Limits.none().tensors()
        fitted = fit(given.network, area.training, area.verification, settings, seed, optics=optics, start=begun)
        candidates[TUNED] = replace(base, weights=fitted.weights, step=fitted.best_step, seed=seed, data="")
        if isinstance(start, Fusion) and _knows_own(area):
            candidates |= _with_limits(candidates.pop(TUNED), Limits.of(start), area)
    except DivergedError:
        log.warning("fine-tuning diverged; the old weights are kept")
    return candidates


def _with_limits(tuned: Checkpoint, given: Limits, area: Area) -> dict[str, Checkpoint]:
    """The fine-tuned network with the limits that it had, and with those that verification patches allow."""
    network = tuned.restored_network()
    assert isinstance(network, Fusion)
    pairs = VerificationPairs(area.verification, CALIBRATION_PAIRS)
    seen = VerificationPairs(area.training, LIMITS_PAIRS)
    blends = Blends.of(network, seen, area.learning).with_others(Blends.of(network, pairs, area.verifying))
    found = {CAUTIOUS: given, TUNED: fitted_limits(blends, given)}
    candidates = {}
    for name, limits in found.items():
        network.load_state_dict({**tuned.weights, **limits.tensors()})
        network.calibrate(pairs)
        candidates[name] = replace(tuned, weights={key: value.clone() for key, value in network.state_dict().items()})
    return candidates


def _compared(gains: dict[str, np.ndarray], chosen: str, kept: Sequence[KeptPair], area: Area) -> dict[str, Any]:
    """What the record says of the candidates, before and after."""
    before = GIVEN if GIVEN in gains else MEASURED
    after = gains[chosen if chosen in (CAUTIOUS, TUNED) else TUNED if TUNED in gains else MEASURED]
    more = f": {float(np.mean(after - gains[before])):+.2f} dB" if chosen in (CAUTIOUS, TUNED) else ""
    words = WORDS[chosen] + more
    if gains[chosen].mean() <= 0:
        words += ". It is not better than the sharper shot: do not use it on such tissue"
    pairs = area.training.pairs
    return {
        "kept": chosen,
        "headline": words,
        "before_is": before,
        "training_patches": len(area.training),
        "verification_patches": len(area.verification),
        "kept_patches": len(area.kept),
        "patch_px": pairs.patch_px,
        "delta_um": pairs.delta_um,
        "offset_sd_um": pairs.offset_sd_um,
        "offset_max_um": pairs.offset_max_um,
        "before": summary_of(gains[before]),
        "after": summary_of(after),
        "of_each": {name: summary_of(values) for name, values in gains.items()},
        "pairs": [
            {
                "stack": area.names[patch],
                "offset_um": round(pair.focal_offset_um or 0.0, 3),
                "before_db": round(float(one), 3),
                "after_db": round(float(two), 3),
            }
            for (patch, pair, _), one, two in zip(kept, gains[before], after, strict=True)
        ],
    }


def _knows_own(area: Area) -> bool:
    """Whether there are patches enough to train for this microscope alone, and to judge that."""
    return len(area.verifying) >= LEAST_FIELDS


def _crops(given: Checkpoint, patch_px: int, *, own: bool) -> dict[str, Any]:
    if given.network.startswith("fusion"):
        fusion = {**given.settings.get("fusion", {}), "crop_px": max(LEAST_CROP_PX, min(128, patch_px))}
        return {"fusion": {**fusion, "microscopes": 1} if own else fusion}
    return {"crop_px": LEAST_CROP_PX}


def _check_reach(given: Checkpoint, reach_um: float) -> None:
    if given.network.startswith("fusion") and reach_um > REACH_UM:
        raise UserError(
            "stacks",
            got=f"focal offsets up to {reach_um:g} µm",
            wanted=f"at most {REACH_UM:g} µm, which Fusion's filters are made for",
            do="Give a smaller --offset-max-um; low apertures can be measured, but have no network.",
        )


def _fits(given: Checkpoint, optics: OpticsSettings, channels: int, delta_um: float) -> bool:
    pixels = abs(given.pixel_um / optics.pixel_um - 1) < 0.02
    return pixels and given.channels == channels and abs(given.delta_um - delta_um) < 1e-6


def _with_optics(
    given: Checkpoint, settings: TrainSettings, area: Area, optics: OpticsSettings, seed: int
) -> PairNetwork[Any]:
    """The given weights in a network for these optics, its offset estimator fitted to these stacks."""
    channels = area.training.channels
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(given.network, settings, channels, optics, area.training.pairs.delta_um)
        network.prepare(area.training, settings, seed)
    if isinstance(network, Fusion) and _fits(given, optics, channels, area.training.pairs.delta_um):
        keep_likelier(network, given.weights, area.verification, seed)
    if isinstance(network, Fusion) and _knows_own(area):
        teach_own_offsets(network, area.training, area.verification, seed)
    prepared = {name: value for name, value in network.state_dict().items() if name.startswith(("offset.", "taught"))}
    # limits are what these stacks allow: they are not lifted for spectra like those of another training
    own = {"misfit.limits": torch.zeros_like(network.misfit.limits)} if isinstance(network, Fusion) else {}
    weights = for_channels(given.weights, given.channels, channels)
    network.load_state_dict({**weights, **prepared, **own})
    network.calibrate(VerificationPairs(area.verification, CALIBRATION_PAIRS))
    return network.eval()


def for_channels(weights: dict[str, Tensor], there: int, here: int) -> dict[str, Tensor]:
    """Fusion's weights for grey images, or for colours, of the other kind: what colours have in common.

    Raises
    ------
    UserError
        For other networks.
    """
    if there == here:
        return dict(weights)
    if "head.weight" not in weights or "last.weight" not in weights:
        raise UserError(
            "checkpoint",
            got=f"a network for {there} channels",
            wanted=f"{here}, as the stacks have (Fusion takes either)",
            do="Give a checkpoint of Fusion, or of such images.",
        )
    out = {**weights, **unknown(weights, there, here)}
    head, last, bias = (weights[name] for name in ("head.weight", "last.weight", "last.bias"))
    cells = bias.numel() // there
    split = head.reshape(head.shape[0], 3, there, cells, 1, 1).sum(dim=2, keepdim=True) / here
    out["head.weight"] = split.expand(-1, -1, here, -1, -1, -1).reshape(head.shape[0], 3 * here * cells, 1, 1).clone()
    for name, value in (("last.weight", last), ("last.bias", bias)):
        parts = value.reshape(there, cells, *value.shape[1:]).mean(dim=0, keepdim=True)
        out[name] = parts.expand(here, *parts.shape[1:]).reshape(here * cells, *value.shape[1:]).clone()
    return out
