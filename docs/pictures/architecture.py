"""The package as its imports make it: a room for every subpackage, with the first sentence of its docstring.

    python docs/pictures/architecture.py docs/architecture.svg

Rows are the layers of the contract "Downward only" in pyproject.toml. The script stops where a room imports from a
higher one or one beside it, where rooms import each other in a circle, where a room says nothing of itself, and where
there are more than twelve. Arrows that follow from others are left out: a room may use all that it reaches.
Modules beside the rooms are listed above the picture.

The layout is that of Sugiyama et al. (1981): a long arrow gets a place in each row that it passes, places are ordered
so that few arrows cross, and then moved sideways towards what they are joined to.
"""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from itertools import combinations, pairwise, permutations
from pathlib import Path

import click
import networkx as nx
from grimp import build_graph

ROOT = Path(__file__).resolve().parents[2]
MOST_ROOMS = 12
ROOM_PX, LANE_PX, GAP_PX = 250, 20, 36
LINE_PX, PADDING_PX, ROW_GAP_PX, MARGIN_PX = 17, 12, 44, 24
LETTERS_A_LINE = 32
SWEEPS = 24
STYLE = """
 text { font: 13px sans-serif; fill: #222; }
 .name { font: bold 15px monospace; }
 .note { font-size: 12px; fill: #555; }
 .room { fill: #f4f7fb; stroke: #40618f; stroke-width: 1.2; }
 .arrow { fill: none; stroke: #40618f; stroke-width: 1.4; marker-end: url(#head); }
"""


class StructureError(Exception):
    """The imports are such that the picture would be untrue or too crowded."""


@dataclass
class Place:
    """A room, or (without a name) the lane of a long arrow past a row; `x` is its middle."""

    name: str = ""
    x: float = 0.0
    up: list[Place] = field(default_factory=list)
    down: list[Place] = field(default_factory=list)

    @property
    def width(self) -> int:
        """In pixels."""
        return ROOM_PX if self.name else LANE_PX


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
def main(path: Path) -> None:
    """Draw the structure to PATH."""
    try:
        path.write_text(drawn(), encoding="utf-8")
    except StructureError as error:
        raise click.ClickException(str(error)) from None


def drawn() -> str:
    """The picture of the package as it is."""
    layers = layers_of((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    names = {name for layer in layers for name in layer}
    rooms = {name: sentence_of(f"{name}/__init__.py") for name in sorted(names)}
    files = [path.name for path in sorted((ROOT / "tsva").glob("*.py")) if path.stem != "__init__"]
    return picture(layers, imports_between(names), rooms, {name: sentence_of(name) for name in files})


def layers_of(pyproject: str) -> list[list[str]]:
    """Rooms from the highest layer to the lowest; a layer that is a lone module is none.

    Raises
    ------
    StructureError
        If the contract leaves out a subpackage.
    """
    contracts = tomllib.loads(pyproject)["tool"]["importlinter"]["contracts"]
    (layered,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    rooms = {path.parent.name for path in (ROOT / "tsva").glob("*/__init__.py")}
    layers = [[name.strip().removeprefix("tsva.") for name in line.split("|")] for line in layered]
    if missing := rooms - {name for layer in layers for name in layer}:
        raise StructureError(f"no layer of pyproject.toml has {', '.join(sorted(missing))}")
    return [kept for layer in layers if (kept := [name for name in layer if name in rooms])]


def imports_between(rooms: set[str]) -> set[tuple[str, str]]:
    """Which room imports from which, wherever in a module the import stands."""
    graph = build_graph("tsva", cache_dir=None)
    found = set()
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            pair = (f"{module}.".split(".")[1], f"{other}.".split(".")[1])
            if pair[0] != pair[1] and rooms.issuperset(pair):
                found.add(pair)
    return found


def sentence_of(file: str) -> str:
    """The first sentence of the docstring of a file of the package."""
    text = ast.get_docstring(ast.parse((ROOT / "tsva" / file).read_text(encoding="utf-8"))) or ""
    return re.split(r"(?<=\.)\s|\n\n", text, maxsplit=1)[0].replace("\n", " ").strip()


def check(layers: list[list[str]], edges: set[tuple[str, str]], sentences: dict[str, str]) -> None:
    """Raise StructureError where the picture would break a rule of this project."""
    rows = {name: row for row, layer in enumerate(layers) for name in layer}
    if len(rows) > MOST_ROOMS:
        raise StructureError(f"{len(rows)} rooms, wanted {MOST_ROOMS} at most: {', '.join(rows)}")
    if silent := [name for name in rows if not sentences[name].endswith(".")]:
        raise StructureError(
            f"no sentence in the docstring of {', '.join(f'tsva/{name}/__init__.py' for name in silent)}"
        )
    if circles := list(nx.simple_cycles(nx.DiGraph(sorted(edges)))):
        raise StructureError(f"rooms that import each other: {circles}")
    if up := sorted((a, b) for a, b in edges if rows[a] >= rows[b]):
        raise StructureError("imports that don't run down: " + ", ".join(f"{a} from {b}" for a, b in up))


def picture(
    layers: list[list[str]],
    edges: set[tuple[str, str]],
    sentences: dict[str, str],
    beside: dict[str, str] | None = None,
) -> str:
    """The drawing as SVG.

    Parameters
    ----------
    layers : list of list of str
        Names of rooms, from the highest layer to the lowest.
    edges : set of (str, str)
        Who imports from whom.
    sentences : dict of str
        What each room says of itself.
    beside : dict of str, optional
        What each module beside the rooms says of itself, by its file's name.

    Raises
    ------
    StructureError
        See `check`.
    """
    check(layers, edges, sentences)
    graph = nx.DiGraph(sorted(edges))
    kept = sorted(nx.transitive_reduction(graph).edges)
    rows = placed(layers, kept)
    arrange(rows)
    spread(rows)
    return svg(rows, sentences, beside or {})


def placed(layers: list[list[str]], edges: list[tuple[str, str]]) -> list[list[Place]]:
    """Rows of places, joined from row to row."""
    rows = [[Place(name) for name in layer] for layer in layers]
    where = {place.name: (number, place) for number, row in enumerate(rows) for place in row}
    for start, end in edges:
        (number, place), (last, target) = where[start], where[end]
        for row in rows[number + 1 : last]:
            lane = Place()
            row.append(lane)
            join(place, lane)
            place = lane
        join(place, target)
    return rows


def join(upper: Place, lower: Place) -> None:
    """An arrow's part between two rows."""
    upper.down.append(lower)
    lower.up.append(upper)


def arrange(rows: list[list[Place]]) -> None:
    """Order each row so that few arrows cross: all orders of a row are tried, down and up in turns."""
    for sweep in range(SWEEPS):
        before = [list(row) for row in rows]
        for number in range(len(rows)) if sweep % 2 == 0 else reversed(range(len(rows))):
            around = [rows[n] for n in (number - 1, number + 1) if 0 <= n < len(rows)]
            rows[number] = list(min(orders(rows[number]), key=lambda row, beside=around: crossings(row, beside)))
        if sweep and before == rows:
            return


def orders(row: list[Place]) -> Iterable[tuple[Place, ...]]:
    """All orders of a row, the present one first; of long rows, those that swap two places."""
    if len(row) <= 7:
        return permutations(row)
    swaps = [tuple(row)]
    for a, b in combinations(range(len(row)), 2):
        other = list(row)
        other[a], other[b] = other[b], other[a]
        swaps.append(tuple(other))
    return swaps


def crossings(row: tuple[Place, ...], around: list[list[Place]]) -> tuple[int, int]:
    """Arrows that cross between a row and those around it, and how far arrows run sideways."""
    crossed, sideways = 0, 0
    for other in around:
        order = {id(place): number for number, place in enumerate(other)}
        ends = [(n, order[id(p)]) for n, place in enumerate(row) for p in (*place.up, *place.down) if id(p) in order]
        crossed += sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(ends, 2))
        sideways += sum(abs(2 * a - len(row) - 2 * b + len(other)) for a, b in ends)
    return crossed, sideways


def spread(rows: list[list[Place]]) -> None:
    """Give every place its `x`: near the mean of what it is joined to, with room between neighbours."""
    for row in rows:
        total = sum(place.width + GAP_PX for place in row)
        left = -total / 2
        for place in row:
            place.x = left + place.width / 2
            left += place.width + GAP_PX
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = [sum(p.x for p in joined) / len(joined) if (joined := [*q.up, *q.down]) else q.x for q in row]
            for place, x in zip(row, apart(row, wanted), strict=True):
                place.x = x


def apart(row: list[Place], wanted: list[float]) -> list[float]:
    """Middles as near to those wanted as the places' widths allow, in the least squares' sense."""
    offsets = [0.0]
    for a, b in pairwise(row):
        offsets.append(offsets[-1] + (a.width + b.width) / 2 + GAP_PX)
    groups: list[list[float]] = []  # sum and number of positions that are pushed together
    for x, offset in zip(wanted, offsets, strict=True):
        groups.append([x - offset, 1])
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] > groups[-1][0] / groups[-1][1]:
            total, number = groups.pop()
            groups[-1][0] += total
            groups[-1][1] += number
    middles = [total / number for total, number in groups for _ in range(int(number))]
    return [middle + offset for middle, offset in zip(middles, offsets, strict=True)]


def svg(rows: list[list[Place]], sentences: dict[str, str], beside: dict[str, str]) -> str:
    """Rooms as boxes, arrows as curves from a room's lower edge to another's upper edge."""
    lines = {name: textwrap.wrap(sentence, LETTERS_A_LINE) for name, sentence in sentences.items()}
    left = min(place.x - place.width / 2 for row in rows for place in row) - MARGIN_PX
    width = max(place.x + place.width / 2 for row in rows for place in row) + MARGIN_PX - left
    tops, bottoms = [], []
    top = MARGIN_PX + (2.0 + len(beside)) * LINE_PX
    for row in rows:
        tops.append(top)
        most = max(len(lines[place.name]) for place in row if place.name)
        bottoms.append(top + 2 * PADDING_PX + (most + 1) * LINE_PX)
        top = bottoms[-1] + ROW_GAP_PX
    boxes = [
        part
        for number, row in enumerate(rows)
        for place in row
        if place.name
        for part in box(place, lines[place.name], left, tops[number], bottoms[number])
    ]
    arrows = [
        f'<path class="arrow" d="{curve(way, left, tops, bottoms, number)}"/>'
        for number, row in enumerate(rows)
        for place in row
        if place.name
        for way in ways(place)
    ]
    notes = ["tsva: an arrow says “uses”; arrows that follow from others are left out. Modules beside the rooms:"]
    notes += [f"{name}: {sentence.replace('``', '')}" for name, sentence in beside.items()]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {top - ROW_GAP_PX + MARGIN_PX:.0f}" '
            'role="img" aria-label="The package\'s structure">',
            f"<style>{STYLE}</style>",
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 8 4 0 8z" fill="#40618f"/></marker></defs>',
            '<rect width="100%" height="100%" fill="white"/>',
            *(
                f'<text class="note" x="{MARGIN_PX}" y="{MARGIN_PX + line * LINE_PX - 4}">{escape(note)}</text>'
                for line, note in enumerate(notes, start=1)
            ),
            *arrows,
            *boxes,
            "</svg>",
            "",
        ]
    )


def box(place: Place, lines: list[str], left: float, top: float, bottom: float) -> Iterable[str]:
    """A room: its frame, its name and its sentence."""
    x, y = place.x - place.width / 2 - left, top + PADDING_PX + LINE_PX - 4
    yield f'<rect class="room" x="{x:.0f}" y="{top:.0f}" width="{place.width}" height="{bottom - top:.0f}" rx="6"/>'
    yield f'<text class="name" x="{x + PADDING_PX:.0f}" y="{y:.0f}">{place.name}</text>'
    for number, line in enumerate(lines, start=1):
        yield f'<text x="{x + PADDING_PX:.0f}" y="{y + number * LINE_PX:.0f}">{escape(line)}</text>'


def ways(place: Place) -> Iterable[list[Place]]:
    """From a room along each of its arrows to the next room."""
    for below in sorted(place.down, key=lambda other: other.x):
        way = [place, below]
        while not way[-1].name:
            way += way[-1].down
        yield way


def curve(way: list[Place], left: float, tops: list[float], bottoms: list[float], number: int) -> str:
    """An arrow's path: curves between rows, straight lines past them."""
    x, y = port(way[0], way[0].down, way[1]) - left, bottoms[number]
    parts = [f"M{x:.0f} {y:.0f}"]
    for row, (before, place) in enumerate(pairwise(way), start=number + 1):
        end, y_end = port(place, place.up, before) - left, tops[row]
        bend = (y + y_end) / 2
        parts.append(f"C{x:.0f} {bend:.0f} {end:.0f} {bend:.0f} {end:.0f} {y_end:.0f}")
        if not place.name:
            parts.append(f"V{bottoms[row]:.0f}")
        x, y = end, bottoms[row]
    return " ".join(parts)


def port(place: Place, joined: list[Place], other: Place) -> float:
    """Where on a place's edge an arrow from or to `other` is: side by side in the order of where they lead."""
    order = [id(p) for p in sorted(joined, key=lambda p: p.x)]
    return place.x + place.width * ((order.index(id(other)) + 1) / (len(order) + 1) - 0.5)


if __name__ == "__main__":
    main()
