"""Counts that show how easily the package is read and loaded. Prints one JSON object.

    python benchmarks/structure.py [--limits benchmarks/structure_limits.toml]

With `--limits` the counts are compared with the limits of that file; each one that is broken is written to standard
error with what to look at, and the status is 1.

`modules` leaves out `__init__` files that hold nothing but a docstring. `names_shared` leaves out `tsva.cli` and
`tsva.settings`, whose modules have the name of the stage that they serve. `behind` counts the modules whose code
decides the digest of a stage; `[rooms]` of the limits lists the packages that they may come from. `reading` reads a
stack of 27 planes from the user's OME-TIFF (and a stack of the ingest stage): every opening of the file by anyone,
openings by tifffile, and parses of an XML document. `import_s` is the least of some fresh interpreters.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any
from xml.etree import ElementTree

import networkx as nx
import numpy as np
import tifffile
from grimp import ImportGraph, build_graph

from tsva.acquisition.stack import Stack
from tsva.cli.main import COMMANDS
from tsva.pipeline.fingerprint import files_behind
from tsva.readers.fields import find_fields
from tsva.readers.stack_file import read_stack, write_stack
from tsva.settings.sheet import SlideRow

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tsva"
PARALLEL = (("cli",), ("settings",))
PLANES = 27
INTERPRETERS = 5
TIMER = "import time; start = time.perf_counter(); import tsva; print(time.perf_counter() - start)"


def main() -> None:
    """Count, print, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limits", type=Path, help="TOML: at_most and at_least by the name of a count.")
    limits = parser.parse_args().limits
    found = counts()
    print(json.dumps(found, indent=1))
    broken = list(over_limits(found, tomllib.loads(limits.read_text()))) if limits else []
    for line in broken:
        print(line, file=sys.stderr)
    sys.exit(1 if broken else 0)


def counts() -> dict[str, Any]:
    """All counts by name, in groups."""
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in modules()}
    largest = sorted(lines, key=lambda path: lines[path])[-5:]
    shared = names_shared()
    return {
        "modules": len(lines),
        "median_lines": median(lines.values()),
        "largest_lines": {path.relative_to(ROOT).as_posix(): lines[path] for path in reversed(largest)},
        "fmt_skip": fmt_skips(),
        "names_shared": shared,
        "files_sharing_a_name": sum(map(len, shared.values())),
        "circles": circles(),
        "behind": behind(),
        "reading": reading(),
        "import_s": round(min(import_times_s()), 4),
    }


def modules() -> list[Path]:
    """Files with code in them."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if not is_marker(path)]


@cache
def is_marker(path: Path) -> bool:
    """Whether a file makes a folder a package and does nothing else."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return path.name == "__init__.py" and all(
        isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) for line in body
    )


def names_shared() -> dict[str, list[str]]:
    """File names that several modules outside of `PARALLEL` have, and their folders."""
    places = defaultdict(list)
    for path in modules():
        folder = path.relative_to(PACKAGE).parent
        if path.name != "__init__.py" and folder.parts[:1] not in PARALLEL:
            places[path.stem].append(folder.as_posix())
    return {name: folders for name, folders in sorted(places.items()) if len(folders) > 1}


def fmt_skips() -> dict[str, int]:
    """Files of the repository that switch the formatter off, and how often."""
    marker = "# fmt: " + "skip"
    files = [path for folder in ("tsva", "tests", "benchmarks", "docs") for path in (ROOT / folder).rglob("*.py")]
    found = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count(marker) for path in files}
    return {file: number for file, number in sorted(found.items()) if number}


@cache
def imports() -> ImportGraph:
    """Who imports whom."""
    return build_graph("tsva", cache_dir=None)


def circles() -> list[list[str]]:
    """Groups of modules that import each other, wherever in a module the import stands, but for annotations alone."""
    graph = build_graph("tsva", cache_dir=None, exclude_type_checking_imports=True)
    edges = [(name, other) for name in graph.modules for other in graph.find_modules_directly_imported_by(name)]
    return sorted(sorted(group) for group in nx.strongly_connected_components(nx.DiGraph(edges)) if len(group) > 1)


def stages() -> dict[str, str]:
    """The module of the command of every stage that a rule runs."""
    rules = "".join(path.read_text() for path in sorted((ROOT / "workflow").rglob("*.smk")))
    by_stage = {name.replace("-", "_"): module for name, module in COMMANDS.items()}
    return {stage: by_stage[stage] for stage in sorted(set(re.findall(r"\bcode\(\s*[\"'](\w+)[\"']", rules)))}


def behind() -> dict[str, int]:
    """Modules behind the digest of every stage."""
    return {stage: len(modules_behind(module)) for stage, module in stages().items()}


@cache
def modules_behind(module: str) -> list[str]:
    """Dotted names of the modules whose code decides a stage's digest."""
    paths = [path for path in files_behind(module) if path.suffix == ".py" and not is_marker(path)]
    parts = [path.relative_to(ROOT).with_suffix("").parts for path in paths]
    return sorted(".".join(part[:-1] if part[-1] == "__init__" else part) for part in parts)


def strangers(allowed: dict[str, list[str]]) -> Iterator[str]:
    """A line for each module behind a stage that lies in no package that the stage may use, with how it got there."""
    graph = imports()
    for stage, module in stages().items():
        if stage not in allowed:
            yield f"rooms.{stage}: the limits list no packages for this stage"
            continue
        for name in modules_behind(module):
            package = f"{name}.".split(".")[1]
            if package and package not in (*allowed[stage], "cli", "errors"):
                way = graph.find_shortest_chain(module, name) or ("?",)
                yield f"rooms.{stage}: {name} is behind it, and {package} is none of its packages: {' > '.join(way)}"


def reading() -> dict[str, dict[str, int]]:
    """How often a stack's file is opened and its header parsed while all of its planes are read."""
    planes = np.random.default_rng(0).integers(0, 256, (PLANES, 64, 96, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stack.ome.tif")
        write_stack(path, Stack(planes, np.arange(PLANES) * 0.5, 0.345))
        row = SlideRow(slide="S", patient="P", sample="L", role="train", source="stack", path=path.name)
        return {
            "of_the_user": calls_while(lambda: all_planes(row, Path(folder), planes), path),
            "of_the_ingest_stage": calls_while(lambda: same(read_stack(path).planes, planes), path),
        }


def all_planes(row: SlideRow, folder: Path, wanted: np.ndarray) -> None:
    """Read a slide of one field plane by plane, as the ingest stage does."""
    (field,) = find_fields(row, folder)
    same(np.stack(list(field.planes())), wanted)


def same(planes: np.ndarray, wanted: np.ndarray) -> None:
    """Stop where something else was read than written: counts of a reader that fails say nothing."""
    if not np.array_equal(planes, wanted):
        raise ValueError("the planes differ from those written")


def calls_while(read: Callable[[], None], path: Path) -> dict[str, int]:
    """Openings of `path`, openings by tifffile and XML parses while `read` runs, in any thread."""
    watched = {
        tifffile.TiffFile.__init__.__code__: "opened_by_tifffile",
        ElementTree.XML.__code__: "xml_parsed",
        ElementTree.ElementTree.parse.__code__: "xml_parsed",
    }
    seen = {"opened": 0, "opened_by_tifffile": 0, "xml_parsed": 0}

    def on_call(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in watched:
            seen[watched[frame.f_code]] += 1

    def on_audit(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]) == str(path) and counting:
            seen["opened"] += 1

    counting = [True]
    sys.addaudithook(on_audit)  # there is no way to take it back
    with profiled(on_call):
        read()
    counting.clear()
    return seen


@contextmanager
def profiled(on_call: Callable[[FrameType, str, Any], None]) -> Iterator[None]:
    """Call `on_call` for what happens in the block, in this thread and in those that it starts."""
    threading.setprofile(on_call)
    sys.setprofile(on_call)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


def import_times_s() -> Iterator[float]:
    """Seconds that `import tsva` takes."""
    for _ in range(INTERPRETERS):
        ran = subprocess.run([sys.executable, "-c", TIMER], cwd=ROOT, capture_output=True, text=True, check=True)
        yield float(ran.stdout)


def over_limits(found: dict[str, Any], limits: dict[str, Any]) -> Iterator[str]:
    """A line for each limit of a file that is broken."""
    yield from over(found, limits)
    if "rooms" in limits:
        yield from strangers(limits["rooms"])


def over(found: dict[str, Any], limits: dict[str, dict[str, float]]) -> Iterator[str]:
    """A line for each limit that is broken, and for each that no count has the name of."""
    numbers = flat(found)
    for name, limit in limits.items():
        if name == "rooms":
            continue
        if name not in numbers or not limit.keys() <= {"at_most", "at_least"}:
            yield f"{name}: there is no such count or limit; counts are {', '.join(numbers)}"
            continue
        number, detail = numbers[name], found.get(name, "")
        if not limit.get("at_least", number) <= number <= limit.get("at_most", number):
            yield f"{name}: {number}, wanted {limit}" + (f"; {detail}" if isinstance(detail, dict | list) else "")


def flat(found: dict[str, Any]) -> dict[str, float]:
    """One number for each count: the sum, length or maximum of those that have parts, and the parts by dotted names."""
    numbers = {name: value for name, value in found.items() if isinstance(value, int | float)}
    numbers |= {"fmt_skip": sum(found["fmt_skip"].values()), "names_shared": len(found["names_shared"])}
    numbers |= {"circles": len(found["circles"]), "largest_lines": max(found["largest_lines"].values())}
    numbers |= {f"behind.{stage}": number for stage, number in found["behind"].items()}
    return numbers | {f"reading.{who}.{what}": n for who, seen in found["reading"].items() for what, n in seen.items()}


if __name__ == "__main__":
    main()
