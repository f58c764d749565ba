"""Methods without training: each a function of one pair, made a method of batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module

import numpy as np

from tsva.acquisition.pair import Pair, y1_of
from tsva.acquisition.shot_spectra import ShotSpectra
from tsva.acquisition.stack import eight_bits
from tsva.restoration.baselines.plane import Signal
from tsva.restoration.contract import Restoration
from tsva.settings.methods import METHODS, BaselineName
from tsva.settings.restoration import BaselineSettings


@dataclass(frozen=True)
class Known:
    """What is given to methods without training beside a pair.

    Attributes
    ----------
    settings : BaselineSettings
    signal : Signal or None
        Mean spectrum of training slides in focus; None where no method wants it.
    shots : ShotSpectra or None
        Cross-spectra of training slides' planes and ground truth; None where no method wants them.
    """

    settings: BaselineSettings = field(default_factory=BaselineSettings)
    signal: Signal | None = None
    shots: ShotSpectra | None = None

    def spectrum(self) -> Signal:
        """The signal.

        Raises
        ------
        ValueError
            If there is none.
        """
        if self.signal is None:
            raise ValueError("no signal spectrum was given, and this method needs it")
        return self.signal

    def cross_spectra(self) -> ShotSpectra:
        """The cross-spectra.

        Raises
        ------
        ValueError
            If there are none.
        """
        if self.shots is None:
            raise ValueError("no cross-spectra were given, and this method needs them")
        return self.shots


@dataclass(frozen=True)
class Restored:
    """A restored pair.

    Attributes
    ----------
    image : (Y, X, C) float array
        In [0, 1], finite. Where a method failed altogether: Y1 as captured.
    focal_offset_um, focal_offset_sd_um : float or None
        Signed offset of F from the true focus, as the method estimated it from the shots, and its standard error.
    kernel : (K, K) float array or None
        The blur that a blind method estimated.
    failure : str
        Why the image is not to be trusted (a kernel that did not converge, a value that was not finite); else empty.
    """

    image: np.ndarray
    focal_offset_um: float | None = None
    focal_offset_sd_um: float | None = None
    kernel: np.ndarray | None = field(default=None, repr=False)
    failure: str = ""


Restore = Callable[[Pair, Known], Restored]
"""What a method without training is, in its own module."""
Deblur = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""(Y, X, C) image in [0, 1] and edge of the kernel, in; kernel and restored image, out."""


class OneByOne:
    """A function of a pair as a method (`tsva.restoration.contract.Method`).

    Parameters
    ----------
    restore : callable
        See `Restore`. Of an image of it that is not finite, Y1 takes the place, and a failure is reported.
    known : Known
    """

    def __init__(self, restore: Restore, known: Known) -> None:
        self._restore, self._known = restore, known

    def __call__(self, pairs: Sequence[Pair]) -> Restoration:
        """Restore pairs of one size."""
        found = [finite(self._restore(pair, self._known), pair) for pair in pairs]
        return Restoration(
            np.stack([eight_bits(one.image) for one in found]),
            focal_offset_um=_all_known([one.focal_offset_um for one in found]),
            focal_offset_sd_um=_all_known([one.focal_offset_sd_um for one in found]),
            failures=tuple(one.failure for one in found),
        )


def baseline(name: BaselineName, known: Known) -> OneByOne:
    """The method without training that `tsva.settings.methods.METHODS` has under this name."""
    module, _, attribute = METHODS[name].place.partition(":")
    return OneByOne(getattr(import_module(module), attribute), known)


def finite(restored: Restored, pair: Pair) -> Restored:
    """Y1 in place of an image that holds no numbers, and the failure reported."""
    if np.isfinite(restored.image).all():
        return restored
    return replace(restored, image=y1_of(pair), failure="values that are no numbers")


def deblurred(deblur: Deblur, pair: Pair, kernel_px: int) -> Restored:
    """The sharper shot, deblurred by a blind method.

    Parameters
    ----------
    deblur : callable
        See `Deblur`.
    pair : Pair
    kernel_px : int
        Edge of the kernel, odd; at most a third of the patch.

    Returns
    -------
    Restored
        Y1 itself where the method gave no numbers; `failure` also where the kernel collapsed to a single pixel, so that
        nothing was deblurred.
    """
    y1 = y1_of(pair).astype(float)
    if 3 * kernel_px > min(y1.shape[:2]):
        return Restored(y1, failure="the patch is smaller than three kernels")
    kernel, restored = deblur(y1, kernel_px)
    if not (np.isfinite(kernel).all() and np.isfinite(restored).all()):
        return Restored(y1, failure="values that are no numbers")
    failure = "the kernel collapsed to one pixel" if np.count_nonzero(kernel) == 1 else ""
    return Restored(np.clip(restored, 0, 1), kernel=kernel, failure=failure)


def _all_known(values: Sequence[float | None]) -> np.ndarray | None:
    known = [value for value in values if value is not None]
    return np.array(known) if len(known) == len(values) else None
