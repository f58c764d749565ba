"""A small survey, a network, and stand-ins for what is tested elsewhere."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from tsva.restoration.pair_network import build
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.train import TrainSettings
from tsva.slides.grid import CELL_PX
from tsva.slides.survey import Survey


@dataclass(frozen=True)
class Judged:
    row: int
    column: int
    verdict: np.ndarray
    values: dict

    @property
    def share(self):
        return (self.verdict == 1).astype(np.float32)


class Checkered:
    """Believes two cells of three, by their place on the slide; the border is soft within believed cells."""

    def __init__(self, survey):
        self.survey = survey

    def __call__(self, low, _high, restored, _expected_error, y, x):
        rows, columns = self.survey.grid.within(y, x, *low.shape[:2])
        places = np.add.outer(np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop))
        verdict = np.where(self.survey.glass[rows, columns], 0, np.where(places % 3 == 0, 3, 1)).astype(np.uint8)
        grey = np.asarray(restored).mean(axis=2)
        means = [
            [
                grey[r * CELL_PX - y :, k * CELL_PX - x :][:CELL_PX, :CELL_PX].mean()
                for k in range(columns.start, columns.stop)
            ]
            for r in range(rows.start, rows.stop)
        ]
        return Judged(rows.start, columns.start, verdict, {"mean": np.array(means, np.float32)})

    def weights(self, shares, *_place):
        whole = np.kron(shares, np.ones((CELL_PX, CELL_PX), np.float32))
        return (whole * gaussian_filter(whole, 6, truncate=4))[CELL_PX:-CELL_PX, CELL_PX:-CELL_PX]


class Still:
    margin_px = 0

    def __call__(self, low, high, _y, _x):
        return low, high


def small_survey(shape, glass, offset_um):
    rows, columns = -(-shape[0] // CELL_PX), -(-shape[1] // CELL_PX)
    even = np.ones((rows, columns), np.float32)
    ratio = np.exp(-offset_um / 2).astype(np.float32)
    given = {
        "glass": glass,
        "level": np.repeat(even[..., None], 3, axis=2),
        "sharpness_low": even,
        "sharpness_high": ratio,
        "focal_offset_um": offset_um.astype(np.float32),
        "focal_offset_sd_um": 0.1 * even,
        "offset_known": ~glass,
        "copy_rmse": 0.05 * even,
        "linear_rmse": 0.02 * even,
        "shift_px": np.zeros((rows, columns, 2), np.float32),
        "misregistered": np.zeros((rows, columns), bool),
        "noise": np.full((3, 2), 1e-4),
        "white": np.ones(3),
        "black": np.zeros(3),
        "brightness": np.ones(3),
    }
    told = {"height": shape[0], "width": shape[1], "pixel_um": 0.345, "delta_um": 0.5, "optics": OpticsSettings()}
    told |= {"scale": 1.0, "delta_scale": 1.0, "delta_scale_sd": 0.1} | given
    # what else a survey measures plays no part here
    return Survey(**{name: told.get(name, 0.0) for name in Survey.__dataclass_fields__})


SHAPE = (570, 1070)


def scattered_network(name):
    """One whose residual is not zero, as that of a fresh one is."""
    torch.manual_seed(6)
    network = build(name, TrainSettings(width=4, levels=3), 3).eval()
    torch.nn.init.normal_(network.last.weight, std=0.02)
    return network
