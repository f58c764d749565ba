"""Patches of calibrated fields for training, verification and a last test, and what networks gain on the last."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from pydantic import ValidationError

from tsva.acquisition.draws import offset_at_um, rng
from tsva.acquisition.pair import Pair, y1_of
from tsva.acquisition.sharpness import brenner
from tsva.acquisition.stack import eight_bits, places
from tsva.errors import UserError
from tsva.evaluation.names import WORSE_DB
from tsva.evaluation.scoring import psnr_db
from tsva.restoration.baselines.classics import non_local_means
from tsva.restoration.pair_network import PairNetwork
from tsva.restoration.refocus import NetworkMethod
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.restoration import BaselineSettings, RefocusSettings
from tsva.training.calibration.prepared import Field
from tsva.training.patches import PatchStacks

SIZES_PX = (224, 192, 160, 128, 112, 96, 80, 64)
WANTED_PATCHES = 12
"""Of all fields: patches are made smaller until there are so many."""
FIELDS_APART = 5
"""From so many fields on, whole fields are kept aside; of fewer, the second half of each."""
KEPT, VERIFYING = 0.25, 0.2
"""Shares of the fields that are kept aside, and of what is left that chooses the best step."""
MOST_SDS = 3.0
LEAST_TRAINING, LEAST_KEPT = 3, 2


@dataclass(frozen=True)
class Area:
    """Patches by what they are for; those kept aside are never trained on and choose no step."""

    training: PatchStacks
    verification: PatchStacks
    kept: PatchStacks
    names: tuple[str, ...]
    """Fields of the kept patches."""
    learning: tuple[str, ...]
    """Fields of the training patches."""
    verifying: tuple[str, ...]
    """Fields of the patches that verify."""


def protocol(
    fields: list[Field],
    delta_um: float,
    offset_sd_um: float,
    offset_max_um: float | None,
    patch_px: int | None = None,
) -> PairsSettings:
    """How pairs are cut from these stacks: offsets as far as given, or three standard deviations, or as planes reach.

    Raises
    ------
    UserError
        If δ is no whole number of steps, or planes do not reach one step beyond it.
    """
    step_um = round(fields[0].z_step_um, 6)
    planes = round(delta_um / step_um)
    if planes < 1 or abs(planes * step_um - delta_um) > 0.02 * step_um:
        raise UserError(
            "acquisition.delta_um",
            got=f"{delta_um:g} µm",
            wanted=f"a whole number of the stacks' z step ({step_um:g} µm)",
            do="Take the stack in steps that δ is a multiple of, or choose another δ (--delta-um).",
        )
    there = int(np.median([min(-field.z_um[0], field.z_um[-1]) / step_um + 1e-6 for field in fields])) - planes
    wanted = (MOST_SDS * offset_sd_um if offset_max_um is None else offset_max_um) / step_um
    reach = min(there, int(np.ceil(wanted - 1e-6)))
    if reach < 1 or (offset_max_um is not None and there < wanted - 1e-6):
        raise UserError(
            "stacks",
            got=f"planes for focal offsets up to {max(there, 0) * step_um:g} µm",
            wanted=f"{offset_max_um or step_um:g} µm with shots {planes * step_um:g} µm on either side",
            do="Take the stack farther up and down.",
        )
    smallest = min(min(field.planes.shape[1:3]) for field in fields)
    sizes = [size for size in SIZES_PX if size <= smallest]
    enough = [size for size in sizes if sum(_count(field, size) for field in fields) >= WANTED_PATCHES]
    try:
        return PairsSettings(
            patch_px=patch_px or (enough or sizes[-1:])[0],
            delta_um=round(planes * step_um, 6),
            z_step_um=step_um,
            offset_sd_um=offset_sd_um,
            offset_max_um=round(reach * step_um, 6),
        )
    except ValidationError as error:
        raise UserError(
            f"acquisition.{error.errors()[0]['loc'][0]}",
            got=repr(error.errors()[0]["input"]),
            wanted=error.errors()[0]["msg"],
            do="Networks are for shots of higher apertures: measure alone (--measure-only, or fine_tune=False).",
        ) from None


def _count(field: Field, size: int) -> int:
    return (field.planes.shape[1] // size) * (field.planes.shape[2] // size)


def area_of(fields: list[Field], pairs: PairsSettings, seed: int, aside: Collection[int] | None = None) -> Area:
    """Cut the fields' patches about their own focus, and part them.

    Parameters
    ----------
    fields : list of Field
    pairs : PairsSettings
    seed : int
        Of what is kept aside and of what verifies.
    aside : collection of int, optional
        Numbers of the fields that are kept aside; by default drawn, or the second half of each of few fields.

    Raises
    ------
    UserError
        If there are too few.
    """
    apart = aside is not None or len(fields) >= FIELDS_APART
    if aside is None:
        order = rng(seed, "kept").permutation(len(fields)).tolist()
        aside = order[: max(1, round(KEPT * len(fields)))]
    stacks: dict[str, list[np.ndarray]] = {"training": [], "kept": []}
    names: dict[str, list[str]] = {"training": [], "kept": []}
    for number, field in enumerate(fields):
        along = int(field.planes.shape[2] >= field.planes.shape[1])
        for place in places(field.planes.shape[1], field.planes.shape[2], pairs.patch_px):
            corner = (place.y_px, place.x_px)[along]
            second = corner + pairs.patch_px / 2 > field.planes.shape[1 + along] / 2
            side = "kept" if (number in aside if apart else second) else "training"
            cut = _cut(field, place.y_px, place.x_px, pairs)
            if cut is not None:
                stacks[side].append(cut)
                names[side].append(field.name)
    if len(stacks["training"]) < LEAST_TRAINING or len(stacks["kept"]) < LEAST_KEPT:
        raise UserError(
            "stacks",
            got=f"{len(stacks['training'])} patches to train on and {len(stacks['kept'])} to keep aside",
            wanted=f"at least {LEAST_TRAINING} and {LEAST_KEPT} with tissue in focus and planes on both sides",
            do="Give larger or more fields, or stacks that reach farther.",
        )
    some = rng(seed, "verifying").permutation(len(stacks["training"]))
    verifying = np.zeros(len(some), bool)
    verifying[some[: max(1, round(VERIFYING * len(some)))]] = True
    whole = _patches(stacks["training"], pairs)
    kept = _patches(stacks["kept"], pairs)
    learning, of_verifying = (
        tuple(name for name, chosen in zip(names["training"], verifying, strict=True) if bool(chosen) == wanted)
        for wanted in (False, True)
    )
    return Area(whole.subset(~verifying), whole.subset(verifying), kept, tuple(names["kept"]), learning, of_verifying)


def _cut(field: Field, y: int, x: int, pairs: PairsSettings) -> np.ndarray | None:
    """(Z, Y, X, C) uint8 about the patch's own sharpest plane; None where planes or tissue lack."""
    patch = field.planes[:, y : y + pairs.patch_px, x : x + pairs.patch_px]
    captured = eight_bits(patch)
    curve = brenner(captured)
    best, reach = int(np.argmax(curve)), pairs.reach_planes
    if best < reach or best + reach >= len(curve) or curve[best] < 1.15 * np.median(curve):
        return None
    return captured[best - reach : best + reach + 1]


def _patches(stacks: list[np.ndarray], pairs: PairsSettings) -> PatchStacks:
    count = len(stacks)
    return PatchStacks((np.stack(stacks),), np.zeros(count, int), np.arange(count), np.zeros(count), pairs)


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
