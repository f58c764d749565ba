"""What the Snakefile is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tsva.errors import UserError
from tsva.pipeline import fingerprint
from tsva.pipeline.plan import STAGES, Plan, sheet_text
from tsva.settings.methods import METHODS

HEADER = "slide\tpatient\tsample\trole\tsource\tpath\ttissue\tmicroscope"
TRAIN = "A\tP1\tS\ttrain\tsimulated\t\tfatty\t"
TEST = "B\tP2\tSample1\tdataset1\tsimulated\t\tfatty\t"


def plan(folder: Path, *rows: str, **settings: object) -> Plan:
    (folder / "slides.tsv").write_text("\n".join([HEADER, *rows, ""]))
    return Plan({"slides": str(folder / "slides.tsv"), **settings}, folder / "state")


def test_slides_by_role(tmp_path: Path) -> None:
    made = plan(tmp_path, TRAIN, TEST, train={"networks": ["tsva"]})
    assert made.paired == ["A", "B"]
    assert made.datasets == ["dataset1"]
    assert made.reports["report"] == ["y1", *made.settings.methods.baselines, "tsva"]
    assert made.checkpoint == "results/train/tsva/model.ckpt"


@pytest.mark.parametrize("path", ["scans", "scans/s1_*", "scans/s1_l1/a.jpg"])
def test_files_behind_a_path(tmp_path: Path, path: str) -> None:
    for name in ("s1_l1", "s1_l2", "s2_l1"):
        (tmp_path / "scans" / name).mkdir(parents=True)
        (tmp_path / "scans" / name / "a.jpg").write_text(name)
    made = plan(tmp_path, TRAIN, f"Z\tP3\tS\ttrain\tstack\t{path}\t\t")
    wanted = {"scans": 3, "scans/s1_*": 2, "scans/s1_l1/a.jpg": 1}[path]
    assert len(made.files("Z")) == wanted
    before = made.data("Z")
    (tmp_path / "scans/s1_l1/a.jpg").write_text("else")
    assert plan(tmp_path, TRAIN, f"Z\tP3\tS\ttrain\tstack\t{path}\t\t").data("Z") != before


def test_a_stage_is_given_what_it_uses_and_no_more(tmp_path: Path) -> None:
    def file(**settings: dict) -> str:
        return plan(tmp_path, TRAIN, TEST, **settings).settings_file(
            "focus", "focus", "acquisition.delta_um", "acquisition.z_step_um", slide={"slide": "A"}
        )

    path = file()
    held = json.loads(Path(path).read_text())
    assert set(held) == {"focus", "acquisition", "slide"}
    assert held["acquisition"] == {"delta_um": 0.5, "z_step_um": 0.5}
    assert file(pairs={"patch_px": 160}, count={"threshold": "li"}) == path
    assert file(acquisition={"delta_um": 1.0}) != path != file(focus={"min_peak_ratio": 1.3})
    used = plan(tmp_path, TRAIN, TEST, train={"steps_of": {"unet": 7}}).training("unet")
    assert used["steps"] == 7 and not {"networks", "steps_of", "fusion"} & set(used)


def test_a_settings_file_is_written_once_and_corrected(tmp_path: Path) -> None:
    path = Path(plan(tmp_path, TRAIN).settings_file("count", "count"))
    text, stamp = path.read_text(), path.stat().st_mtime_ns
    assert plan(tmp_path, TRAIN).settings_file("count", "count") == str(path)
    assert path.stat().st_mtime_ns == stamp
    path.write_text("{}")
    plan(tmp_path, TRAIN).settings_file("count", "count")
    assert path.read_text() == text
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([TEST], "column role: got test slides alone"),
        (["B\tP2\tE\trefocus\tsimulated\t\tfatty\t"], "key checkpoint: got nothing"),
        ([TRAIN, "B\tP2\tS\ttrain\tstack\tno/*.tif\t\t"], "row 3, column path: got 'no/\\*.tif', where nothing is"),
        (["A\tP1\tS\ttrain\tsimulated\t\tfatty\telectron"], "row 2, column microscope: got 'electron'"),
    ],
)
def test_refuses(tmp_path: Path, rows: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        plan(tmp_path, *rows)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"simulate": {"field_px": [128, 128]}}, r"simulate\.field_px"),
        (
            {"pairs": {"patch_px": 48}, "train": {"networks": ["tsva"]}},
            r"train\.crop_px: got 64; wanted at most pairs\.patch_px \(48\)",
        ),
        ({"pairs": {"patch_px": 96}}, r"train\.fusion\.crop_px: got 128; wanted at most pairs\.patch_px \(96\)"),
        ({"train": {"crop_px": 64, "fusion": {"crop_px": 512}}}, r"train\.fusion\.crop_px: got 512"),
        ({"train": {"networks": ["tsva"], "crop_px": 256}}, r"train\.crop_px: got 256"),
        ({"train": {"levels": 5, "crop_px": 16, "batch": 1}}, r"train\.batch: got 1; wanted at least 2"),
    ],
)
def test_settings_across_sections(tmp_path: Path, settings: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        plan(tmp_path, TRAIN, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"train": {"networks": ["tsva"], "fusion": {"crop_px": 512}}},
        {"train": {"networks": ["fusion"], "crop_px": 512}},
        {"train": {"networks": ["fusion"], "fusion": {"crop_px": None}}, "pairs": {"patch_px": 96}},
    ],
)
def test_settings_of_networks_that_are_not_trained_are_no_matter(tmp_path: Path, settings: dict) -> None:
    assert plan(tmp_path, TRAIN, **settings).networks


def test_where_nothing_is_trained_its_settings_are_no_matter(tmp_path: Path) -> None:
    rows = ["B\tP2\tE\trefocus\tsimulated\t\tfatty\t"]
    (tmp_path / "model.ckpt").write_text("")
    made = plan(tmp_path, *rows, checkpoint=str(tmp_path / "model.ckpt"), pairs={"patch_px": 32})
    assert made.networks == []


def test_another_network_is_looked_at_when_it_is_asked_for(tmp_path: Path) -> None:
    made = plan(tmp_path, TRAIN, train={"networks": ["tsva"], "fusion": {"crop_px": 512}})
    assert made.training("tsva")["crop_px"] == 64
    with pytest.raises(UserError, match=r"key train\.fusion\.crop_px: got 512; wanted at most pairs\.patch_px"):
        made.training("fusion")


def test_disk_of_a_full_field(tmp_path: Path) -> None:
    """A 41-plane field of 1224×1024 RGB pixels takes 154 MB; stacks and patches count alike."""
    full = {"field_px": [1024, 1224], "z_first_um": -10.0, "z_last_um": 10.0, "fields": {"train": 1}}
    assert plan(tmp_path, TRAIN, simulate=full).disk_bytes() == pytest.approx(2 * 154e6, rel=0.01)


def test_the_sheet_of_the_fetch_stage_may_be_missing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    waiting = Plan({"slides": f"{folder}/slides.tsv", "fetch": {"folder": str(folder)}}, tmp_path / "state")
    assert waiting.awaits_fetch
    assert (waiting.slides, waiting.networks, waiting.datasets, waiting.sheet_digest()) == ({}, [], [], "")
    with pytest.raises(UserError, match=r"key slides: got .*slides\.tsv, which is no file"):
        Plan({"slides": f"{folder}/slides.tsv"}, tmp_path / "state")


def test_disk_of_jpeg_patches_and_fields(tmp_path: Path) -> None:
    """A patch of 224×224 RGB pixels takes 151 kB, and a field at half size 3.8 MB, whatever their JPEG takes."""
    for name in ("s1_l1/Seg1_defocus0.jpg", "s1_l1/Seg1_defocus500.jpg", "s2_l1/defocus0.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    rows = ("A\tP1\tS\ttrain\tjiang2018\ts1_l*\t\t", "B\tP2\tSample1\tdataset1\tjiang2018\ts2_l*\t\t")
    assert plan(tmp_path, *rows).disk_bytes() == 2 * (2 * 224 * 224 * 3 + 1024 * 1224 * 3)


def test_thousands_of_files_are_told_as_their_folders(tmp_path: Path) -> None:
    for name in ("s1_l1/Seg1_defocus0.jpg", "s1_l1/Seg1_defocus500.jpg", "s1_l2/Seg1_defocus0.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    made = plan(tmp_path, "A\tP1\tS\ttrain\tjiang2018\ts1_l*\t\t", "B\tP2\tS\trefocus\tstack\ts1_l1\t\t")
    assert made.inputs("A") == [tmp_path / "s1_l1", tmp_path / "s1_l2"]
    assert made.inputs("B") == made.files("B")
    before = made.data("A")
    (tmp_path / "s1_l2/Seg1_defocus0.jpg").write_text("else")
    again = plan(tmp_path, "A\tP1\tS\ttrain\tjiang2018\ts1_l*\t\t", "B\tP2\tS\trefocus\tstack\ts1_l1\t\t")
    assert again.data("A") != before


def test_reports_are_the_default_the_papers_and_everything(tmp_path: Path) -> None:
    made = plan(tmp_path, TRAIN, TEST, train={"networks": ["fusion", "tsva", "unet"]}, methods={"baselines": ["mean"]})
    reports = made.reports
    assert reports["report"] == ["y1", "mean", "unet", "tsva", "fusion"]
    assert reports["table1"] == ["y1", *made.baselines, "burst", "tsva", "fusion"]
    assert reports["all_methods"] == ["y1", *made.baselines, *made.trainable]
    assert {"dark_channel", "graph", "wiener_blind"} < {*made.baselines} and {"unet", "burst"} < {*made.trainable}
    # the first one named restores slides of role refocus
    assert made.checkpoint == "results/train/fusion/model.ckpt"


def test_slow_methods_have_batches(tmp_path: Path) -> None:
    made = plan(tmp_path, TRAIN, TEST, methods={"slow": ["graph"], "batches": 3})
    assert (made.batches("graph"), made.batches("dark_channel")) == (3, 1)


def test_true_optics_are_those_of_other_microscopes(tmp_path: Path) -> None:
    other = TEST.replace("B\t", "C\t") + "other_lab"
    made = plan(tmp_path, TRAIN, TEST, other)
    told = made.true_optics("dataset1")
    assert set(told) == {"C"} and told["C"]["model"] == "debye"


def test_keys_that_have_moved_are_taken_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = plan(tmp_path, TRAIN, pairs={"delta_um": 0.5, "patch_px": 128})
    assert (made.settings.acquisition.delta_um, made.settings.pairs.patch_px) == (0.5, 128)
    assert "key pairs.delta_um: it has moved; its value is taken for acquisition.delta_um" in caplog.text
    with pytest.raises(UserError, match=r"got a key that has moved, beside acquisition\.delta_um"):
        plan(tmp_path, TRAIN, pairs={"delta_um": 0.5}, acquisition={"delta_um": 1.0})


def test_a_sheet_in_utf_16(tmp_path: Path) -> None:
    """As spreadsheets write "Unicode text"; without the mark it can't be told, and is refused."""
    text = plan(tmp_path, TRAIN).sheet.read_text()
    for encoding in ("utf-16", "utf-8-sig"):
        (tmp_path / "slides.tsv").write_text(text, encoding=encoding)
        assert sheet_text(tmp_path / "slides.tsv") == text
    (tmp_path / "slides.tsv").write_text(text, encoding="utf-16-le")
    with pytest.raises(UserError, match=r"slides\.tsv: got null characters; wanted readable UTF-8"):
        sheet_text(tmp_path / "slides.tsv")


def test_a_method_s_row_is_behind_its_own_jobs_and_where_methods_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan(tmp_path, TRAIN, TEST)
    stages, methods = ("train", "refocus", "evaluate", "report"), ("fusion", "unet", "wiener_blind")

    def digests() -> list[str]:
        return [*map(made.code, stages), *map(made.method_code, methods)]

    before = digests()
    monkeypatch.setitem(METHODS, "unet", replace(METHODS["unet"], slow=True))
    changed = [one != other for one, other in zip(before, digests(), strict=True)]
    assert changed == [False, False, True, True, False, True, False]
    monkeypatch.setitem(METHODS, "unet", replace(METHODS["unet"], slow=False, title="Another"))
    changed = [one != other for one, other in zip(before, digests(), strict=True)]
    assert changed == [False, False, True, True, False, False, False]


def test_a_misspelt_use_of_settings_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match=r"pairs\.delta_um"):
        plan(tmp_path, TRAIN).settings_file("focus", "pairs.delta_um")


def test_files_that_snakemake_is_told_of(tmp_path: Path) -> None:
    """Snakemake takes braces for wildcards; files that an operating system hides are none of the user's."""
    (tmp_path / "a{b}").mkdir()
    (tmp_path / "a{b}/x.tif").write_text("x")
    (tmp_path / "a{b}/._x.tif").write_text("hidden")
    made = plan(tmp_path, TRAIN, "Z\tP3\tS\ttrain\tstack\ta{b}\t\t")
    assert [path.name for path in made.files("Z")] == ["x.tif"]
    assert made.inputs("Z") == []
    before = made.data("Z")
    (tmp_path / "a{b}/x.tif").write_text("y")
    assert plan(tmp_path, TRAIN, "Z\tP3\tS\ttrain\tstack\ta{b}\t\t").data("Z") != before


def test_a_formats_code_is_behind_the_slides_in_it_alone(tmp_path: Path, package: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans/a.czi").write_bytes(b"ZISRAWFILE" + bytes(600))
    (tmp_path / "b.tif").write_bytes(b"II*\0" + bytes(600))
    rows = (TRAIN, "C\tP3\tS\ttrain\tstack\tscans\t\t", "T\tP4\tS\ttrain\tstack\tb.tif\t\t")
    made = plan(tmp_path, *rows)

    def codes() -> dict[str, str]:
        fingerprint.code_digest.cache_clear()
        return {name: made.code("ingest", name) for name in "ACT"} | {name: made.code(name) for name in STAGES}

    before = codes()
    reader = package / "readers/czi.py"
    reader.write_text(reader.read_text() + "\nEXTRA = 1\n")
    after = codes()
    assert {name for name in before if before[name] != after[name]} == {"C"}
    reader = package / "readers/tiff_stacks.py"
    reader.write_text(reader.read_text() + "\nEXTRA = 1\n")
    assert {name for name in before if codes()[name] != after[name]} == {"T"}


def test_the_disk_that_enlarged_stacks_take(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0" + bytes(996))
    header = HEADER + "\tpixel_um"
    (tmp_path / "slides.tsv").write_text(f"{header}\n{TRAIN}\t\nZ\tP3\tS\ttrain\tstack\ta.tif\t\t\t0.69\n")
    made = Plan({"slides": str(tmp_path / "slides.tsv"), "simulate": {"fields": {"train": 1}}}, tmp_path / "state")
    without = plan(tmp_path, TRAIN, simulate={"fields": {"train": 1}}).disk_bytes()
    assert made.disk_bytes() - without == 2 * 4 * 1000
