"""The signed focal offset of a pair of shots, with its uncertainty, from the shots' spectra."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsva.restoration.fusion.bands import BANDS

HIDDEN = 48
LEAST_POWER = 1e-10
"""Of an image in [0, 1]: a tenth of a millionth of full scale, far below rounding to 8 bits."""
LEAST_SD_UM, MOST_SD_UM = 0.02, 5.0


class OffsetEstimator(nn.Module):
    """A small network on the spectra that can't but change sign when the shots change places.

    With φ the features of (low, high) and φ' those of (high, low), n = (g(φ) - g(φ')) / 2 and
    log sd = (h(φ) + h(φ')) / 2: the former is odd and the latter even, whatever the weights.

    Parameters
    ----------
    channels : int
        Of the shots.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        features = channels * 3 * BANDS
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.layers = nn.Sequential(
            nn.Linear(features, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, 2)
        )
        # the training steps leave it as it was taught, in a training that goes on from a state, too
        self.requires_grad_(False)

    def forward(self, spectra: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate.

        Parameters
        ----------
        spectra : (N, C * 3 * BANDS) float tensor
            Of `BandSpectra`.

        Returns
        -------
        focal_offset_um, sd_um : (N,) float tensors
            Offset of F from the true focus, and its standard deviation.
        """
        value, mirrored = self._values(spectra)
        return (value[:, 0] - mirrored[:, 0]) / 2, self._spread((value[:, 1] + mirrored[:, 1]) / 2)

    def _values(self, spectra: Tensor) -> tuple[Tensor, Tensor]:
        """What the layers say, (N, 2) each, of the shots in either order."""
        both = torch.cat([self.features(spectra), self.features(self.exchanged(spectra))])
        value, mirrored = self.layers((both - self.mean) / self.scale).reshape(2, -1, 2).unbind()
        return value, mirrored

    def _spread(self, log_sd: Tensor) -> Tensor:
        return log_sd.exp().clamp(LEAST_SD_UM, MOST_SD_UM)

    def features(self, spectra: Tensor) -> Tensor:
        """Logarithms of the powers, less each colour's level, and coherences: the same for a brighter lamp."""
        one, two, common = spectra.reshape(-1, self.channels, 3, BANDS).clamp(min=-1e6).unbind(2)
        one, two = one + LEAST_POWER, two + LEAST_POWER
        level = (one + two)[..., :4].log().mean(-1, keepdim=True)
        coherence = common / (one * two).sqrt()
        return torch.stack([one.log() - level, two.log() - level, coherence], dim=2).flatten(1)

    def nearer_first(self, spectra: Tensor, focal_offset_um: Tensor) -> tuple[Tensor, Tensor]:
        """Features with the nearer shot first, and the offsets, (N,): the same whichever shot was taken first."""
        flipped = (focal_offset_um < 0)[:, None]
        return self.features(torch.where(flipped, self.exchanged(spectra), spectra)), focal_offset_um

    def exchanged(self, spectra: Tensor) -> Tensor:
        """The spectra of the shots in the other order."""
        one, two, common = spectra.reshape(-1, self.channels, 3, BANDS).unbind(2)
        return torch.stack([two, one, common], dim=2).flatten(1)

    def standardise(self, spectra: Tensor) -> None:
        """Take mean and spread of the features from examples, of both orders alike."""
        both = torch.cat([self.features(spectra), self.features(self.exchanged(spectra))])
        self.mean.copy_(both.mean(0))
        self.scale.copy_(both.std(0).clamp(min=1e-2))


def negative_log_likelihood(focal_offset_um: Tensor, sd_um: Tensor, true_um: Tensor) -> Tensor:
    """Mean over pairs, of a normal distribution."""
    return functional.gaussian_nll_loss(focal_offset_um, true_um, sd_um.square())
