"""What Fusion estimates of whole images before it restores them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True)
class Estimate:
    """What Fusion estimates once for each image.

    Attributes
    ----------
    focal_offset_um, sd_um : (B,) or (B, 1, Y, X) float tensors
        Signed offset of F from the true focus, and its standard deviation; per pixel where an image is so large that
        topography matters.
    mean : (B, C) float tensor
        Mean of both shots, by colour.
    noise : (B, C) float tensor
        Variance of the shots' noise.
    signal : (B, C) float tensor
        Power of the specimen at frequency 1 a pixel, which falls as f^-SLOPE.
    high_share : (B, 1, 1, 1) or (B, 1, Y, X) float tensor, optional
        Of the high shot in the copy that the result is blended with: 1 where it is the sharper one. None where the
        offset says which shot is the copy.
    lifted : (B,) float tensor, optional
        How far the limits of the restored image's weight are lifted, 0 to 1 (`SpectralMisfit`). None: not at all.
    """

    focal_offset_um: Tensor
    sd_um: Tensor
    mean: Tensor
    noise: Tensor
    signal: Tensor
    high_share: Tensor | None = None
    lifted: Tensor | None = None

    def tile(self, y: slice, x: slice) -> Estimate:
        """The same for a part of the images."""
        if self.focal_offset_um.ndim == 1:
            return self
        share = None if self.high_share is None else self.high_share[..., y, x]
        return replace(
            self, focal_offset_um=self.focal_offset_um[..., y, x], sd_um=self.sd_um[..., y, x], high_share=share
        )
