"""Files over connections that break."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from tsva.errors import UserError
from tsva.pipeline.download import Patience, download

BODY = np.random.default_rng(0).bytes(1_000_003)
OTHER = np.random.default_rng(1).bytes(1_000_003)


def fetch(server, target: Path, known_bytes: int | None = None, attempts: int = 3) -> list[tuple[int, int | None]]:
    seen: list[tuple[int, int | None]] = []
    patience = Patience(attempts, pause_s=0.0, timeout_s=10.0)
    download(server.url("a.zip"), target, patience, known_bytes, lambda done, total: seen.append((done, total)))
    return seen


def test_a_whole_file(server, tmp_path: Path) -> None:
    server.files["a.zip"] = BODY
    seen = fetch(server, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert seen[-1] == (len(BODY), len(BODY))
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize("validators", [True, False])
def test_broken_connections_are_continued(server, tmp_path: Path, validators: bool) -> None:
    server.files["a.zip"], server.breaks, server.validators = BODY, [300_000, 1, 200_000], validators
    fetch(server, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert [span for _, span in server.asked] == [None, "bytes=300000-", "bytes=300001-", "bytes=500001-"]


def test_an_interrupted_run_goes_on_in_the_next(server, tmp_path: Path) -> None:
    server.files["a.zip"], server.breaks = BODY, [400_000, 0, 0, 0]
    with pytest.raises(UserError, match=r"closed early, 3 times in a row.*goes on after the 400000 bytes"):
        fetch(server, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()
    assert (tmp_path / "a.zip.part").stat().st_size == 400_000
    fetch(server, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert server.asked[-1][1] == "bytes=400000-"


def test_a_server_without_ranges_begins_anew(server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server.files["a.zip"], server.breaks, server.ranges = BODY, [700_000], False
    fetch(server, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert "can't go on at byte 700000 and begins anew" in caplog.text


def test_a_server_that_goes_on_somewhere_else(server, tmp_path: Path) -> None:
    server.files["a.zip"], server.breaks, server.shift = BODY, [700_000], 8
    with pytest.raises(UserError, match="what follows byte 700008, not 700000, 3 times in a row"):
        fetch(server, tmp_path / "a.zip")
    assert (tmp_path / "a.zip.part").read_bytes() == BODY[:700_000]


def test_a_server_that_says_no_length(server, tmp_path: Path) -> None:
    server.files["a.zip"], server.lengths = BODY, False
    assert fetch(server, tmp_path / "a.zip")[-1] == (len(BODY), None)
    assert (tmp_path / "a.zip").read_bytes() == BODY


@pytest.mark.parametrize("ranges", [True, False])
def test_another_file_in_the_middle_is_reported(server, tmp_path: Path, ranges: bool) -> None:
    """Same size, another content: the two halves would make an archive that nobody ever packed."""
    server.files["a.zip"], server.breaks, server.ranges = BODY, [400_000], ranges
    with pytest.raises(UserError):
        fetch(server, tmp_path / "a.zip", attempts=1)
    server.files["a.zip"] = OTHER
    with pytest.raises(UserError, match=r"another file than before: 1000003 bytes \(\".*delete a.zip and a.zip.part"):
        fetch(server, tmp_path / "a.zip")
    assert (tmp_path / "a.zip.part").read_bytes() == BODY[:400_000]


def test_a_shorter_file_in_the_middle_is_reported(server, tmp_path: Path) -> None:
    server.files["a.zip"], server.breaks, server.validators = BODY, [400_000], False
    with pytest.raises(UserError):
        fetch(server, tmp_path / "a.zip", attempts=1)
    server.files["a.zip"] = BODY[:1000]
    with pytest.raises(UserError, match=r"another file than before: 1000 bytes; wanted 1000003 bytes"):
        fetch(server, tmp_path / "a.zip")


def test_another_size_than_at_the_first_fetch_is_reported(server, tmp_path: Path) -> None:
    server.files["a.zip"] = BODY
    with pytest.raises(UserError, match=r"got another file than before: 1000003 bytes.*wanted 999 bytes"):
        fetch(server, tmp_path / "a.zip", known_bytes=999)
    assert not list(tmp_path.iterdir())


def test_a_finished_part_needs_its_name_alone(server, tmp_path: Path) -> None:
    note = {"url": server.url("a.zip"), "total": len(BODY), "validator": None}
    (tmp_path / "a.zip.part").write_bytes(BODY)
    (tmp_path / "a.zip.part.json").write_text(json.dumps(note))
    fetch(server, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert not server.asked


def test_a_part_of_unknown_origin_is_not_continued(server, tmp_path: Path) -> None:
    server.files["a.zip"] = BODY
    (tmp_path / "a.zip.part").write_bytes(OTHER[:5000])
    fetch(server, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY


def test_a_busy_server_is_asked_again(server, tmp_path: Path) -> None:
    server.files["a.zip"], server.statuses = BODY, [503, 429]
    fetch(server, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (403, "application/zip", "the answer 403 Forbidden.*Fetch it with a browser"),
        (202, "application/zip", "the answer 202 Accepted.*ask for a browser"),
        (200, "text/html", "got a web page; wanted the archive a.zip"),
    ],
)
def test_a_server_that_wants_a_browser(server, tmp_path: Path, status: int, kind: str, says: str) -> None:
    server.files["a.zip"], server.statuses, server.kind = BODY, [status], kind
    with pytest.raises(UserError, match=says):
        fetch(server, tmp_path / "a.zip")
    assert len(server.asked) == 1
    assert not list(tmp_path.iterdir())


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no connection .*3 times in a row"):
        download("http://127.0.0.1:9/a.zip", tmp_path / "a.zip", Patience(3, 0.0, 10.0), None, lambda *_: None)


def test_room_is_asked_for_first(server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the archive and for as much again when it is unpacked."""
    usage = namedtuple("usage", "total used free")
    server.files["a.zip"] = BODY
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 2 * len(BODY) - 1))
    with pytest.raises(UserError, match=r"0\.0 GB of free disk.*Make room"):
        fetch(server, tmp_path / "a.zip")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 2 * len(BODY)))
    fetch(server, tmp_path / "a.zip")


def test_a_full_disk_is_no_broken_connection(server, tmp_path: Path) -> None:
    """/dev/full takes nothing."""
    server.files["a.zip"] = BODY
    (tmp_path / "a.zip.part").symlink_to("/dev/full")
    (tmp_path / "a.zip.part.json").write_text(
        json.dumps({"url": server.url("a.zip"), "total": None, "validator": None})
    )
    with pytest.raises(UserError, match=r"got a full disk.*goes on from here"):
        fetch(server, tmp_path / "a.zip")
    assert len(server.asked) == 1
