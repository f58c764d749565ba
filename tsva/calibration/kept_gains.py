"""What a network gains on the area kept aside, and which of several is chosen by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tsva.acquisition.draws import offset_at_um, rng
from tsva.acquisition.pair import Pair
from tsva.acquisition.stack import eight_bits
from tsva.evaluation.metrics import psnr_db
from tsva.evaluation.names import WORSE_DB
from tsva.restoration.baselines.classics import non_local_means
from tsva.restoration.pair_network import PairNetwork
from tsva.restoration.refocus import NetworkMethod
from tsva.restoration.sharper import y1_of
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.methods import BaselineSettings
from tsva.settings.restoration import RefocusSettings
from tsva.training.patches import PatchStacks

MOST_PAIRS = 96
OFFSETS = 8
"""Pairs of a kept patch."""
KeptPair: TypeAlias = tuple[int, Pair, np.ndarray]
"""Number of the patch, pair, and in-focus plane."""


def kept_pairs(patches: PatchStacks, optics: OpticsSettings) -> list[KeptPair]:
    """Patch number, pair and in-focus plane at offsets of Gaussian density between the planes.

    The in-focus plane takes no part in the shots, so that they share no noise with it.
    """
    each = max(1, min(OFFSETS, MOST_PAIRS // len(patches)))
    out = []
    for patch in range(len(patches)):
        random = rng(0, "kept pairs", patch)
        share = (np.arange(each) + random.uniform(size=each)) / each
        for offset_um in offset_at_um(share, patches.pairs):
            low, high, target = patches.between(patch, float(offset_um), random)
            out.append((patch, Pair(low, high, patches.pairs.delta_um, optics, float(offset_um)), target))
    return out


def gains_of(network: PairNetwork[Any], pairs: Sequence[KeptPair]) -> np.ndarray:
    """(N,) gain in PSNR (dB) over the sharper shot; planes are at one brightness already."""
    method = NetworkMethod(network, RefocusSettings())
    restored = method([pair for _, pair, _ in pairs]).images
    targets = np.stack([target for _, _, target in pairs])
    before = np.stack([eight_bits(y1_of(pair)) for _, pair, _ in pairs])
    return np.asarray(psnr_db(restored, targets) - psnr_db(before, targets))


def denoised_gains(pairs: Sequence[KeptPair], noise_sd: float) -> np.ndarray:
    """(N,) gain (dB) of the sharper shot without its noise, by non-local means: how much of a gain is no refocusing.

    Parameters
    ----------
    pairs : sequence
        Of `kept_pairs`.
    noise_sd : float
        As measured, of images in [0, 1].
    """
    gains, strength = [], BaselineSettings().denoise_strength
    for _, pair, target in pairs:
        shot = y1_of(pair)
        quiet = non_local_means(shot, noise_sd, strength)
        images = np.stack([eight_bits(quiet), eight_bits(shot)])
        after, before = psnr_db(images, np.stack([target, target]))
        gains.append(after - before)
    return np.array(gains)


def summary_of(gains: np.ndarray) -> dict[str, float | None]:
    """Mean gain, share made worse by more than `WORSE_DB`, and their mean loss."""
    worse = gains < -WORSE_DB
    return {
        "gain_db": round(float(gains.mean()), 3),
        "made_worse": round(float(worse.mean()), 4),
        "mean_loss_db": round(float(gains[worse].mean()), 3) if worse.any() else None,
    }


def chosen_of(gains: dict[str, np.ndarray]) -> str:
    """The candidate of the highest gain, none of which makes more pairs worse than those before it."""
    best = next(iter(gains))
    for name, values in gains.items():
        better = values.mean() > gains[best].mean()
        harmless = float(np.mean(values < -WORSE_DB)) <= max(float(np.mean(gains[best] < -WORSE_DB)), 0.05)
        if better and harmless:
            best = name
    return best
