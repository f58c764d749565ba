"""The data set of Jiang et al. 2018, as it lies after unpacking: its slides, its sheet, and what the paper counts.

Where the paper's numbers come from: 162 training tiles with 20 patches each, 17 test tiles of Dataset 1 (Sample1 to 6)
and 32 of Dataset 2 (Sample7 to 13), 35 slides in all.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import pandas as pd

PLANE = re.compile(
    r"(?P<folder>(?:.*/)?(?P<set>[^/]+))/s(?P<slide>\d+)_l(?P<location>\d+)/"
    r"(?:Seg(?P<patch>\d+)_)?defocus(?P<nm>-?\d+)\.jpe?g",
    re.IGNORECASE,
)
"""Path of an image, as the reader of this layout takes it."""
PREFERRED = "incoherent_rgbchannels"
"""Folder that the sets of images in white light lie in."""
PLANES, STEP_NM = 41, 500
SLIDES = 35
COUNT_COLUMNS = ["set", "what", "counted", "paper", "equal"]
DEVIATION_COLUMNS = ["set", "location", "deviation"]
SHEET_COLUMNS = ["slide", "patient", "sample", "role", "source", "path"]


@dataclass(frozen=True)
class ImageSet:
    """A set of the paper: how its folder is called, and how much there is of it."""

    role: Literal["train", "dataset1", "dataset2"]
    folder: str
    prefix: str
    first_sample: int
    slides: int | None
    tiles: int
    patches: int


SETS = (
    ImageSet("train", "train_incoherent_rgbchannels", "T", 0, None, 162, 3240),
    ImageSet("dataset1", "testrawdata_incoherent_sameprotocol", "D1", 1, 6, 17, 340),
    ImageSet("dataset2", "testrawdata_incoherent_diffprotocol", "D2", 7, 7, 32, 640),
)


@dataclass(frozen=True)
class Tile:
    """A location of a slide.

    Attributes
    ----------
    folder : str
        That all locations of its set lie in.
    slide, location : int
        Its numbers.
    patches : frozenset of int
        Numbers of its patches; none for a whole field.
    nm : tuple of int
        Heights of its planes in nanometres, rising.
    first : str
        Path of one of its images.
    """

    folder: str
    slide: int
    location: int
    patches: frozenset[int]
    nm: tuple[int, ...]
    first: str

    @property
    def name(self) -> str:
        """As its folder is called."""
        return f"s{self.slide}_l{self.location}"


@dataclass(frozen=True)
class Found:
    """What there is of one set, and where else there is something of that name."""

    set: ImageSet
    tiles: tuple[Tile, ...]
    elsewhere: tuple[str, ...]

    @property
    def slides(self) -> list[int]:
        """Numbers of its slides, rising."""
        return sorted({tile.slide for tile in self.tiles})


def is_needed(name: str) -> bool:
    """Whether a path is an image of one of the sets."""
    match = PLANE.fullmatch(name)
    return match is not None and match["set"].lower() in {of_set.folder for of_set in SETS}


def find_sets(names: Iterable[str]) -> list[Found]:
    """Find the paper's sets wherever their folders lie.

    Parameters
    ----------
    names : iterable of str
        Paths of files, with ``/``.

    Returns
    -------
    list of Found
        One for each of `SETS`. Where folders of one name lie in several places, that below ``incoherent_RGBchannels``
        is taken, else that with the most locations, else the first by name.
    """
    images: dict[str, dict[tuple[int, int], list[tuple[str, int, int]]]] = defaultdict(lambda: defaultdict(list))
    folders: dict[str, set[str]] = defaultdict(set)
    for name in names:
        match = PLANE.fullmatch(name)
        if match is not None:
            folder, place = match["folder"], (int(match["slide"]), int(match["location"]))
            images[folder][place].append((name, int(match["nm"]), int(match["patch"] or -1)))
            folders[match["set"].lower()].add(folder)
    found = []
    for of_set in SETS:
        there = sorted(
            folders[of_set.folder],
            key=lambda folder: (PREFERRED not in folder.lower().split("/")[:-1], -len(images[folder]), folder),
        )
        tiles = [_tile(there[0], *place, files) for place, files in sorted(images[there[0]].items())] if there else []
        found.append(Found(of_set, tuple(tiles), tuple(there[1:])))
    return found


def _tile(folder: str, slide: int, location: int, files: list[tuple[str, int, int]]) -> Tile:
    return Tile(
        folder,
        slide,
        location,
        frozenset(patch for _, _, patch in files if patch >= 0),
        tuple(sorted({nm for _, nm, _ in files})),
        min(files)[0],
    )


def sheet_rows(found: Sequence[Found]) -> pd.DataFrame:
    """Rows of the slide sheet: a slide of a set each, its samples numbered by rising slide number.

    Parameters
    ----------
    found : sequence of Found
        The sets.

    Returns
    -------
    DataFrame
        `SHEET_COLUMNS`. Nothing is known of patients, so every slide counts as one of its own.
    """
    rows = []
    for part in found:
        folder = {tile.slide: tile.folder for tile in part.tiles}
        for number, slide in enumerate(part.slides):
            name = f"{part.set.prefix}-s{slide}"
            sample = f"Sample{part.set.first_sample + number}" if part.set.first_sample else "training"
            rows.append([name, name, sample, part.set.role, "jiang2018", f"{folder[slide]}/s{slide}_l*"])
    return pd.DataFrame(rows, columns=SHEET_COLUMNS)


def compare(found: Sequence[Found], test_patches: Mapping[str, int]) -> pd.DataFrame:
    """Count tiles, patches and slides beside what the paper says.

    Parameters
    ----------
    found : sequence of Found
        The sets.
    test_patches : mapping of str to int
        Whole patches of a test tile, by the path of its first image.

    Returns
    -------
    DataFrame
        `COUNT_COLUMNS`; `equal` is 1 or 0.
    """
    rows: list[tuple[str, str, int, int]] = []
    for part in found:
        patches = sum(len(tile.patches) or test_patches.get(tile.first, 0) for tile in part.tiles)
        rows.append((part.set.role, "tiles", len(part.tiles), part.set.tiles))
        rows.append((part.set.role, "patches", patches, part.set.patches))
        if part.set.slides is not None:
            rows.append((part.set.role, "slides", len(part.slides), part.set.slides))
    rows.append(("all", "slides", sum(len(part.slides) for part in found), SLIDES))
    return pd.DataFrame([(*row, int(row[2] == row[3])) for row in rows], columns=COUNT_COLUMNS)


def deviations(found: Sequence[Found], counts: pd.DataFrame) -> pd.DataFrame:
    """What is not as the paper or the layout has it, a row each.

    Parameters
    ----------
    found : sequence of Found
        The sets.
    counts : DataFrame
        From `compare`.

    Returns
    -------
    DataFrame
        `DEVIATION_COLUMNS`.
    """
    rows = [
        (row["set"], "", f"{row['counted']} {row['what']}, not {row['paper']}")
        for row in counts.to_dict("records")
        if not row["equal"]
    ]
    for part in found:
        role = part.set.role
        rows += [(role, "", f"also in {folder}, which is not used") for folder in part.elsewhere]
        usual = Counter(len(tile.patches) for tile in part.tiles).most_common(1)
        for tile in part.tiles:
            if len(tile.nm) != PLANES:
                rows.append((role, tile.name, f"{len(tile.nm)} planes, not {PLANES}"))
            if any(high - low != STEP_NM for low, high in pairwise(tile.nm)):
                rows.append((role, tile.name, f"planes that are not {STEP_NM} nm apart throughout"))
            if len(tile.patches) != usual[0][0]:
                rows.append((role, tile.name, f"{len(tile.patches)} patches, where most have {usual[0][0]}"))
    train = set(found[0].slides)
    for part in found[1:]:
        both = sorted(train & set(part.slides))
        if both:
            numbers = ", ".join(f"s{slide}" for slide in both)
            rows.append(
                (
                    part.set.role,
                    "",
                    f"slide numbers that training has too ({numbers}): nobody says whether they are the same slides",
                )
            )
    return pd.DataFrame(rows, columns=DEVIATION_COLUMNS)
