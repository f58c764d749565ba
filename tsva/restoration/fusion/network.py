"""Fusion, our own network: a Wiener restoration that finds its own offset, and a small network that corrects it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsva.acquisition.draws import rng
from tsva.acquisition.pair import high_is_sharper
from tsva.restoration import blend
from tsva.restoration.blend import ERROR_WEIGHT, HARM_WEIGHT, ErrorHead, blended, harm, likelihood
from tsva.restoration.fusion import bands, correction, filters, offset
from tsva.restoration.fusion.bands import BandSpectra
from tsva.restoration.fusion.correction import (
    CELL,
    CONTRAST_EXPONENT,
    HALF_SD,
    MOST_CONTRAST,
    MOST_WEIGHT,
    SIZES,
    Block,
    CellConvolution,
    Gate,
    agreement,
    by_size,
    conditions,
    contrast_factor,
    geometric_mean,
    in_blocks,
    log_contrast,
    most_weight,
    per_pixel,
    sharper_regions,
)
from tsva.restoration.fusion.estimate import Estimate
from tsva.restoration.fusion.filters import FREQUENCIES, NODE_STEP_UM, NODES, RADIUS_PX, REACH_UM, SLOPE, TwoShotWiener
from tsva.restoration.fusion.misfit import SpectralMisfit
from tsva.restoration.fusion.offset import OffsetEstimator
from tsva.restoration.networks.parts import reflected_to_multiple, single_precision, zero_started
from tsva.restoration.pair_network import PairNetwork, Pairs, TrainingPatches, TwoShotModule
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.train import TrainSettings

if TYPE_CHECKING:
    from tsva.restoration.fusion.microscopes import Microscopes

REGION_WINDOWS = 5
"""Offsets are estimated on regions of so many windows each way: 224 pixels."""
SIGNAL_BANDS = (1, 8)
"""First and stop of the bands that the signal's power is read from."""
LEAST_NOISE, LEAST_SIGNAL, LEAST_TRANSFER = 1e-7, 0.05, 0.02
"""Variance of the noise; power of the signal as a share of the noise's; transfer of power."""
ERROR_GAIN = 8.0
"""Differences between shots and estimate are a small part of the level."""


class Fusion(PairNetwork[Estimate]):
    """Two-shot Wiener restoration at the offset that the shots' spectra show, corrected by a small network.

    1. Spectra of both shots tell offset (odd under exchange of the shots), noise and contrast.
    2. The shots are sorted by the sign of the offset into the nearer and the farther one: from here on their order of
       capture is forgotten.
    3. `TwoShotWiener` gives the linear estimate.
    4. A residual network on cells of 2×2 pixels, steered by offset and noise, corrects it. It starts at zero.
    5. A gate blends the result with the nearer shot where the offset says too little of which is better.
    6. Errors are expected of the result and of the sharper shot; where the result is expected to gain nothing, the shot
       stays (`tsva.restoration.blend`). Some of it stays everywhere, the less the more certain the offset is. It is the
       sharper shot by Brenner's gradient, not the nearer one by an offset whose sign may be wrong. Images whose spectra
       are like those of the training pairs keep no more of it than their expected errors say (`SpectralMisfit`).

    Everything is relative to the image's mean level, so that a brighter lamp makes a brighter result and nothing else.

    Parameters
    ----------
    channels : int
        Of an image: 1 or 3.
    width : int
        Channels of the correcting network.
    depth : int
        Its blocks.
    optics : OpticsSettings
    delta_um : float
        Half the distance between the shots.
    """

    runs_on_meta = False
    one_for_a_slide = ("mean", "noise", "signal")
    taught_um: Tensor
    factors: Tensor
    factors_lifted: Tensor
    by_contrast: Tensor
    most: Tensor
    doubt: Tensor
    contradicted: Tensor
    copies_sharper: Tensor
    _microscopes: Microscopes | None

    def __init__(self, channels: int, width: int, depth: int, optics: OpticsSettings, delta_um: float) -> None:
        super().__init__()
        self.channels, self.delta_um = channels, delta_um
        self.most_microscopes, self._microscopes = 1, None
        self.spectra = BandSpectra()
        self.offset = OffsetEstimator(channels)
        self.wiener = TwoShotWiener(optics, delta_um, channels)
        self.misfit = SpectralMisfit(channels * 3 * bands.BANDS, delta_um)
        cells = channels * CELL * CELL
        self.head = CellConvolution(3 * cells, width, 1)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.last = zero_started(nn.Conv2d(width, cells, 3, padding=1))
        self.gate = Gate()
        self.error = ErrorHead(width, CELL)
        self.register_buffer("taught_um", torch.tensor(REACH_UM))  # to so large offsets real pairs have been seen
        # true over expected errors of results, on verification pairs, by the size of the offset
        self.register_buffer("factors", torch.ones(len(SIZES)))
        self.register_buffer("factors_lifted", torch.ones(len(SIZES)))  # where the weight has no limits
        # their exponent in the structures' power, the logarithm of that power in verification pairs, and how far from
        # there they follow it
        self.register_buffer("by_contrast", torch.tensor([CONTRAST_EXPONENT, 0.0, MOST_CONTRAST]))
        # largest weights of restored images, there too, and how fast they fall with the offset's variance
        self.register_buffer("most", torch.tensor(MOST_WEIGHT))
        self.register_buffer("doubt", torch.tensor(HALF_SD, device="cpu").square().reciprocal())
        # factor of the weight where the sharper shot is not the nearer one by the offset, whose sign may be wrong then
        self.register_buffer("contradicted", torch.tensor(1.0))
        self.register_buffer("copies_sharper", torch.tensor(True))
        self.multiple = blend.CELL_PX
        # errors and the gate are averaged over a neighbourhood, one after the other
        sees_px = RADIUS_PX + 1 + CELL * (depth + 1) + 2 * blend.REACH_PX
        self.halo_px = -(-sees_px // self.multiple) * self.multiple

    @classmethod
    def fresh(cls, settings: TrainSettings, channels: int, optics: OpticsSettings, delta_um: float) -> Self:
        """Of width and depth that the settings' section ``fusion`` has."""
        network = cls(channels, settings.fusion.width, settings.fusion.depth, optics, delta_um)
        network.most_microscopes = settings.fusion.microscopes
        return network

    @property
    def microscopes(self) -> Microscopes:
        """Other microscopes, which training shows its pairs through; they take seconds to compute, once."""
        if self._microscopes is None:
            from tsva.restoration.fusion.microscopes import Microscopes

            optics, count = self.wiener.optics, self.most_microscopes
            self._microscopes = Microscopes(optics, self.delta_um, self.channels, count, rng(0, "microscopes"))
        return self._microscopes

    def decide(self, low: Tensor, high: Tensor) -> Estimate:
        """Offset, noise and levels of whole images, (B, C, Y, X) in [0, 1]."""
        with single_precision(low.device):
            return self._decided(low, high)

    def decide_at(self, focal_offset_um: Tensor, sd_um: Tensor, of_slide: Mapping[str, Tensor]) -> Estimate:
        """With an offset that was measured."""
        return Estimate(focal_offset_um, sd_um, **of_slide)

    def _decided(self, low: Tensor, high: Tensor) -> Estimate:
        found = self.spectra(low, high)
        windows = found.shape[-2:]
        regions = functional.avg_pool2d(found, [min(REGION_WINDOWS, n) for n in windows], stride=1)
        grid = regions.shape[-2:]
        flat = regions.movedim(1, -1).flatten(0, 2)
        focal_offset_um, sd_um = self.offset(flat)
        # beyond what real pairs have taught, the estimate is the layered model's word alone
        beyond_um = (focal_offset_um.abs() - self.taught_um).clamp(min=0)
        sd_um = (sd_um.square() + beyond_um.square()).sqrt()  # ONNX knows no hypot
        noise, signal = self._noise_and_signal(flat, focal_offset_um)
        images = (low.shape[0], grid[0] * grid[1])
        noise, signal = (geometric_mean(each.reshape(*images, -1)) for each in (noise, signal))
        misfit = self.misfit(*self.offset.nearer_first(flat, focal_offset_um))
        lifted = self.misfit.share(geometric_mean(misfit.reshape(images)))
        mean = (low.mean(dim=(-2, -1)) + high.mean(dim=(-2, -1))) / 2
        focal_offset_um, sd_um = (each.reshape(low.shape[0], 1, *grid) for each in (focal_offset_um, sd_um))
        if grid[0] * grid[1] == 1:
            high_share = high_is_sharper(low, high).to(low.dtype).reshape(-1, 1, 1, 1)
            return Estimate(focal_offset_um.flatten(), sd_um.flatten(), mean, noise, signal, high_share, lifted)
        precision = sd_um.square().reciprocal()
        smooth = functional.avg_pool2d(precision, 3, 1, 1)
        focal_offset_um = functional.avg_pool2d(precision * focal_offset_um, 3, 1, 1) / smooth
        focal_offset_um, sd_um = per_pixel(focal_offset_um, low), per_pixel(sd_um, low)
        high_share = sharper_regions(low, high, REGION_WINDOWS)
        return Estimate(focal_offset_um, sd_um, mean, noise, signal, high_share, lifted)

    def _noise_and_signal(self, spectra: Tensor, focal_offset_um: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C) each."""
        one, two, _ = spectra.reshape(spectra.shape[0], self.channels, 3, bands.BANDS).unbind(2)
        noise = torch.minimum(one, two)[..., -1].clamp(min=LEAST_NOISE)
        place = (focal_offset_um.detach().abs() / NODE_STEP_UM).clamp(max=NODES - 1)
        below = place.floor().clamp(max=NODES - 2).long()
        share = (place - below)[:, None, None]
        frequency = torch.tensor(bands.FREQUENCIES[slice(*SIGNAL_BANDS)], device=spectra.device)
        columns = (frequency / 0.5**0.5 * (FREQUENCIES - 1)).round().long()
        transfer = (self.wiener.tables[0] + self.wiener.tables[1])[..., columns]  # (node, C, bands)
        transfer = torch.lerp(transfer[below], transfer[below + 1], share)
        power = (one + two)[..., slice(*SIGNAL_BANDS)] - 2 * noise[..., None]
        power = torch.maximum(power, LEAST_SIGNAL * noise[..., None])
        signal = (power / transfer.clamp(min=LEAST_TRANSFER)).log() + SLOPE * frequency.log()
        return noise, signal.mean(-1).exp()

    def forward(self, low: Tensor, high: Tensor, decision: Estimate | None = None) -> Tensor:
        """Restore.

        Parameters
        ----------
        low, high : (B, C, Y, X) float tensors
            Shots at F - delta and F + delta, in [0, 1], of any size.
        decision : Estimate, optional
            Of the whole images; by default of these very images.

        Returns
        -------
        (B, C, Y, X) float tensor
            Not clipped.
        """
        decision = self.decide(low, high) if decision is None else decision
        return self.with_error(low, high, decision)[0]

    def with_error(self, low: Tensor, high: Tensor, decision: Estimate) -> tuple[Tensor, Tensor]:
        """Restore, and estimate the error of each pixel.

        Returns
        -------
        restored : (B, C, Y, X) float tensor
        sd : (B, 1, Y, X) float tensor
            Expected root mean square error of a pixel's colours.
        """
        restored, copy, logarithms, level = self.unblended(low, high, decision)
        image, sd = self._blended(restored, copy, logarithms, level, decision)
        factor = by_size(decision.focal_offset_um, self.delta_um, self.factors)
        if decision.lifted is not None:
            lifted = by_size(decision.focal_offset_um, self.delta_um, self.factors_lifted)
            factor = torch.lerp(factor, lifted, decision.lifted.reshape(-1, 1, 1, 1))
        return image, sd * factor * contrast_factor(log_contrast(decision.signal, decision.mean), self.by_contrast)

    def _blended(
        self, restored: Tensor, copy: Tensor, logarithms: Tensor, level: Tensor, decision: Estimate
    ) -> tuple[Tensor, Tensor]:
        """Result and expected error, before `factors`, of `unblended`'s."""
        most = most_weight(decision.focal_offset_um, decision.sd_um, self.delta_um, self.most, self.doubt)
        if decision.lifted is not None:
            most = torch.lerp(most, torch.ones_like(most), decision.lifted.reshape(-1, 1, 1, 1))
        most = most * agreement(decision.focal_offset_um, decision.high_share, self.contradicted)
        return blended(restored, copy, *self.error.errors(logarithms, level), most)

    def unblended(self, low: Tensor, high: Tensor, decision: Estimate) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the result is blended of.

        Returns
        -------
        restored, copy : (B, C, Y, X) float tensors
            The restored image, and the sharper shot.
        logarithms : (B, 2, Y, X) float tensor
            Of their expected errors, before calibration.
        level : (B, 1, 1, 1) float tensor
            Mean of the image.
        """
        focal_offset_um = decision.focal_offset_um
        near, far = self.sorted_shots(low, high, focal_offset_um)
        mean = decision.mean[..., None, None]
        level = mean.mean(dim=1, keepdim=True)
        ratio = decision.noise / decision.signal
        with single_precision(low.device):
            linear = self.wiener(near - mean, far - mean, focal_offset_um, ratio) + mean
        steering = conditions(decision.focal_offset_um, self.delta_um, decision.noise, level)
        steering = steering.contiguous(memory_format=torch.channels_last)
        corrected = partial(self._corrected, level=level)
        restored, logarithms = in_blocks(corrected, (linear, near, far), steering, len(self.blocks) + 1)
        share = self.gate(*(image.mean(dim=1, keepdim=True) / level for image in (near, far, restored)), steering)
        restored = torch.lerp(near, restored, share.to(near.dtype))
        return restored, self._copy(low, high, near, decision), logarithms, level

    def _corrected(self, images: tuple[Tensor, ...], steering: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """Corrected image, (B, C, Y, X), and logarithms of expected errors, (B, 2, Y, X), of `unblended`'s images."""
        linear, near, far = images
        height, width = linear.shape[-2:]
        gain = ERROR_GAIN / level
        inputs = torch.cat([linear / level - 1, *((shot - linear) * gain for shot in (near, far))], dim=1)
        x = self.head(reflected_to_multiple(inputs, CELL))
        for block in self.blocks:
            x = block(x, steering)
        x = functional.silu(x)
        residual = functional.pixel_shuffle(self.last(x).to(linear.dtype), CELL)[..., :height, :width]
        return torch.addcmul(linear, residual, level / ERROR_GAIN), self.error(x)[..., :height, :width]

    def _copy(self, low: Tensor, high: Tensor, near: Tensor, decision: Estimate) -> Tensor:
        """The sharper shot; of networks of earlier versions, and where the offset was measured, the nearer one."""
        if decision.high_share is None:
            return near
        return torch.where(self.copies_sharper, torch.lerp(low, high, decision.high_share.to(low.dtype)), near)

    def sorted_shots(self, low: Tensor, high: Tensor, focal_offset_um: Tensor) -> tuple[Tensor, Tensor]:
        """The shots as the nearer to focus and the farther one, by the sign of the offset of each image or pixel."""
        flipped = focal_offset_um.reshape(-1, 1, 1, 1) < 0 if focal_offset_um.ndim == 1 else focal_offset_um < 0
        return torch.where(flipped, high, low), torch.where(flipped, low, high)

    def focal_offset(self, decision: Estimate) -> tuple[Tensor, Tensor]:
        """Offset and standard deviation, (B,) each; the means of an image whose offset varies."""
        found = decision.focal_offset_um, decision.sd_um
        focal_offset_um, sd_um = (each.flatten(1).mean(1) if each.ndim > 1 else each for each in found)
        return focal_offset_um, sd_um

    def prepare(self, patches: TrainingPatches, settings: TrainSettings, seed: int) -> None:
        """Fit the offset estimator; see `tsva.restoration.fusion.lessons`."""
        from tsva.restoration.fusion.lessons import teach_offsets

        teach_offsets(self, patches, settings, seed)

    def training_loss(
        self,
        low: Tensor,
        high: Tensor,
        target: Tensor,
        focal_offset_um: Tensor,
        image_loss: Callable[[Tensor, Tensor], Tensor],
        forward: Callable[..., Any],  # noqa: ARG002
    ) -> Tensor:
        """The images' loss at estimated offsets, half of the pairs as other microscopes show them, and the likelihood
        of the expected errors."""
        from tsva.restoration.fusion.microscopes import as_others_show

        with torch.no_grad(), single_precision(low.device):
            low, high, target = as_others_show(
                self.microscopes, self.delta_um, (low, high), self.spectra, target, focal_offset_um
            )
            decision = self.decide(low, high)
        restored, copy, logarithms, level = self.unblended(low, high, decision)
        loss = image_loss(restored, target) + HARM_WEIGHT * harm(restored, low, high, target)
        return loss + ERROR_WEIGHT * likelihood(logarithms, restored, copy, target, level)

    @torch.inference_mode()
    def calibrate(self, pairs: Pairs) -> None:
        """Scale the expected errors to those that occur.

        One factor for all errors of restored images and one for those of shots, which decide the blend: the geometric
        mean, over pairs, of the ratio of both root mean squares. Then one for the blend's errors at each of `SIZES`,
        with the limits of the weight and without. And lift these limits as far as they may be.
        """
        self.eval()
        seen = blend.UnblendedPairs(pairs, self.decide, self.unblended)
        self.error.calibrate(seen)
        errors, shots, shares, contrasts = [], [], [], []
        for pair in seen:
            decision: Estimate = pair.decision
            shots.append((pair.shot - pair.target).square().mean())
            for lifted in self.misfit.lifts:
                limited = replace(decision, lifted=decision.mean.new_full((1,), lifted))
                image, sd = self._blended(pair.restored, pair.shot, pair.logarithms, pair.level, limited)
                errors.append(torch.stack([(image - pair.target).square().mean(), sd.square().mean()]))
            sizes = [by_size(decision.focal_offset_um, self.delta_um, one).mean() for one in torch.eye(len(SIZES))]
            shares.append(torch.stack(sizes))
            contrasts.append(log_contrast(decision.signal, decision.mean))
        if shares:
            contrast = torch.cat(contrasts)
            self.by_contrast[1] = contrast.mean()
            of_contrast = contrast_factor(contrast, self.by_contrast).flatten().square()
            by_lift = torch.stack(errors).unflatten(0, (-1, len(self.misfit.lifts))).permute(1, 2, 0)
            for held, (true, expected) in ((self.factors, by_lift[0]), (self.factors_lifted, by_lift[-1])):
                held.copy_(blend.factors(true, expected * of_contrast, torch.stack(shares)))
            self.misfit.choose_lift(10 * (torch.stack(shots) / by_lift[:, 0]).log10().T)

    def with_all_outputs(self) -> TwoShotModule:
        """The same as a module that returns image, expected error and offset."""
        from tsva.restoration.fusion.matrices import AllOutputs

        return AllOutputs(self)

    def for_export(self) -> TwoShotModule:
        """`with_all_outputs` without Fourier transforms, for images of one size (its attribute `image_px`)."""
        from tsva.restoration.fusion.matrices import AllOutputs, with_matrices

        return AllOutputs(with_matrices(self))

    def lesson(self, spectra: Tensor, focal_offset_um: Tensor) -> tuple[Tensor, Tensor]:
        """What the offset estimator is taught of pairs: spectra, (N, C * 3 * BANDS), and the offset, (N,)."""
        return spectra, focal_offset_um

    held_constants = frozenset(
        {"correction.MOST_WEIGHT", "correction.HALF_SD", "correction.CONTRAST_EXPONENT", "correction.MOST_CONTRAST"}
    )

    def completed(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Earlier versions had no `doubt`: the weight was the same for any deviation of the offset. They copied the
        nearer shot. Their errors' factors did not depend on contrast. They knew of no spectra."""
        later = {"doubt": self.doubt, "copies_sharper": self.copies_sharper, "by_contrast": self.by_contrast}
        later["factors_lifted"] = self.factors_lifted
        later |= {f"misfit.{name}": value for name, value in self.misfit.named_buffers()}
        without = {name: value.new_zeros(value.shape) for name, value in later.items()}
        return {"contradicted": self.contradicted.new_ones(()), **without, **weights}

    def physics(self) -> dict[str, ModuleType]:
        """Modules whose constants the output depends on, beside the weights."""
        return {
            "filters": filters,
            "bands": bands,
            "offset": offset,
            "correction": correction,
            "network": sys.modules[__name__],
            "blend": blend,
        }

    def extra_arithmetic(self, height: int, width: int) -> int:
        """Multiply-accumulates of Fourier transforms and products of spectra, which FlopCounter doesn't see."""
        return bands.arithmetic(height, width, self.channels) + self.wiener.arithmetic(height, width)
