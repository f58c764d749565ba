"""Names in the slide sheet become folders, shell words and HTML."""

from __future__ import annotations

import pytest

from tsva.errors import UserError
from tsva.settings.sheet import parse_sheet

HEADER = "slide\tpatient\tsample\trole\tsource\ttissue\n"


@pytest.mark.parametrize("column", ["slide", "patient", "sample"])
@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "../x",
        "/etc",
        "a/b",
        "a\\b",
        "-rf",
        "$(id)",
        "a;b",
        "<b>",
        "a b",
        "a\u202eb",
        "A" * 65,
        "{slide}",
        "%s",
        "\x00",
    ],
)
def test_no_name_leaves_its_folder(column: str, name: str) -> None:
    cells = {"slide": "A", "patient": "P", "sample": "S", column: name}
    line = f"{cells['slide']}\t{cells['patient']}\t{cells['sample']}\ttrain\tsimulated\tfatty\n"
    with pytest.raises(UserError, match=f"row 2, column {column}"):
        parse_sheet(HEADER + line, "slides.tsv")


def test_no_slide_is_named_like_the_unfinished_folder_of_another() -> None:
    lines = "".join(f"{name}\t{name}\tS\ttrain\tsimulated\tfatty\n" for name in ("A", "A.part"))
    with pytest.raises(UserError, match=r"row 3, column slide.*\.part"):
        parse_sheet(HEADER + lines, "slides.tsv")
