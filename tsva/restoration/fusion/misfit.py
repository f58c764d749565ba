"""How far an image's spectra are from those of the pairs that Fusion was trained with: other optics, other tissue."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tsva.restoration.fusion.correction import TENTS, tents

MOST_MISFIT = 3.0
"""Misfit at which the limits of the restored image's weight are lifted by half. Training pairs have 1 in the mean, and
one in a hundred has more than 3.3. Chosen on development laboratories (docs/training.md)."""
POWER = 3.0
"""Of the misfit, in the share: 89 % at half of `MOST_MISFIT`, 11 % at twice as much."""
HARMED_SHARE = 0.05
"""Of verification pairs, made worse than the sharper shot by more than `HARMED_DB`."""
HARMED_DB = 0.1
SHRINKAGE = 0.1
"""Share of independent features in the correlations: patches are hardly more than features."""
LEAST_SPREAD = 1e-2
LEAST_MISFIT = 1e-6
COMMON_SPECTRA = 0.1
"""A size of the offset has so many spectra of the usual features beside its own."""


class SpectralMisfit(nn.Module):
    """Squared Mahalanobis distance of spectra from those of the training pairs, given the offset.

    The restored image's weight is limited because other optics or tissue make the estimated offset wrong. Where the
    spectra are like those of the training pairs, the limits cost gain and prevent no harm: they are lifted.

    Parameters
    ----------
    features : int
        Of the offset estimator.
    delta_um : float
        Half the distance between the shots.
    """

    lifts = (0.0, 0.5, 1.0)
    """How far limits may be lifted at no misfit: the farthest of these that does no harm to verification pairs."""
    mean: Tensor
    whitening: Tensor
    limits: Tensor

    def __init__(self, features: int, delta_um: float) -> None:
        super().__init__()
        self.delta_um = delta_um
        # usual features by the size of the offset, at `TENTS`
        self.register_buffer("mean", torch.zeros(len(TENTS), features))
        # its product with differences from them has a mean square of 1 on training pairs
        self.register_buffer("whitening", torch.zeros(features, features))
        # misfit at which limits are lifted by half (0: never), its power, and how far they are lifted at none
        self.register_buffer("limits", torch.zeros(3))

    @torch.no_grad()
    def fit(self, features: Tensor, focal_offset_um: Tensor) -> None:
        """Take mean and covariance from training pairs.

        Parameters
        ----------
        features : (N, features) float tensor
            Of `OffsetEstimator.features`, the nearer shot first.
        focal_offset_um : (N,) float tensor
            Estimated offsets.
        """
        shares, found = self._shares(focal_offset_um).double(), features.double()
        own = shares.T @ shares + COMMON_SPECTRA * torch.eye(len(TENTS), dtype=torch.float64)
        mean = torch.linalg.solve(own, shares.T @ found + COMMON_SPECTRA * found.mean(0))
        apart = found - shares @ mean
        spread = apart.square().mean(0).sqrt().clamp(min=LEAST_SPREAD)
        unit = apart / spread
        correlations = (1 - SHRINKAGE) * unit.T @ unit / len(unit) + SHRINKAGE * torch.eye(len(spread)).double()
        whitening = torch.linalg.inv(torch.linalg.cholesky(correlations)).T / spread[:, None]
        square = (apart @ whitening).square().mean()
        self.mean.copy_(mean)
        self.whitening.copy_(whitening / square.clamp(min=1e-12).sqrt())
        self.limits.copy_(torch.tensor([MOST_MISFIT, POWER, self.lifts[-1]]))

    def forward(self, features: Tensor, focal_offset_um: Tensor) -> Tensor:
        """(N,) misfit, 1 in the mean over training pairs, of features and estimated offsets as `fit` takes them."""
        apart = features - self._shares(focal_offset_um) @ self.mean
        return (apart @ self.whitening).square().mean(dim=1)

    def share(self, misfit: Tensor) -> Tensor:
        """How far limits of the weight are lifted, 0 to 1, at a misfit."""
        half, power, most = self.limits.unbind()
        ratio = misfit.clamp(min=LEAST_MISFIT) / half.clamp(min=LEAST_MISFIT)
        return torch.where(half > 0, most / (1 + ratio.pow(power)), 0.0)

    def choose_lift(self, gain_db: Tensor) -> None:
        """Lift the limits as far as verification pairs allow.

        Parameters
        ----------
        gain_db : (N, len(lifts)) float tensor
            Of pairs' results over their sharper shots, at limits lifted so far.
        """
        harmed = (gain_db < -HARMED_DB).float().mean(dim=0)
        allowed = harmed <= torch.clamp(harmed[:1], min=HARMED_SHARE)
        self.limits[2] = torch.tensor(self.lifts)[allowed].max()

    def _shares(self, focal_offset_um: Tensor) -> Tensor:
        """(N, len(TENTS)) of the sizes between which an offset lies."""
        return tents(focal_offset_um.abs().reshape(-1, 1, 1, 1) / self.delta_um, TENTS).flatten(1)


def unknown(weights: dict[str, Tensor], there: int, here: int) -> dict[str, Tensor]:
    """Buffers of a `SpectralMisfit` among weights for images of other channels, of which nothing is known.

    Parameters
    ----------
    weights : dict of str to tensor
    there, here : int
        Channels of the weights' images, and of the others.
    """
    own = {name: value for name, value in weights.items() if name.startswith("misfit.")}
    features = {"mean": (1,), "whitening": (0, 1), "limits": ()}
    found = {}
    for name, value in own.items():
        size = list(value.shape)
        for axis in features[name.rpartition(".")[2]]:
            size[axis] = size[axis] * here // there
        found[name] = value.new_zeros(size)
    return found
