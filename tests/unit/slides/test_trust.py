"""Verdicts by cell: what is not believed is copied, with a soft border inside the restored cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_survey import DELTA_UM, OPTICS, shots, surveyed, tissue

from tsva.optics.otf import camera_otf
from tsva.restoration.colours import FARTHEST, Colours, density
from tsva.slides.errors_expected import CAUTION_DB, error_of_mixture, share_of_restoration
from tsva.slides.trust import FADE_AT_JUMP_PX, FADE_PX, Judge, Verdict, weights

EDGE = 512


def in_focus() -> np.ndarray:
    otf = camera_otf(OPTICS, np.zeros(1), (EDGE, EDGE))[0]
    image = np.fft.irfft2(np.fft.rfft2(tissue(EDGE, EDGE)) * otf, (EDGE, EDGE))
    return image.transpose(1, 2, 0).astype(np.float32)


@pytest.fixture(scope="module")
def case():
    low, high = shots(1.75, noise=0.5)
    # sections without depth are no evidence of the planes' distance
    return low, high, replace(surveyed(low, high), delta_scale=1.0)


def test_a_perfect_restoration_is_believed_and_a_wrong_one_is_not(case):
    low, high, survey = case
    truth = in_focus()
    judge = Judge(survey, offset_max_um=3.0)
    good = judge(low, high, truth, np.full((EDGE, EDGE), 0.004, np.float32), 0, 0)
    assert (good.verdict == Verdict.RESTORED).mean() > 0.95
    # 1 where noise alone is left; a cell's own edges and the model's bands add some
    assert np.median(good.values["reblur_residual"]) < 1.6
    foreign = np.ascontiguousarray(truth[::-1, ::-1])
    wrong = judge(low, high, foreign, np.full((EDGE, EDGE), 0.004, np.float32), 0, 0)
    assert (wrong.verdict == Verdict.RESTORED).mean() < 0.02
    assert np.median(wrong.values["reblur_residual"]) > 2 * np.median(good.values["reblur_residual"])


def test_verdicts_do_not_depend_on_the_tile(case):
    low, high, survey = case
    truth = in_focus()
    judge = Judge(survey, offset_max_um=3.0)
    whole = judge(low, high, truth, None, 0, 0)
    part = slice(100, 400), slice(30, 350)
    piece = judge(low[part], high[part], truth[part], None, 100, 30)
    assert (piece.row, piece.column) == (2, 1)
    rows, columns = slice(2, 2 + piece.verdict.shape[0]), slice(1, 1 + piece.verdict.shape[1])
    np.testing.assert_array_equal(piece.verdict, whole.verdict[rows, columns])
    np.testing.assert_allclose(piece.values["expected_rmse"], whole.values["expected_rmse"][rows, columns], 1e-4)


def test_what_the_survey_knows_outranks_the_errors(case):
    low, high, survey = case
    truth, shape = in_focus(), survey.glass.shape

    def verdicts(**changes: object) -> np.ndarray:
        return Judge(replace(survey, **changes), offset_max_um=3.0)(low, high, truth, None, 0, 0).verdict

    assert (verdicts(glass=np.ones(shape, bool)) == Verdict.GLASS).all()
    assert (verdicts(misregistered=np.ones(shape, bool)) == Verdict.MISREGISTERED).all()
    assert (verdicts(offset_known=np.zeros(shape, bool)) == Verdict.DOUBTFUL).all()
    assert (verdicts(focal_offset_um=np.full(shape, -3.2, np.float32)) == Verdict.COPIED_OUT_OF_RANGE).all()
    assert (verdicts(delta_scale=1.5, delta_scale_sd=0.05) == Verdict.DOUBTFUL).all()
    assert not (verdicts(delta_scale=1.5, delta_scale_sd=0.6) == Verdict.DOUBTFUL).all(), "not known well enough"
    assert not (verdicts(delta_scale=float("nan")) == Verdict.DOUBTFUL).all()


def test_a_stain_that_the_network_never_saw_is_not_believed(case):
    low, high, survey = case
    truth = in_focus()
    random = np.random.default_rng(0)
    own = density(survey.level.reshape(-1, 3), float(survey.white.max()))
    spread = np.exp(-np.maximum(own.mean(axis=0) + 0.05 * random.normal(size=(200, 3)), 0.12))
    colours = Colours.of([spread], stain_jitter=0.1)
    dense = replace(
        survey, level=np.broadcast_to(spread.mean(axis=0), survey.level.shape).astype(np.float32), white=np.ones(3)
    )
    judge = Judge(dense, 3.0, colours)
    assert judge.colour_distance < FARTHEST
    assert (judge(low, high, truth, None, 0, 0).verdict == Verdict.RESTORED).mean() > 0.9
    other = replace(dense, level=np.broadcast_to([0.9, 0.3, 0.9], dense.level.shape).astype(np.float32))
    judge = Judge(other, 3.0, colours)
    assert judge.colour_distance > FARTHEST
    assert (judge(low, high, truth, None, 0, 0).verdict == Verdict.DOUBTFUL).all()
    # one cell of another colour is not believed, and the others are
    level = dense.level.copy()
    level[2, 3] = 0.9, 0.3, 0.9
    found = Judge(replace(dense, level=level), 3.0, colours)(low, high, truth, None, 0, 0).verdict
    assert found[2, 3] == Verdict.DOUBTFUL
    assert (found == Verdict.RESTORED).mean() > 0.9
    assert np.isnan(Judge(dense, 3.0).colour_distance)


def test_near_focus_the_shot_is_copied():
    low, high = shots(DELTA_UM)
    survey = replace(surveyed(low, high), delta_scale=1.0)
    found = Judge(survey, offset_max_um=3.0)(low, high, low.astype(np.float32) / 255, None, 0, 0)
    assert (found.verdict == Verdict.COPIED_GOOD).mean() > 0.9


def test_weights_never_leave_restored_cells_and_are_smooth():
    random = np.random.default_rng(0)
    shares = random.choice([1.0, 0.7, 0.0], (7, 8), p=[0.5, 0.3, 0.2])
    found = weights(shares)
    assert found.shape == (5 * 64, 6 * 64)
    restored = np.kron(shares[1:-1, 1:-1] > 0, np.ones((64, 64), bool))
    assert (found[~restored] == 0).all()
    # smoothstep over half a cell: its slope is at most 1.5 / 32
    assert max(np.abs(np.diff(found, axis=axis)).max() for axis in (0, 1)) < 1.5 / FADE_PX + 1e-6
    assert (found <= np.kron(shares[1:-1, 1:-1], np.ones((64, 64))) + 1e-6).all()
    alone = np.zeros((3, 3))
    alone[1, 1] = 1
    inner = slice(FADE_PX - 1, 64 - FADE_PX + 1)
    np.testing.assert_allclose(weights(alone)[inner, inner], 1, atol=0.01)
    np.testing.assert_allclose(weights(alone), weights(alone)[::-1, ::-1], atol=1e-6)
    assert (weights(np.ones((4, 4))) == 1).all()


def test_beside_a_jump_of_the_shift_restorations_fade_within_a_few_pixels():
    shares, across = np.ones((5, 6)), np.zeros((5, 6), bool)
    across[:, 3], shares[:, 3] = True, 0
    found = weights(shares, across)
    assert (found[:, 128:192] == 0).all()
    distance = np.abs(np.arange(4 * 64) - 159.5) - 32  # of pixels' middles from the misregistered cells' edge
    assert (found[:, distance > FADE_AT_JUMP_PX] == 1).all()
    assert (np.diff(found[:, 192:], axis=1) >= 0).all() and (np.diff(found[:, :128], axis=1) <= 0).all()


def test_weights_of_a_window_are_those_of_the_whole():
    random = np.random.default_rng(1)
    shares = random.uniform(-1, 1, (12, 12)).clip(0)
    whole = weights(shares)
    np.testing.assert_array_equal(weights(shares[3:9, 4:10]), whole[3 * 64 : 7 * 64, 4 * 64 : 8 * 64])
    across = random.random((12, 12)) < 0.2
    whole = weights(shares, across)
    part = weights(shares[3:9, 4:10], across[3:9, 4:10])
    np.testing.assert_array_equal(part, whole[3 * 64 : 7 * 64, 4 * 64 : 8 * 64])


def test_the_share_is_that_of_the_least_error():
    """Errors of copy and restoration with a known correlation: the minimum is found, by search over all shares."""
    random = np.random.default_rng(2)
    copying, restoring = random.uniform(0.5, 2, (2, 50))
    together = random.uniform(-0.5, 0.9, 50) * copying * restoring
    difference = np.sqrt(copying**2 + restoring**2 - 2 * together)
    gain_db = 20 * np.log10(copying / restoring) + CAUTION_DB
    share = share_of_restoration(gain_db, copying, difference)
    every = np.linspace(0, 1, 1001)[:, None]
    squared = (1 - every) ** 2 * copying**2 + every**2 * restoring**2 + 2 * every * (1 - every) * together
    np.testing.assert_allclose(share, every[squared.argmin(axis=0), 0], atol=1e-3)
    least = np.sqrt(squared.min(axis=0))
    independent = np.hypot(share * restoring, (1 - share) * copying)
    found = error_of_mixture(share, restoring, copying, difference)
    np.testing.assert_allclose(found, np.maximum(least, independent), rtol=1e-5)
