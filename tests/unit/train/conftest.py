"""Settings and patches of a training that takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from small_problem import stacks

import tsva.training.fit
from tsva.settings.acquisition import PairsSettings
from tsva.settings.train import TrainSettings
from tsva.training.patches import PatchStacks


@pytest.fixture(scope="module", autouse=True)
def few_calibration_pairs(request: pytest.FixtureRequest) -> Iterator[None]:
    """A quarter of these trainings' time were pairs that expected errors are fitted to, which other tests look at."""
    with pytest.MonkeyPatch.context() as patch:
        if not request.path.name.endswith("test_calibration.py"):
            patch.setattr(tsva.training.fit, "CALIBRATION_PAIRS", 12)
        yield


@pytest.fixture(scope="session")
def pairs() -> PairsSettings:
    return PairsSettings(patch_px=32)


@pytest.fixture(scope="session")
def small() -> TrainSettings:
    """Seconds of training."""
    return TrainSettings(
        recipe="test",
        width=6,
        levels=2,
        crop_px=None,
        batch=4,
        steps=90,
        verifications=3,
        learning_rate=1e-2,
        ema_decay=0.5,
    )


@pytest.fixture(scope="session")
def training(pairs: PairsSettings) -> PatchStacks:
    return PatchStacks((stacks(8, 1),), np.zeros(8, int), np.arange(8), np.zeros(8), pairs)


@pytest.fixture(scope="session")
def verification(pairs: PairsSettings) -> PatchStacks:
    return PatchStacks((stacks(3, 2),), np.zeros(3, int), np.arange(3), np.zeros(3), pairs)
