"""Gains over the sharper shot by method and offset, from a run; those of the embedded default go into the docs.

    python benchmarks/results_table.py results/report/summary.json
    python benchmarks/results_table.py results/report/summary.json --write --minutes 20
    python benchmarks/results_table.py REPORT/results/report/summary.json --write-many

The first prints the tables of any run. The second keeps those of the embedded default in docs/results/default.json, and
writes docs/results/default.md and the table and running time in README.md from that file. `--minutes` is what
`bash envs/run.sh` took on two quiet cores after the set-up; without it the old figure stays.
`--write` without a summary writes the pages from the file that is there. The third keeps those of a run of
config/report.yaml in docs/results/many_slides.json, and writes docs/results/many_slides.md.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from pages import between, gain, percent

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs/results/default.json"
PAGE = ROOT / "docs/results/default.md"
MANY, MANY_PAGE = ROOT / "docs/results/many_slides.json", ROOT / "docs/results/many_slides.md"
README = ROOT / "README.md"
EARLIER = json.loads((ROOT / "docs/results/earlier.json").read_text(encoding="utf-8"))
"""What this page printed at earlier versions, the oldest first: each with a label, a commit and rows as of `kept`."""
BINS_UM = (0.0, 1.0, 1.5, 2.0, 2.5, 3.0)
AVERAGES = {
    "continuous, noise-free": ("continuous", "clean"),
    "continuous": ("continuous", "captured"),
    "strict": ("strict", "captured"),
}
"""Protocols and targets by the head of their column; the first one is the README's."""
IN_README = ("wiener_two_shot", "learned_linear", "tsva", "fusion")
FROZEN = json.loads((ROOT / "docs/results/frozen.json").read_text(encoding="utf-8"))
"""The default's slides as they are drawn today."""
NOT_SHOWN = ("y1_matched",)
"""A measure of the lamp and no method."""
START, END = "<!-- results -->\n", "<!-- end of results -->\n"
PRECISIONS = {"bf16-mixed": "mixed bfloat16", "32-true": "float32"}
MINUTES = re.compile(r"about \d+ minutes on two cores")


def kept(summary: dict[str, Any]) -> dict[str, Any]:
    """What the pages print, out of a report's summary."""
    rows = [row for row in summary["comparisons"] if row["baseline"] == "y1" and row["sample"] is None]
    found = []
    for dataset in sorted({row["dataset"] for row in rows}):
        names = {row["method"]: row["name"] for row in summary["methods"] if row["dataset"] == dataset}
        for method, name in names.items():
            chosen = [row for row in rows if row["dataset"] == dataset and row["method"] == method]
            if chosen and method not in NOT_SHOWN:
                found.append({"dataset": dataset, "method": method, "name": name} | _of_method(chosen))
    return {"rows": found}


def older(results: dict[str, Any]) -> str:
    """A sentence where the results are of other slides than those that are drawn today."""
    if results.get("slides_sha256") == FROZEN["definition_sha256"]:
        return ""
    return (
        "\n**These numbers are of other slides than a run draws today**: of those by eqs. 1 to 3 of the paper,\n"
        f"from before the freeze of {FROZEN['date']}.\n"
    )


def _of_method(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Averages by protocol and target, share made worse in the first, and strict gains by size of the offset."""
    by_key = {(row["protocol"], row["target"], row["focal_offset_um"]): row for row in rows}
    averages = {head: by_key.get((*key, None)) for head, key in AVERAGES.items()}
    first = next(row for row in averages.values() if row is not None)
    by_size = {f"{size_um:g}": by_key.get(("folded", "captured", size_um)) for size_um in BINS_UM}
    return {
        "gain_db": {
            head: None if row is None else [_rounded(row[key]) for key in ("difference_db", "low_db", "high_db")]
            for head, row in averages.items()
        },
        "share_worse": round(first["share_worse"], 4),
        "mean_loss_db": _rounded(first["mean_loss_db"]),
        "slides": first["slides"],
        "patches": first["patches"],
        "gain_by_offset_db": {
            size: None if row is None else _rounded(row["difference_db"]) for size, row in by_size.items()
        },
    }


def _rounded(value: float | None) -> float | None:
    # far more than is printed: what is rounded twice may differ from the report in the last digit
    return None if value is None else round(value, 6)


def in_readme(results: dict[str, Any]) -> str:
    """The README's table: one average, the share made worse, how many slides and patches."""
    head = next(iter(AVERAGES))
    lines = ["| test slides | method | gain (dB) | tiles made worse | slides | patches |", "|---|---|---|---|---|---|"]
    for row in results["rows"]:
        if row["method"] in IN_README:
            cells = [_slides(row), row["name"], gain(row["gain_db"][head]), percent(row["share_worse"])]
            lines.append(f"| {' | '.join([*cells, str(row['slides']), str(row['patches'])])} |")
    return "\n".join(lines) + "\n" + older(results)


def tables(results: dict[str, Any]) -> tuple[str, str]:
    """All methods: averages, and gains by size of the focal offset."""
    heads = ["test slides", "method", *AVERAGES, "tiles made worse", "mean loss there (dB)", "slides", "patches"]
    sizes_heads = ["test slides", "method", *(f"{size_um:g} µm" for size_um in BINS_UM)]
    averages, offsets = ([_line(cells), "|---" * len(cells) + "|"] for cells in (heads, sizes_heads))
    for row in results["rows"]:
        name = [_slides(row), row["name"]]
        gains = [gain(row["gain_db"][head]) for head in AVERAGES]
        loss = "–" if row["mean_loss_db"] is None else f"{row['mean_loss_db']:.2f}"
        averages.append(_line([*name, *gains, percent(row["share_worse"]), loss, row["slides"], row["patches"]]))
        sizes = ["–" if each is None else f"{each:+.2f}" for each in row["gain_by_offset_db"].values()]
        offsets.append(_line([*name, *sizes]))
    return "\n".join(averages), "\n".join(offsets)


def in_page(results: dict[str, Any]) -> str:
    """docs/results/default.md."""
    averages, offsets = tables(results)
    return f"""# Results of the embedded default

One seed, networks trained in {PRECISIONS[results["precision"]]}.
Gain in PSNR over the sharper shot as captured (Y1), in dB, with 95 % intervals over slides by Student's t.
A tile counts as *made worse* if it loses more than 0.1 dB, in the continuous protocol with the noise-free target.
[The protocol](../protocol.md) says what the averages are. Wiener restoration of shots with *known ΔD* is given the
offset that the other methods have to find.
{older(results)}
{averages}

The gain by the size of the focal offset |ΔD|, on the grid of planes, against the captured target:

{offsets}

## What earlier versions printed

The same methods on the same sheet, one seed each: gain in the continuous protocol with the noise-free target, gain in
the strict one (dB), tiles made worse. The first version's images are by eqs. 1 to 3 of the paper. Truth per field asks
for the field's sharpest plane in every patch, truth per patch for the patch's own focus
([the protocol](../protocol.md#what-follows)).

{before_and_now(results)}

The numbers are in [default.json](default.json), the earlier ones in [earlier.json](earlier.json).
`{results["command"]}` makes them, and `python benchmarks/results_table.py results/report/summary.json --write` writes
this page.
"""


def in_page_of_many(results: dict[str, Any]) -> str:
    """docs/results/many_slides.md."""
    averages, offsets = tables(results)
    return f"""# Results on 21 slides a test set

The networks of the embedded default on 21 slides of each test set (`config/report_slides.tsv`): other slides than the
default's, of the same two laboratories. Everything else is as on [the default's page](default.md): gain over Y1 in dB,
with 95 % intervals over slides, one seed.

{averages}

The gain by the size of the focal offset |ΔD|, on the grid of planes, against the captured target:

{offsets}

```bash
snakemake --cores 2 --directory REPORT --configfile config/report.yaml --config slides=$PWD/config/report_slides.tsv
python benchmarks/results_table.py REPORT/results/report/summary.json --write-many
```

The numbers are in [many_slides.json](many_slides.json).
"""


def before_and_now(results: dict[str, Any]) -> str:
    """The README's methods at earlier versions and now: gains without intervals, and shares."""
    versions = [
        *((each["label"], each["rows"]) for each in EARLIER),
        ("**now**: Fusion in 1000 steps of 4 pairs, its offset estimator in 500", results["rows"]),
    ]
    heads = ["test slides", "method", *(label for label, _ in versions)]
    lines = [_line(heads), "|---" * len(heads) + "|"]
    for now in results["rows"]:
        if now["method"] in IN_README:
            which = now["dataset"], now["method"]
            found = [[row for row in rows if (row["dataset"], row["method"]) == which] for _, rows in versions]
            lines.append(_line([_slides(now), now["name"], *(_short(rows[0]) if rows else "–" for rows in found)]))
    return "\n".join(lines)


def _short(row: dict[str, Any]) -> str:
    """Gain in the continuous protocol without noise, gain in the strict one, share of tiles made worse."""
    gains = [row["gain_db"][head] for head in ("continuous, noise-free", "strict")]
    return " / ".join([*("–" if each is None else f"{each[0]:+.2f}" for each in gains), percent(row["share_worse"])])


def _line(cells: list[Any]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _slides(row: dict[str, Any]) -> str:
    return f"{row['dataset'].capitalize()[:-1]} {row['dataset'][-1]}"


def with_results(readme: str, results: dict[str, Any]) -> str:
    """README.md with its table and its running time replaced.

    Raises
    ------
    ValueError
        If it has no place for them.
    """
    readme = between(readme, START, END, in_readme(results))
    before, start, after = readme.partition(START)
    if not MINUTES.search(before):
        raise ValueError("README.md wants 'about N minutes on two cores' before its results")
    return MINUTES.sub(f"about {results['minutes_on_two_cores']} minutes on two cores", before) + start + after


def main() -> None:
    """Print the tables of a run, or keep them and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("summary", type=Path, nargs="?", help="results/report/summary.json")
    parser.add_argument("--write", action="store_true", help="keep them as the docs' results of the embedded default")
    parser.add_argument("--write-many", action="store_true", help="keep them as the docs' results on 21 slides a set")
    parser.add_argument("--minutes", type=int, help="how long that run took on two quiet cores")
    asked = parser.parse_args()
    results = json.loads(KEPT.read_text(encoding="utf-8"))
    if asked.summary is not None:
        summary = json.loads(asked.summary.read_text(encoding="utf-8"))
        found = kept(summary)
        if asked.write_many:
            MANY.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            MANY_PAGE.write_text(in_page_of_many(found), encoding="utf-8")
            return
        minutes = asked.minutes or results["minutes_on_two_cores"]
        precision = summary["training"][0]["precision"]
        about = {"command": "bash envs/run.sh", "minutes_on_two_cores": minutes, "precision": precision}
        results = about | {"slides_sha256": FROZEN["definition_sha256"]} | found
    if not asked.write:
        print("\n\n".join(tables(results)))
        return
    KEPT.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(in_page(results), encoding="utf-8")
    README.write_text(with_results(README.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    main()
