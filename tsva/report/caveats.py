"""What limits a verdict: columns that hand over the target, and networks that have not learned their task."""

from __future__ import annotations

from collections.abc import Container, Sequence

from tsva.report.duels import Row
from tsva.report.names import NOTHING, method_name, offsets, plain
from tsva.settings.pairs import PairsSettings


def handed_over(dataset: str, scores: Sequence[Row], pairs: PairsSettings) -> list[str]:
    """What doing nothing scores where a shot is the target plane."""
    found = [
        row
        for row in scores
        if (row["dataset"], row["method"], row["protocol"], row["target"]) == (dataset, NOTHING, "paper", "captured")
        and row["sample"] is None
        and row["focal_offset_um"] is not None
        and row["focal_offset_um"] not in pairs.strict_offsets_um
    ]
    identical, shots = (sum(row[key] for row in found) for key in ("identical_patches", "patches"))
    if not identical:
        return []
    where = offsets(row["focal_offset_um"] for row in found)
    return [
        f"At ΔD = {where} one shot is the target plane itself: Y1 equals the target pixel for pixel {identical} times "
        f"in {shots}, which no method can beat. The strict average leaves these columns out."
    ]


def not_learned(methods: Container[str], training: Sequence[Row]) -> list[str]:
    """Networks below doing nothing on their own verification patches, the like of which they were trained on."""
    found = []
    for row in training:
        ours, nothing = row["verification_psnr_db"], row["verification_y1_psnr_db"]
        if row["network"] in methods and ours is not None and nothing is not None and ours < nothing:
            found.append(
                f"Even on its verification patches {method_name(row['network'])} stays below Y1 as captured "
                f"({plain(ours, 2)} against {plain(nothing, 2)} dB): as trained here it has not learned to refocus, "
                "and a comparison with it does not tell what it could do."
            )
    return found
