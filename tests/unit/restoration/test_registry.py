"""Every method of the registry is what its line says, and keeps the contract."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from tsva.acquisition.pair import Pair
from tsva.restoration.baselines.one_by_one import Known, OneByOne, Restored, baseline
from tsva.restoration.contract import Restoration, joined
from tsva.restoration.pair_network import PairNetwork, network_class
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.methods import BASELINES, METHODS, NETWORK_NAMES, NOTHING


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_a_trained_method_is_a_network_with_all_that_the_contract_asks(name: str) -> None:
    kind = network_class(name)
    assert issubclass(kind, PairNetwork)
    for method in ("fresh", "decide", "forward"):
        assert getattr(kind, method) is not getattr(PairNetwork, method, None), f"{name} has no {method}"


@pytest.mark.parametrize("name", [NOTHING, *BASELINES])
def test_any_other_method_is_a_function_of_a_pair_and_of_what_is_known(name: str) -> None:
    module, _, attribute = METHODS[name].place.partition(":")
    assert list(inspect.signature(getattr(import_module(module), attribute)).parameters) == ["pair", "known"]


def pair(seed: int) -> Pair:
    low, high = np.random.default_rng(seed).integers(0, 256, (2, 8, 9, 3), np.uint8)
    return Pair(low, high, 0.5, OpticsSettings())


def test_what_is_estimated_comes_pair_by_pair_and_failures_leave_y1() -> None:
    def restore(one: Pair, _: Known) -> Restored:
        broken = one.low[0, 0, 0] % 2 == 1
        return Restored(np.full(one.low.shape, np.nan if broken else 0.5), 1.5, 0.25)

    pairs = [pair(seed) for seed in range(6)]
    broken = [one.low[0, 0, 0] % 2 == 1 for one in pairs]
    assert any(broken) and not all(broken)
    found = OneByOne(restore, Known())(pairs)
    assert [bool(failure) for failure in found.failures] == broken
    captured = baseline(NOTHING, Known())(pairs).images
    for number, is_broken in enumerate(broken):
        np.testing.assert_array_equal(found.images[number], captured[number] if is_broken else 128)
    assert found.focal_offset_um is not None and found.focal_offset_um.tolist() == [1.5] * 6
    assert found.expected_error is None and found.expected_rmse is None


def test_batches_are_joined_in_order() -> None:
    def part(first: int, **more: Any) -> Restoration:
        return Restoration(
            np.full((2, 4, 4, 1), first, np.uint8), focal_offset_um=np.array([first, first + 1.0]), **more
        )

    whole = joined([part(1, failures=("", "no")), part(3)])
    assert whole.images[:, 0, 0, 0].tolist() == [1, 1, 3, 3] and whole.failures == ("", "no", "", "")
    assert whole.focal_offset_um is not None and whole.focal_offset_um.tolist() == [1, 2, 3, 4]
    assert whole.focal_offset_sd_um is None
