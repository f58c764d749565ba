"""Whether planes that are read one after the other are a stack: each a plane of its own, and like its neighbours."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from tsva.errors import UserError

SAMPLED_PX = 64
"""Pixels along an edge that planes are compared on."""
LEAST_PLANES = 6
"""Of which a period can be told: two of the shortest twice, and one more."""
MUCH_LIKER = 0.6
"""Differences between planes a period apart over those between neighbours, below which the period is one."""
LEAST_DIFFERENCE = 0.005
"""Of neighbours, over their brightness: below, all planes look alike."""
STILL = 0.8
"""Differences between pictures of one plane over those to the next plane, below which a plane was taken repeatedly."""
LONGEST_PERIOD, MOST_COMPARED = 64, 1000
"""Planes after which repetition is looked for, and planes that are compared: a header may tell of thousands."""
LEAST_REPEATED = 4
"""Planes of which repeated pictures can be told."""
MOST_CHANNELS, JUMP = 4, 2.0
"""Channels that may follow each other, and how much more planes differ there than just before and after."""


def as_stack(planes: Iterable[np.ndarray], names: Sequence[str], where: str) -> Iterator[np.ndarray]:
    """Planes as they come; those of no stack are refused once they have been seen.

    Parameters
    ----------
    planes : iterable of (Y, X, C) uint8 arrays
        In order of rising z.
    names : sequence of str
        What to call each plane.
    where : str
        The file, for messages.

    Raises
    ------
    UserError
        If two planes are the same to the last pixel, or planes some places apart are much more like each other than
        neighbours are: channels or points of time were stored between them.
    """
    seen: dict[tuple[int, ...], int] = {}
    samples: list[np.ndarray] = []
    for number, plane in enumerate(planes):
        sample = _sample(plane)
        if np.ptp(sample) > 0:
            key = (zlib.crc32(np.ascontiguousarray(plane).data), *plane.shape)
            if key in seen:
                raise UserError(
                    where,
                    got=f"the same pixels twice ({names[seen[key]]} and {names[number]})",
                    wanted="planes that were each recorded",
                    do="Take one of them out, or export the stack again.",
                )
            seen[key] = number
        if len(samples) < MOST_COMPARED:
            samples.append(sample)
        yield plane
    if len(samples) >= LEAST_PLANES and len({sample.shape for sample in samples}) == 1:
        _check_repeats(np.stack(samples), where)
    period = _period(samples)
    if period is not None:
        raise UserError(
            where,
            got=f"planes of which every {_ordinal(period)} is alike, and neighbours are not: channels or points of time"
            " are stored between planes",
            wanted="planes along z alone, each grey or RGB",
            do="Export one channel as grey or all as RGB (Fiji: Image > Hyperstacks > Stack to Hyperstack).",
        )


def _sample(plane: np.ndarray) -> np.ndarray:
    """Grey values of some pixels of a plane."""
    rows, columns = (max(1, size // SAMPLED_PX) for size in plane.shape[:2])
    return plane[::rows, ::columns].mean(axis=2, dtype=np.float32)


def _period(samples: list[np.ndarray]) -> int | None:
    """After how many planes they look alike again, where neighbours don't, or where they jump; None for a stack.

    Planes are compared after division by their brightness, so that a lamp that flickers makes no period.
    """
    count = len(samples)
    if count < LEAST_PLANES or len({sample.shape for sample in samples}) > 1:
        return None
    stack = _at_one_brightness(np.stack(samples))
    # channels one by one repeat after a part of all planes
    periods = {*range(1, min(LONGEST_PERIOD, count // 2) + 1), *(count // n for n in range(2, MOST_CHANNELS + 1))}
    apart = {k: float(np.abs(stack[k:] - stack[:-k]).mean()) for k in sorted(periods)}
    if apart[1] <= LEAST_DIFFERENCE:
        return None
    best = min(apart, key=lambda k: apart[k])
    if best > 1 and apart[best] < MUCH_LIKER * apart[1]:
        return best
    return _jumps(np.abs(np.diff(stack, axis=0)).mean(axis=(1, 2)))


def _check_repeats(stack: np.ndarray, where: str) -> None:
    """Refuse several pictures of each plane: differences then rise and fall with their number, all along the stack."""
    differences = np.abs(np.diff(_at_one_brightness(stack), axis=0)).mean(axis=(1, 2))
    for pictures in range(2, MOST_CHANNELS + 1):
        # about focus, differences have two maxima: what rises and falls three times is no defocus
        if len(stack) % pictures or len(stack) // pictures < LEAST_REPEATED:
            continue
        steps = np.arange(len(differences)) % pictures == pictures - 1
        within = np.array([differences[i : i + pictures - 1].max() for i in range(0, len(stack), pictures)])
        between = differences[steps]
        # of each plane the nearer of its neighbours
        beside = np.minimum(np.append(between, np.inf), np.append(np.inf, between))
        if np.all(within < STILL * beside):
            raise UserError(
                where,
                got=f"{pictures} pictures of each plane",
                wanted="one picture a plane",
                do="Average them, or export one point of time.",
            )


def _at_one_brightness(stack: np.ndarray) -> np.ndarray:
    return stack / np.maximum(stack.mean(axis=(1, 2), keepdims=True), 1)


def _jumps(differences: np.ndarray) -> int | None:
    """After how many planes neighbours differ much, and nowhere else; None if they don't: channels one by one."""
    count = len(differences) + 1
    for channels in range(2, MOST_CHANNELS + 1):
        length = count // channels
        if count % channels or length < LEAST_PLANES // 2:
            continue
        at = np.arange(1, channels) * length - 1
        beside = np.maximum(differences[at - 1], differences[at + 1])
        if np.all(differences[at] > JUMP * beside):
            return length
    return None


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")
