"""The data's quality as a traffic light: what was found of the slides, beside limits that are stated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tsva.evaluation.names import dataset_name, method_name, percent, plain

LEVELS = ("good", "check", "bad")
WORDS = {"good": "Good", "check": "Look at the inputs", "bad": "Do not rely on it"}
"""What the light says at each level."""
MOST = 6
"""Places named in a finding; the tables name all."""
FEWEST_FIELDS = 8
"""Fields from which the scatter of focal positions is judged."""


@dataclass(frozen=True)
class Limit:
    """Values up to `good` are good, values beyond `bad` are bad; `rising` false: the other way round."""

    good: float
    bad: float
    rising: bool = True

    def level(self, value: float) -> str:
        """good, check or bad."""
        sign = 1 if self.rising else -1
        if sign * value <= sign * self.good:
            return "good"
        return "bad" if sign * value > sign * self.bad else "check"


SLIDES = Limit(5, 2, rising=False)
USABLE = Limit(0.9, 0.5, rising=False)
EDGE = Limit(0.05, 0.25)
BRIGHTNESS = Limit(0.01, 0.05)
SHIFT_PX = Limit(2.0, 8.0)
EDGE_SHIFT_PX = Limit(1.0, 4.0)
OWN_PLANE = Limit(0.75, 0.5, rising=False)
SPREAD = Limit(2.0, 4.0)


def quality(
    datasets: Sequence[Mapping[str, Any]],
    slides: Sequence[Mapping[str, Any]],
    focus: Mapping[str, Any],
    training: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Judge the data of a run.

    Parameters
    ----------
    datasets, focus, training
        Those parts of the summary.
    slides : sequence of mappings
        As `slide_facts` returns.

    Returns
    -------
    dict
        `level` (good, check, bad: the worst of the checks), `words`, and `checks`: `check`, `level`, `found`, `wanted`,
        `where` (slides or methods that are the reason; empty for a good level).
    """
    checks = [
        *(_slides(dataset) for dataset in datasets),
        *_fields(slides),
        *_most(slides, "brightness_spread", "Brightness of the planes of a field", BRIGHTNESS, _share),
        *_most(slides, "max_shift_px", "Shift between planes", SHIFT_PX, _pixels),
        *_most(slides, "max_edge_shift_px", "Magnification: shift at the field’s edge", EDGE_SHIFT_PX, _pixels),
        *_spread(focus),
        *(_own_plane(dataset) for dataset in datasets if dataset["patches"]),
        *_learned(training),
    ]
    level = max((check["level"] for check in checks), key=LEVELS.index, default="check")
    return {"level": level, "words": WORDS[level], "checks": checks}


def _check(check: str, level: str, found: str, wanted: str, where: Sequence[str] = ()) -> dict[str, Any]:
    return {"check": check, "level": level, "found": found, "wanted": wanted, "where": list(where)[:MOST]}


def _slides(dataset: Mapping[str, Any]) -> dict[str, Any]:
    name, number = dataset_name(dataset["dataset"]), dataset["slides"]
    found = f"{number} slide" + ("" if number == 1 else "s")
    return _check(f"Slides of {name}", SLIDES.level(number), found, "at least 5")


def _fields(slides: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    judged = [slide for slide in slides if slide["judged"]]
    fields = sum(slide["judged"] for slide in judged)
    if not fields:
        return []
    usable, edge = sum(slide["usable"] for slide in judged) / fields, sum(slide["edge"] for slide in judged) / fields
    poor = [slide["slide"] for slide in judged if USABLE.level(slide["usable"] / slide["judged"]) != "good"]
    cut = [slide["slide"] for slide in judged if slide["edge"]]
    levels = USABLE.level(usable), EDGE.level(edge)
    return [
        _check("Fields with an in-focus plane", levels[0], percent(usable), "at least 90\u202f%", poor),
        _check("Fields in focus at the stack’s edge", levels[1], percent(edge), "at most 5\u202f%", cut),
    ]


def _most(slides: Sequence[Mapping[str, Any]], key: str, check: str, limit: Limit, words: Any) -> list[dict[str, Any]]:
    """The largest value of all slides against a limit."""
    known = [slide for slide in slides if slide.get(key) is not None]
    if not known:
        return []
    largest = max(slide[key] for slide in known)
    over = [slide["slide"] for slide in sorted(known, key=lambda slide: -slide[key]) if slide[key] > limit.good]
    return [_check(check, limit.level(largest), f"up to {words(largest)}", f"at most {words(limit.good)}", over)]


def _spread(focus: Mapping[str, Any]) -> list[dict[str, Any]]:
    found, assumed = focus["offsets"], focus["assumed_sd_um"]
    if found["fields"] < FEWEST_FIELDS or not found["sd_um"] or not assumed:
        return []
    factor = max(found["sd_um"] / assumed, assumed / found["sd_um"])
    words = f"{plain(found['sd_um'], 2)} µm"
    wanted = f"{plain(assumed / 2, 2)} to {plain(2 * assumed, 2)} µm"
    return [_check("Standard deviation of focal positions", SPREAD.level(factor), words, wanted)]


def _own_plane(dataset: Mapping[str, Any]) -> dict[str, Any]:
    share = dataset["own_plane_patches"] / dataset["patches"]
    name = dataset_name(dataset["dataset"])
    check = f"Patches of {name} sharpest in their target’s plane"
    return _check(check, OWN_PLANE.level(share), percent(share), "at least 75\u202f%")


def _learned(training: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Whether each network is above doing nothing on its own verification patches."""
    known = [
        row
        for row in training
        if row["verification_psnr_db"] is not None and row["verification_y1_psnr_db"] is not None
    ]
    if not known:
        return []
    below = [row["network"] for row in known if row["verification_psnr_db"] <= row["verification_y1_psnr_db"]]
    level = "good" if not below else "check" if len(below) < len(known) else "bad"
    found = f"{len(known) - len(below)} of {len(known)}"
    return [_check("Networks above Y1 in verification", level, found, "all", [method_name(name) for name in below])]


def _share(value: float) -> str:
    return f"{plain(100 * value, 1)}\u202f%"


def _pixels(value: float) -> str:
    return f"{plain(value, 1)} px"
