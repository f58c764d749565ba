"""U-Net on the sharper shot alone: the paper's baseline, and TSVA without its second shot."""

from __future__ import annotations

from torch import Tensor, nn

from tsva.restoration.networks.parts import ContractingPath, ExpansivePath, halo_px, reflected_to_multiple, zero_started
from tsva.restoration.networks.sharper import sharper_first


class UNet(nn.Module):
    """U-Net (Ronneberger et al. 2015) that takes a pair and looks at Y1.

    Plain, it has U-Net's 23 convolutions at five levels and returns the last one's output. As a residual network it is
    TSVA in everything but the second shot: three units a level of the expansive path (27 convolutions), output added to
    Y1, last convolution started at zero.

    Parameters
    ----------
    channels : int
        Of an image: 1 or 3.
    width : int
        Channels of the finest level; they double at each level (paper: 64).
    levels : int
        Resolutions (paper: 5).
    residual : bool
        TSVA's residual and depth.
    """

    def __init__(self, channels: int, width: int, levels: int, *, residual: bool) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        units = 3 if residual else 2
        last = nn.Conv2d(width, channels, 1)
        self.residual = residual
        self.contracting = ContractingPath(channels, widths)
        self.expansive = ExpansivePath(widths, paths=1, units=units)
        self.last = zero_started(last) if residual else last
        self.multiple = 2 ** (levels - 1)
        self.halo_px = halo_px(levels, units)

    def forward(self, low: Tensor, high: Tensor, swap: Tensor | None = None) -> Tensor:
        """Restore.

        Parameters
        ----------
        low, high : (B, C, Y, X) float tensors
            Shots at F - delta and F + delta, in [0, 1], of any size.
        swap : (B,) bool tensor, optional
            Where `high` is Y1; by default the sharper by Brenner.

        Returns
        -------
        (B, C, Y, X) float tensor
            Not clipped.
        """
        height, width = low.shape[-2:]
        y1, _ = sharper_first(low, high, swap)
        output = self.last(self.expansive(self.contracting(reflected_to_multiple(y1, self.multiple))))
        output = output[..., :height, :width]
        return y1 + output if self.residual else output
