"""The page: every number from the summary, honest signs, nothing from outside, names as text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from tsva.evaluation.names import offset

NUMBER = re.compile(r"(?<![\w.])[+−]?\d+(?:\.\d+)?(?![\w.])")


def printed(*values: float | None, digits: int = 2, plus: bool = False) -> list[str]:
    """Numbers as the page prints them; None is not printed."""
    sign = "+" if plus else ""
    texts = [f"{value:{sign}.{digits}f}" for value in values if value is not None]
    return [(text.lstrip("+-") if float(text) == 0 else text).replace("-", "−") for text in texts]


def numbers(text: str) -> list[str]:
    """Numbers in a cell, as they are printed."""
    return NUMBER.findall(text.replace("\u202f", "").replace("–", " "))


def only(rows: Iterable[Mapping[str, Any]], **wanted: Any) -> Mapping[str, Any]:
    (found,) = (row for row in rows if wanted.items() <= row.items())
    return found


def score_numbers(row: Mapping[str, Any]) -> list[str]:
    found = printed(*(row[key] for key in ("psnr_db", "psnr_sd_db", "psnr_low_db", "psnr_high_db")))
    identical = [str(row["identical_patches"])] + ([] if row["focal_offset_um"] is None else [str(row["patches"])])
    return found + (identical if row["identical_patches"] else [])


@pytest.mark.parametrize("dataset", ["dataset1", "dataset2"])
def test_table3_prints_the_summary(report: Callable[..., Any], dataset: str) -> None:
    made = report()
    table, scores, paper = made.table("table3", dataset), made.summary["scores"], made.summary["paper"]["table3"]
    deltas = [*sorted({row["focal_offset_um"] for row in scores} - {None}), None]
    (head,) = table.of(part="thead")
    assert head[1:] == [*(offset(delta) for delta in deltas[:-1]), "Average"]
    for method in ("y1", "tsva", "unet"):
        (cells,) = table.of(method=method)
        for delta, cell in zip(deltas, cells[1:], strict=True):
            wanted = {"dataset": dataset, "method": method, "protocol": "paper", "target": "captured", "sample": None}
            assert numbers(cell) == score_numbers(only(scores, focal_offset_um=delta, **wanted))
    for name, cells in zip(("tsva", "unet"), table.of(**{"class": "paper"}), strict=True):
        for delta, cell in zip(deltas, cells[1:], strict=True):
            row = only(paper, dataset=dataset, method=name, focal_offset_um=delta)
            assert numbers(cell) == printed(row["psnr_db"], row["psnr_sd_db"])


def test_averages_print_the_summary(report: Callable[..., Any]) -> None:
    made = report()
    for table in (made.table("averages", "dataset1"), made.table("averages", "dataset2")):
        rows = [(found, cells) for found, cells in table.rows if "method" in found]
        assert len(rows) == 3 * 6  # three protocols, two targets
        for found, cells in rows:
            key = {key: found[key] for key in ("method", "protocol", "target")}
            key |= {"dataset": table.dataset, "sample": None, "focal_offset_um": None}
            row = only(made.summary["scores"], **key)
            four = printed(row["psnr_db"], row["psnr_sd_db"], row["psnr_low_db"], row["psnr_high_db"])
            wanted = [*four, *printed(row["ssim"], digits=4)]
            if found["method"] == "y1":
                wanted += [str(row["identical_patches"])] if row["identical_patches"] else []
            else:
                against = only(made.summary["comparisons"], baseline="y1", **key)
                wanted += printed(against["difference_db"], against["low_db"], against["high_db"], plus=True)
                wanted += in_percent(against["share_worse"]) + printed(against["mean_loss_db"])
            wanted += [str(row["patches"]), str(row["slides"])]
            assert numbers(" ".join(cells[1:])) == wanted


def in_percent(share: float) -> list[str]:
    """A share as the page prints it: none and all are exact."""
    return [f"{100 * share:.0f}" if share in (0, 1) else str(min(max(round(100 * share), 1), 99))]


def test_pairs_made_worse_print_the_summary(report: Callable[..., Any]) -> None:
    made = report(remaining={"tsva": 1.2, "unet": 0.7})
    shares = set()
    for dataset in ("dataset1", "dataset2"):
        rows = [(found, cells) for found, cells in made.table("worse", dataset).rows if "method" in found]
        assert len(rows) == 2 * 4  # two methods; offsets between the planes and of the grid, two targets
        for found, cells in rows:
            key = {"dataset": dataset, "baseline": "y1", "method": found["method"], "target": found["target"]}
            folded = "folded" if found["protocol"] == "strict" else "folded_continuous"
            known = [row for row in made.summary["comparisons"] if key.items() <= row.items() and row["sample"] is None]
            columns = {row["focal_offset_um"]: row for row in known if row["protocol"] == folded}
            average = only(known, protocol=found["protocol"], focal_offset_um=None)
            for size_um, cell in zip([0, 0.5, 1, 1.5, 2, 2.5, 3, None], cells[1:-1], strict=True):
                row = average if size_um is None else columns.get(size_um)
                wanted = [] if row is None else in_percent(row["share_worse"]) + printed(row["mean_loss_db"])
                assert numbers(cell) == wanted
                shares |= {row["share_worse"]} if row else set()
            assert cells[-1] == str(average["pairs"])
    assert {0, 1} <= shares  # the one always worse, the other never in some column


def test_samples_print_the_summary(report: Callable[..., Any]) -> None:
    made = report()
    rows = made.table("samples", "dataset1").of(part="tbody")
    assert [cells[0] for cells in rows] == ["Sample1", "Sample2", "Sample3"]
    for cells in rows:
        for method, cell in zip(("y1", "tsva", "unet"), cells[1:], strict=True):
            key = {"dataset": "dataset1", "sample": cells[0], "method": method, "protocol": "strict"}
            key |= {"target": "captured", "focal_offset_um": None}
            wanted = score_numbers(only(made.summary["scores"], **key))
            if method != "y1":
                against = only(made.summary["comparisons"], baseline="y1", **key)
                wanted += printed(against["difference_db"], plus=True)
            assert [word for word in numbers(cell) if word != "1"] == wanted  # the 1 of "Y1" is no number


def test_counts_print_the_summary(report: Callable[..., Any]) -> None:
    made = report()
    counts, paper = made.summary["counts"], made.summary["paper"]["table2"]
    deltas = [*sorted({row["focal_offset_um"] for row in counts} - {None}), None]
    table = made.table("counts", "dataset1")
    samples = ["Sample1", "Sample2", "Sample3", None]
    for delta, cells in zip(deltas, table.of(part="tbody", **{"class": ""}), strict=True):
        for sample, cell in zip(samples, cells[1:], strict=True):
            row = only(
                counts, dataset="dataset1", method="tsva", protocol="paper", focal_offset_um=delta, sample=sample
            )
            assert numbers(cell) == printed(row["count_restored"], row["count_truth"])
    for delta, cells in zip((0.5, 1, 1.5, 2, 2.5, 3, None), table.of(**{"class": "paper"}), strict=True):
        for sample, cell in zip(samples, cells[1:], strict=True):
            row = only(paper, abs_focal_offset_um=delta, sample=sample)
            assert numbers(cell) == printed(row["count_restored"], row["count_truth"])
    for method in ("y1", "tsva", "unet"):
        (cells,) = made.table("agreement", "dataset1").of(method=method)
        row = only(counts, dataset="dataset1", method=method, protocol="strict", focal_offset_um=None, sample=None)
        wanted = printed(row["count_restored"], row["count_truth"], row["true_nuclei"])
        keys = ("bias", "bias_low", "bias_high", "agreement_low", "agreement_high")
        wanted += printed(*(row[key] for key in keys), plus=True) + printed(row["absolute_error"])
        assert numbers(" ".join(cells[1:])) == wanted


def test_the_other_tables_print_the_summary(report: Callable[..., Any]) -> None:
    made = report()
    focus, out = made.summary["focus"], made.summary["excluded"]
    assert made.table("verdicts").of(part="tbody") == [
        [row["verdict"], str(row["fields"])] for row in focus["verdicts"]
    ]
    keys = ("initial_focal_position_um", "focal_offset_mean_um", "focal_offset_sd_um")
    for row, cells in zip(focus["slides"], made.table("slides").of(part="tbody"), strict=True):
        assert cells[0] == row["slide"]
        assert cells[3:] == [str(row["fields"]), str(row["usable"]), *printed(*(row[key] for key in keys))]
    for row, cells in zip(made.summary["training"], made.table("training").of(part="tbody"), strict=True):
        keys = ("parameters", "training_patches", "verification_patches", "steps", "best_step")
        whole = [f"{row[key]:,}".replace(",", " ") for key in keys]
        quality = printed(row["verification_psnr_db"], row["verification_y1_psnr_db"])
        seconds = printed(row["seconds"], digits=0)
        assert cells == [row["name"], whole[0], *printed(row["gmac"]), *whole[1:], *quality, *seconds]
    reasons = [[row["unit"], row["reason"], str(row["number"])] for row in out["reasons"]]
    assert made.table("reasons").of(part="tbody") == reasons
    listed = [[str(row[key]) for key in ("slide", "field", "row", "column", "reason")] for row in out["list"]]
    found = made.table("left-out").of(part="tbody")
    assert [[cell.replace("–", "None") for cell in cells] for cells in found] == listed


ONCE = ("contact", "verdicts", "slides", "training", "reasons", "left-out", "workflows", "inputs", "checks")


def test_the_first_screen_prints_the_answer(report: Callable[..., Any]) -> None:
    made = report()
    for answer in made.summary["answer"]:
        rows = made.table("short", answer["dataset"]).of(part="tbody")
        for row, cells in zip(answer["rows"], rows, strict=True):
            keys = ("difference_db", "low_db", "high_db")
            assert numbers(" ".join(cells[1:3])) == printed(*(row[key] for key in keys), plus=True)
            assert cells[0] == row["name"]


def test_the_page_on_the_inputs_prints_the_summary(report: Callable[..., Any]) -> None:
    made = report()
    for row, cells in zip(made.summary["inputs"], made.table("inputs").of(part="tbody"), strict=True):
        assert cells[0] == row["slide"] and cells[3:5] == [str(row["fields"]), str(row["usable"])]
        spread = [] if row["brightness_spread"] is None else printed(100 * row["brightness_spread"])
        assert numbers(cells[10]) == spread and cells[-2:] == [str(row["patches"]), str(row["left_out"])]
    for check, cells in zip(made.summary["quality"]["checks"], made.table("checks").of(part="tbody"), strict=True):
        wanted = [" ".join(check[key].split()) for key in ("check", "found", "wanted")]
        assert [cells[0], cells[2], cells[3]] == wanted


def test_no_table_goes_unchecked(report: Callable[..., Any]) -> None:
    found = Counter(table.kind for table in report().tables)
    of_dataset = (
        "short",
        "table3",
        "averages",
        "worse",
        "samples",
        "counts",
        "agreement",
        "nuclei",
        "detections",
        "table1",
    )
    twice = dict.fromkeys(of_dataset, 2)
    assert found == twice | dict.fromkeys(ONCE, 1)
    assert all(table.caption for table in report().tables)


def test_worse_than_nothing_is_marked_by_a_sign_with_words(report: Callable[..., Any]) -> None:
    made = report(remaining={"tsva": 1.2, "unet": 0.7})
    nothing, *signs = (
        cells for method in ("y1", "tsva") for cells in made.table("table3", "dataset1").of(method=method)
    )
    assert "▼" not in " ".join(nothing)
    assert all("▼" in cell for cell in signs[0][1:-1])
    assert 'aria-label="does not beat Y1 as captured"' in made.page
    assert 'aria-label="Y1 equals the target in 6 of 6 patches"' in made.page
    assert "TSVA does not beat Y1 as captured in any strict column: it has not refocused anything there." in made.page
    assert "TSVA is worse than doing nothing" in made.summary["verdict"][0]["headline"]
    better = report().table("table3", "dataset1").of(method="tsva")[0]
    assert ["▼" in cell for cell in better[1:]] == [place in (5, 7) for place in range(14)]  # ±0.5 µm alone


def test_who_wins_is_said_both_ways(report: Callable[..., Any]) -> None:
    said = " ".join(report().summary["verdict"][0]["sentences"])
    assert "TSVA wins against U-Net:" in said
    other = report(remaining={"tsva": 0.7, "unet": 0.5}, datasets=("dataset1",))
    said = " ".join(other.summary["verdict"][0]["sentences"])
    assert "U-Net wins against TSVA:" in said
    assert "TSVA wins" not in said
    assert "U-Net wins against TSVA:" in other.page


def test_names_are_text(report: Callable[..., Any]) -> None:
    name = "<script>alert(1)<script>&'\"{dataset}-{number}"
    made = report(slide_name=name, remaining={"<i>new": 0.5}, datasets=("dataset1",))
    for page in (made.page, made.inputs):
        assert page.count("<script") == 1 and "alert(1)" not in page.split("<script>")[1]
        assert "<no tissue>" not in page
    assert "<i>" not in made.page
    assert "<no tissue>" not in made.page
    slides = [cells[0] for cells in made.table("slides").of(part="tbody")]
    assert slides == [name.format(dataset="dataset1", number=number) for number in range(3)]
    assert made.table("table3", "dataset1").of(method="<i>new")


def test_an_absent_data_set_is_no_empty_section(report: Callable[..., Any]) -> None:
    made = report(datasets=("dataset1",), remaining={"tsva": 0.5}, slides=1)
    assert {row["dataset"] for row in made.summary["scores"]} == {"dataset1"}
    assert "Dataset 2" not in made.page
    assert [table.dataset for table in made.tables if table.kind == "table3"] == ["dataset1"]


def test_one_slide_has_no_interval(report: Callable[..., Any]) -> None:
    made = report(datasets=("dataset1",), remaining={"tsva": 0.5}, slides=1)
    assert all(row["psnr_low_db"] is None and row["psnr_high_db"] is None for row in made.summary["scores"])
    assert all(row["low_db"] is None and row["high_db"] is None for row in made.summary["comparisons"])
    headline = made.summary["verdict"][0]["headline"]
    assert "one slide, so there is no interval" in headline
    assert made.summary["verdict"][0]["outcome"] == "no interval"


def test_without_methods_nothing_is_claimed(report: Callable[..., Any]) -> None:
    made = report(datasets=("dataset1",), remaining={})
    assert made.summary["verdict"][0]["headline"] == (
        "Dataset 1: no method was applied. The tables show Y1 as captured alone."
    )
    assert made.summary["comparisons"] == made.summary["training"] == []
    assert made.table("table3", "dataset1").of(method="y1")
    assert made.summary["examples"][0]["gain_db"] is None


def test_without_data_sets_the_page_says_so(report: Callable[..., Any]) -> None:
    made = report(datasets=(), remaining={})
    assert "There are no test data in this run: nothing was scored." in made.page
    assert made.summary["scores"] == []


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.found if found == tag]


def test_the_page_needs_nothing_else(report: Callable[..., Any]) -> None:
    page = report().page
    elements = Elements(page)
    assert not {tag for tag, _ in elements.found} & {"link", "iframe", "object", "embed", "base"}
    assert elements.of("script") == [{}]
    addresses = [
        attributes[key]
        for _, attributes in elements.found
        for key in ("src", "href", "xlink:href")
        if key in attributes
    ]
    assert all(
        address is not None and (address.startswith(("data:image/", "#")) or address.split("#")[0] == "inputs.html")
        for address in addresses
    )
    inside = {f"#{attributes['id']}" for _, attributes in elements.found if "id" in attributes}
    assert {address for address in addresses if address and address.startswith("#")} <= inside
    assert not re.search(r"@import|url\((?!#)", page)


def test_the_page_can_be_read_without_seeing_it(report: Callable[..., Any]) -> None:
    elements = Elements(report().page)
    assert all(image.get("alt") for image in elements.of("img"))
    assert all(svg.get("aria-label") and svg.get("role") == "img" for svg in elements.of("svg"))
    levels = [int(tag[1]) for tag, _ in elements.found if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(cell.get("scope") for cell in elements.of("th"))
    ids = Counter(attributes["id"] for _, attributes in elements.found if "id" in attributes)
    assert not [name for name, times in ids.items() if times > 1]
    assert elements.of("html")[0]["lang"] == "en"


def test_a_sheet_says_which_slides_and_where_they_are_from(report: Callable[..., Any]) -> None:
    sheet = "slide\tpatient\tsample\trole\tsource\tpath\ndataset1_slide0\tp\tSample1\tdataset1\tstack\tx.tif\n"
    made = report(datasets=("dataset1",), remaining={}, slides=1, sheet=sheet + sheet.splitlines()[1].replace("0", "9"))
    (row,) = made.table("slides").of(part="tbody")  # slide 9 has left nothing
    assert row[:3] == ["dataset1_slide0", "Sample1", "dataset1"]
    assert made.summary["datasets"][0]["sources"] == ["stack"]
    assert "Source: real z-stacks." in made.page
    without = report(datasets=("dataset1",), remaining={}, slides=1)
    assert without.table("slides").of(part="tbody")[0][:3] == ["dataset1_slide0", "Sample1", "dataset1"]
    assert without.summary["datasets"][0]["sources"] == []


def test_segmentations_print_the_summary(report: Callable[..., Any]) -> None:
    made = report()
    assert [row["dataset"] for row in made.summary["segmentations_shown"]] == ["dataset1", "dataset2"]
    for row in made.summary["segmentations_shown"]:
        section = made.page.split(f'id="{row["dataset"]}-segmentation"')[1].split("</section>")[0]
        for key in ("count_restored", "count_truth"):
            assert f"outlines: {row[key]} counted" in section
        example = [row["patch"], row["focal_offset_um"]]
        assert example in [[found["patch"], found["focal_offset_um"]] for found in made.summary["examples"]]
