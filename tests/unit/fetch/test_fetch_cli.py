"""tsva fetch from the server to the slide sheet."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from settings_file import settings_option

from tsva.cli.fetch import command
from tsva.errors import UserError
from tsva.pipeline.download import CHUNK_BYTES
from tsva.readers.fields import find_fields
from tsva.settings.sheet import parse_sheet
from tsva.stage_files import read_table

SLIDES = ({1: 2, 2: 1}, {3: 1}, {10: 1, 9: 2})


class Fetch:
    """The command, with a server's archives."""

    def __init__(self, server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.settings = {
            "folder": str(folder / "data"),
            "attempts": 1,
            "archives": [{"name": name, "url": server.url(name)} for name in ("channel.zip", "domain.zip")],
        }

    def run(self, **settings: object) -> None:
        arguments = [*settings_option(fetch={**self.settings, **settings}), "--out", str(self.folder / "out")]
        result = CliRunner().invoke(command, arguments)
        if result.exception is not None:
            raise result.exception

    @property
    def asked(self) -> list[str]:
        return [path for path, _ in self.server.asked]


@pytest.fixture
def fetch(server, tmp_path: Path, layout, pack) -> Fetch:
    server.files["channel.zip"] = pack(layout(*SLIDES, top="Data_channel/"))
    server.files["domain.zip"] = pack({"other/notes.txt": b"nothing that is needed"})
    return Fetch(server, tmp_path)


def test_from_nothing_to_a_sheet_that_the_reader_takes(fetch: Fetch, caplog: pytest.LogCaptureFixture) -> None:
    fetch.run()
    data = fetch.folder / "data"
    rows = list(parse_sheet((data / "slides.tsv").read_text(), "slides.tsv").values())
    assert [(row.slide, row.sample, row.role) for row in rows] == [
        ("T-s1", "training", "train"),
        ("T-s2", "training", "train"),
        ("D1-s3", "Sample1", "dataset1"),
        ("D2-s9", "Sample7", "dataset2"),
        ("D2-s10", "Sample8", "dataset2"),
    ]
    assert [[field.name for field in find_fields(row, data)] for row in rows] == [
        ["s1_l1", "s1_l2"],
        ["s2_l1"],
        ["s3_l1"],
        ["s9_l1", "s9_l2"],
        ["s10_l1"],
    ]
    assert [field.z_um for field in find_fields(rows[0], data)] == [(-0.35, 0.15, 0.65)] * 2
    counts = read_table(fetch.folder / "out/counts.tsv")
    # fields of 24×20 pixels at the paper's 1224 pixels of width are 1020 high: 4 rows of 5 patches
    assert counts["counted"].tolist() == [3, 6, 1, 20, 1, 3, 60, 2, 5]
    archives = read_table(fetch.folder / "out/archives.tsv")
    assert archives["bytes"].tolist() == [len(fetch.server.files[name]) for name in ("channel.zip", "domain.zip")]
    assert archives["files"].tolist() == [3 * (3 * 2 + 4), 0]
    assert "deviation: train: 3 tiles, not 162" in caplog.text
    assert "deviation: dataset2 s9_l2: 3 planes, not 41" in caplog.text


def test_a_second_run_fetches_nothing_and_changes_nothing(fetch: Fetch) -> None:
    fetch.run()
    sheet = (fetch.folder / "data/slides.tsv").read_bytes()
    before = {path: path.stat().st_mtime_ns for path in fetch.folder.glob("data/unpacked/**/*")}
    fetch.run()
    assert fetch.asked == ["/channel.zip", "/domain.zip"]
    assert (fetch.folder / "data/slides.tsv").read_bytes() == sheet
    assert {path: path.stat().st_mtime_ns for path in fetch.folder.glob("data/unpacked/**/*")} == before


def test_broken_off_it_goes_on(fetch: Fetch) -> None:
    fetch.server.breaks = [1000]
    with pytest.raises(UserError, match=r"closed early.*it goes on after the 1000 bytes"):
        fetch.run()
    assert not (fetch.folder / "data/slides.tsv").exists()
    assert not (fetch.folder / "out").exists()
    fetch.run()
    assert fetch.server.asked[1] == ("/channel.zip", "bytes=1000-")
    assert (fetch.folder / "data/slides.tsv").exists()


def test_a_killed_process_loses_next_to_nothing(fetch: Fetch, layout, pack) -> None:
    noise = np.random.default_rng(0).bytes(1_000_000)
    fetch.server.files["channel.zip"] = pack({"noise": noise, **layout(*SLIDES)})
    fetch.server.stall_after = 600_000
    code = "import sys; from tsva.cli.fetch import command; command(sys.argv[1:])"
    arguments = [*settings_option(fetch=fetch.settings), "--out", str(fetch.folder / "out")]
    part = fetch.folder / "data/channel.zip.part"
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and (not part.exists() or part.stat().st_size < 2 * CHUNK_BYTES):
            time.sleep(0.02)
        process.kill()
    assert part.stat().st_size == 2 * CHUNK_BYTES
    fetch.server.released.set()
    fetch.run()
    assert fetch.server.asked[1] == ("/channel.zip", f"bytes={2 * CHUNK_BYTES}-")
    assert (fetch.folder / "data/channel.zip").read_bytes() == fetch.server.files["channel.zip"]


def test_unpacking_broken_off_is_done_again(fetch: Fetch) -> None:
    fetch.run()
    lost = next(fetch.folder.glob("data/unpacked/channel/**/*.jpg"))
    lost.unlink()
    (fetch.folder / "data/unpacked/channel.part/x").mkdir(parents=True)
    fetch.run()
    assert lost.exists()
    assert not (fetch.folder / "data/unpacked/channel.part").exists()
    assert len(fetch.asked) == 2


def test_archives_need_not_be_kept(fetch: Fetch) -> None:
    fetch.run(keep_archives=False)
    assert not list(fetch.folder.glob("data/*.zip"))
    fetch.run(keep_archives=False)
    assert len(fetch.asked) == 2


def test_an_archive_that_was_put_there_is_taken(fetch: Fetch) -> None:
    (fetch.folder / "data").mkdir()
    for name, data in fetch.server.files.items():
        (fetch.folder / "data" / name).write_bytes(data)
    fetch.run()
    assert not fetch.asked
    assert (fetch.folder / "data/slides.tsv").exists()


def test_an_archive_that_changed_here_is_reported(fetch: Fetch) -> None:
    fetch.run()
    file = fetch.folder / "data/channel.zip"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(
        UserError, match=r"data/channel\.zip: got .* as at its first fetch.*Delete it to fetch it again"
    ):
        fetch.run()


def test_an_archive_that_changed_there_is_reported(fetch: Fetch, layout, pack) -> None:
    """Same size and another content under the same address, once what was fetched is gone."""
    fetch.run()
    whole = fetch.server.files["channel.zip"]
    fetch.server.files["channel.zip"] = whole.replace(b"s10_l1", b"s11_l1")
    (fetch.folder / "data/channel.zip").unlink()
    next(fetch.folder.glob("data/unpacked/channel/**/*.jpg")).unlink()
    with pytest.raises(UserError, match=r"as at its first fetch.*has changed for good"):
        fetch.run()
    (fetch.folder / "data/channel.zip").unlink()
    fetch.server.files["channel.zip"] = pack(layout({1: 1}, {}, {}))
    with pytest.raises(UserError, match=f"another file than before.*wanted {len(whole)} bytes"):
        fetch.run()


def test_a_known_digest_is_asked_for(fetch: Fetch) -> None:
    archives = [{"name": "channel.zip", "url": fetch.server.url("channel.zip"), "sha256": "0" * 64}]
    with pytest.raises(UserError, match=r"got SHA-256 .*wanted 0{64} \(fetch\.archives\)"):
        fetch.run(archives=archives)


def test_no_archive_but_something_else(fetch: Fetch) -> None:
    fetch.server.files["channel.zip"] = b"Come back with a browser."
    with pytest.raises(UserError, match=r"channel\.zip: got an archive that can't be unpacked"):
        fetch.run()
    assert not (fetch.folder / "data/archives.json").exists()


def test_archives_without_the_images(fetch: Fetch, pack) -> None:
    fetch.server.files["channel.zip"] = pack({"a/s1_l1/defocus0.jpg": b"x"})
    with pytest.raises(UserError, match="no folder of images in white light"):
        fetch.run()


def test_no_more_archives_than_the_paper_s_counts_need(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsva.cli.fetch.compare", lambda *_: read_table(fetch.folder / "equal.tsv"))
    (fetch.folder / "equal.tsv").write_text("set\twhat\tcounted\tpaper\tequal\ntrain\ttiles\t1\t1\t1\n")
    fetch.run()
    assert fetch.asked == ["/channel.zip"]
    fetch.run(every_archive=True)
    assert fetch.asked == ["/channel.zip", "/domain.zip"]


def test_a_damaged_list_of_what_was_fetched(fetch: Fetch) -> None:
    (fetch.folder / "data").mkdir()
    (fetch.folder / "data/archives.json").write_text("{")
    with pytest.raises(UserError, match=r"archives\.json: got a damaged list"):
        fetch.run()
