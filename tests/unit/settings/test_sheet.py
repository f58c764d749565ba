"""The slide sheet names the row and the column of what is wrong."""

from __future__ import annotations

import re

import pytest

from tsva.errors import UserError
from tsva.settings.sheet import SlideRow, parse_sheet

HEADER = "slide\tpatient\tsample\trole\tsource\tpath\tpixel_um\tz_step_um\tpattern\ttissue"
GOOD = "A\tP1\tSample1\ttrain\tsimulated\t\t\t\t\tglandular"


def sheet(*lines: str) -> str:
    return "\n".join([HEADER, *lines]) + "\n"


def test_good_rows_keep_their_numbers_and_order() -> None:
    rows = parse_sheet(sheet(GOOD, "", "B\tP2\tS\tdataset1\tplanes\tfolder\t0.345\t\tz{z}.tif\t"), "s.tsv")
    assert list(rows) == [2, 4]
    row = list(rows.values())[1]
    assert (row.slide, row.pixel_um, row.z_step_um, row.pattern) == ("B", 0.345, None, "z{z}.tif")


def test_columns_that_nobody_needs_may_be_absent() -> None:
    text = "slide\tpatient\tsample\trole\tsource\tpath\nA\tP\tS\ttrain\tstack\ta.tif\n"
    assert parse_sheet(text, "s.tsv")[2] == SlideRow(
        slide="A", patient="P", sample="S", role="train", source="stack", path="a.tif"
    )


@pytest.mark.parametrize(
    ("line", "where", "says"),
    [
        ("A\tP\tS\tteach\tsimulated\t\t\t\t\tfatty", "column role", "'teach'"),
        ("A\tP\tS\ttrain\tvideo\tx\t\t\t\t", "column source", "'video'"),
        ("../A\tP\tS\ttrain\tsimulated\t\t\t\t\tfatty", "column slide", "'../A'"),
        ("A\tP\tS\ttrain\tstack\t\t\t\t\t", "column path", "a file or folder"),
        ("A\tP\tS\ttrain\tsimulated\tx.tif\t\t\t\tfatty", "column path", "nothing for source simulated"),
        ("A\tP\tS\ttrain\tsimulated\t\t\t\t\t", "column tissue", "one of glandular"),
        ("A\tP\tS\ttrain\tstack\tx.tif\t-1\t\t\t", "column pixel_um", "greater than 0"),
        ("A\tP\tS\ttrain\tstack\tx.tif\t\thalf\t\t", "column z_step_um", "'half'"),
        ("A\tP\tS\ttrain\tplanes\tx\t\t\tplane.tif\t", "column pattern", "{z}"),
        ("A\tP\tS\ttrain\tplanes\tx\t\t\t{z}_{z_nm}.tif\t", "column pattern", "{z}"),
        ("A\tP\tS\ttrain\tplanes\tx\t\t\tp{z_index}.tif\t", "column z_step_um", "step"),
        ("A\tP\tS\ttrain", "row 2", "cell"),
    ],
)
def test_bad_cell(line: str, where: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_sheet(sheet(line), "s.tsv")
    assert "s.tsv, row 2" in str(caught.value)
    assert where in str(caught.value)
    assert says in str(caught.value)


def test_duplicate_slide_names_both_rows() -> None:
    with pytest.raises(UserError, match=r"row 3, column slide: got 'A' again \(first in row 2\)"):
        parse_sheet(sheet(GOOD, GOOD), "s.tsv")


@pytest.mark.parametrize("role", ["dataset1", "dataset2"])
def test_patient_in_training_and_test(role: str) -> None:
    other = f"B\tP1\tSample1\t{role}\tsimulated\t\t\t\t\tfatty"
    with pytest.raises(UserError, match="row 3, column patient: got 'P1' in test, and in training in row 2"):
        parse_sheet(sheet(GOOD, other), "s.tsv")


@pytest.mark.parametrize("role", ["train", "dataset1"])
@pytest.mark.parametrize(
    ("first", "second"),
    [("P07", "p07"), ("P-07", "P07"), ("P_07", "P.07"), ("Case-1-a", "CASE1A"), ("7-1", "7_1"), ("P07", "p7")],
)
def test_patients_equal_but_for_case_or_separators_are_refused(first: str, second: str, role: str) -> None:
    rows = [
        GOOD.replace("P1", first),
        "R\tother\tS\ttrain\tsimulated\t\t\t\t\tfatty",
        f"B\t{second}\tS\t{role}\tsimulated\t\t\t\t\tfatty",
    ]
    with pytest.raises(UserError, match=f"s.tsv, row 4, column patient: got '{second}', and '{first}' in row 2"):
        parse_sheet(sheet(*rows), "s.tsv")


@pytest.mark.parametrize("second", ["P2", "P11", "P1.1", "P-1x"])
def test_other_patients_are_others(second: str) -> None:
    assert len(parse_sheet(sheet(GOOD, f"B\t{second}\tS\tdataset1\tsimulated\t\t\t\t\tfatty"), "s.tsv")) == 2
    first = GOOD.replace("P1", "1-1")  # block 1 of patient 1, and patient 11
    assert len(parse_sheet(sheet(first, "B\t11\tS\tdataset1\tsimulated\t\t\t\t\tfatty"), "s.tsv")) == 2


def test_a_slide_to_refocus_may_spell_its_patient_otherwise() -> None:
    assert len(parse_sheet(sheet(GOOD, "B\tp-1\tS\trefocus\tstack\tx.tif\t\t\t\t"), "s.tsv")) == 2


def test_patient_of_a_training_slide_may_be_refocused() -> None:
    assert len(parse_sheet(sheet(GOOD, "B\tP1\tS\trefocus\tstack\tx.tif\t\t\t\t"), "s.tsv")) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("slide\tpatient\n", "no column sample"),
        (HEADER + "\tcolour\n", "unknown column 'colour'"),
        (HEADER + "\n", "no slides"),
        ("", "no column slide"),
    ],
)
def test_bad_header_or_empty(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        parse_sheet(text, "s.tsv")


def test_what_spreadsheets_do_to_a_sheet() -> None:
    """Capitals, tabs at the end, quotes about cells; a quote that is not closed is told in its own row."""
    head = "Slide\tPATIENT\tsample \trole\tsource\tpath\t\t"
    (row,) = parse_sheet(head + '\r\nA\tp\tT\ttrain\tstack\t"a ""b"".tif"\t\t\r\n', "s").values()
    assert (row.slide, row.path) == ("A", 'a "b".tif')
    with pytest.raises(UserError, match=r"s, row 2, cell 6: got a quote that is not closed"):
        parse_sheet(head + '\nA\tp\tT\ttrain\tstack\t"a.tif\nB\tp\tT\ttrain\tstack\tb.tif\n', "s")
    with pytest.raises(UserError, match="row 1: got cells that are not separated by tabs"):
        parse_sheet(head.replace("\t", ",") + "\n", "s")
    with pytest.raises(UserError, match="row 1: got two columns slide"):
        parse_sheet("slide\t" + head + "\n", "s")


def test_a_step_may_go_down() -> None:
    head = "slide\tpatient\tsample\trole\tsource\tpath\tz_step_um\n"
    (row,) = parse_sheet(head + "A\tp\tT\ttrain\tstack\ta.tif\t-0.5\n", "s").values()
    assert row.z_step_um == -0.5
    with pytest.raises(UserError, match="column z_step_um: got '0'; wanted a distance"):
        parse_sheet(head + "A\tp\tT\ttrain\tstack\ta.tif\t0\n", "s")


@pytest.mark.parametrize(
    ("column", "cell", "wanted"),
    [
        ("pixel_um", "0,345", "a number with a decimal point and no unit"),
        ("pixel_um", "0.345 µm", "a number with a decimal point and no unit"),
        ("bits", "12bit", "a whole number without a unit"),
        ("z_step_um", "\u22120.5", "a number with a decimal point and no unit"),
        ("role", "Train", "'train', 'dataset1', 'dataset2' or 'refocus'"),
        ("slide", "A 1", "at most 64 letters, digits"),
    ],
)
def test_what_a_cell_may_hold_is_said_in_plain_words(column: str, cell: str, wanted: str) -> None:
    cells = {"slide": "A", "patient": "P", "sample": "S", "role": "train", "source": "stack", "path": "a.tif"}
    cells[column] = cell
    with pytest.raises(UserError, match=rf"column {column}: got .*; wanted {re.escape(wanted)}"):
        parse_sheet("\t".join(cells) + "\n" + "\t".join(cells.values()), "s.tsv")
