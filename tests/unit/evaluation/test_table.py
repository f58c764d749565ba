"""One patch's counts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsva.evaluation.counting.stained_nuclei import TrueNuclei
from tsva.evaluation.counting.table import COLUMNS, COUNTS, count_patch, count_table
from tsva.settings.evaluation import CountSettings

SETTINGS = CountSettings(contrast="none")
PIXEL_UM = 0.345
RADIUS_PX = 9.0


def patch(*centres) -> np.ndarray:
    """Dark disks on pink, (100, 100, 3) uint8."""
    y, x = np.mgrid[:100, :100] + 0.5
    image = np.full((100, 100, 3), (230, 190, 215), np.uint8)
    for cy, cx in centres:
        image[(y - cy) ** 2 + (x - cx) ** 2 <= RADIUS_PX**2] = (90, 60, 130)
    return image


def row(restored: np.ndarray, target: np.ndarray, truth: TrueNuclei | None) -> dict[str, int]:
    return count_patch(restored[None], target, SETTINGS, PIXEL_UM, truth).loc[0].to_dict()


def true_nuclei(*centres) -> TrueNuclei:
    centres_px = np.array(centres, float)
    inside = np.all((centres_px >= 0) & (centres_px < 100), axis=1)
    return TrueNuclei(centres_px, np.full(len(centres), RADIUS_PX), inside)


def test_equal_totals_hide_no_wrong_cells():
    found = row(patch((20, 20), (70, 70)), patch((20, 20), (20, 70)), true_nuclei((20, 20), (20, 70), (60, 40)))
    assert (found["nuclei_restored"], found["nuclei_truth"], found["nuclei_matched"]) == (2, 2, 1)
    assert (found["count_restored"], found["count_truth"], found["count_matched"]) == (2, 2, 1)
    assert (found["true_nuclei"], found["real_restored"], found["found_restored"]) == (3, 1, 1)
    assert (found["real_truth"], found["found_truth"]) == (2, 2)


def test_what_belongs_to_the_patch_beside_is_neither_false_nor_found():
    # Centred 3 pixels above the patch; its lower third is seen, with a centroid 2 or 3 pixels down.
    image = patch((-3, 50), (60, 50))
    found = row(image, image, true_nuclei((-3, 50), (60, 50)))
    assert (found["nuclei_truth"], found["true_nuclei"]) == (2, 1)
    assert (found["real_truth"], found["found_truth"]) == (2, 1)


def test_nothing_to_count():
    found = row(patch(), patch(), true_nuclei((-3, 50)))
    assert set(found) == set(COUNTS) and not any(found.values())


def test_a_data_set_without_patches_has_all_columns():
    table = count_table(pd.DataFrame({"slide": [], "sample": []}), {}, [])
    assert list(table.columns) == list(COLUMNS) and table.empty
