"""Archives that would do harm."""

from __future__ import annotations

import io
import shutil
import stat
import struct
import zipfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from tsva.errors import UserError
from tsva.pipeline import unpack as unpacking
from tsva.pipeline.unpack import unpack, wanted_members

NOISE = np.random.default_rng(0).bytes(2000)


def archive(tmp_path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes], packed: bool = False) -> Path:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
        for name, data in entries:
            file.writestr(name, data)
    return path


def members(path: Path, max_bytes: int = 10**9) -> list[zipfile.ZipInfo]:
    return wanted_members(path, lambda name: name.endswith(".jpg"), max_bytes=max_bytes)


def mode(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o777) << 16
    return info


def test_what_is_wanted_comes_out_and_nothing_else(tmp_path: Path) -> None:
    path = archive(tmp_path, ("x/s1_l1/a.jpg", NOISE), ("x/readme.txt", b"no"), ("x/", b""), ("b.jpg", b"b"))
    chosen = members(path)
    seen: list[tuple[int, int]] = []
    (tmp_path / "out").mkdir()
    unpack(path, chosen, tmp_path / "out", lambda done, total: seen.append((done, total)))
    files = {p.relative_to(tmp_path / "out").as_posix(): p.read_bytes() for p in tmp_path.glob("out/**/*.*")}
    assert files == {"x/s1_l1/a.jpg": NOISE, "b.jpg": b"b"}
    assert seen[-1] == (2001, 2001)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("../evil.jpg", "which leads elsewhere"),
        ("x/../../evil.jpg", "which leads elsewhere"),
        ("..\\evil.jpg", "which leads elsewhere"),
        ("x/\x1b[2Jevil.jpg", "which leads elsewhere"),
        ("/etc/evil.jpg", "the absolute name"),
        ("C:/evil.jpg", "the absolute name"),
        ("../evil.txt", "which leads elsewhere"),
        (mode("x/link.jpg", stat.S_IFLNK), "a symbolic link"),
        (mode("x/pipe.jpg", stat.S_IFIFO), "a special file"),
    ],
)
def test_names_and_kinds_that_are_refused(tmp_path: Path, entry: str | zipfile.ZipInfo, says: str) -> None:
    """Whether the member is wanted or not: such an archive is not to be trusted."""
    path = archive(tmp_path, ("x/a.jpg", NOISE), (entry, b"/etc/passwd"))
    with pytest.raises(UserError, match=says):
        members(path)


def test_plain_files_of_other_systems_are_taken(tmp_path: Path) -> None:
    assert len(members(archive(tmp_path, (mode("x/a.jpg", stat.S_IFREG), b"a"), ("b.jpg", b"b")))) == 2


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["x/a.jpg", "x/A.jpg"])
def test_a_file_twice_is_refused(tmp_path: Path, second: str) -> None:
    """Names that differ in case alone are one file on many disks."""
    with pytest.raises(UserError, match="two files of the same name"):
        members(archive(tmp_path, ("x/a.jpg", b"a"), (second, b"b")))


def test_a_file_where_a_folder_has_to_be(tmp_path: Path) -> None:
    path = archive(tmp_path, ("x.jpg", b"a"), ("x.jpg/y.jpg", b"b"))
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"a\.zip: got"):
        unpack(path, members(path), tmp_path / "out", lambda *_: None)


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path, ("a.jpg", NOISE), ("b.jpg", NOISE), ("c.txt", NOISE))
    monkeypatch.setattr(unpacking, "MOST_FILES", 3)
    assert len(members(path, max_bytes=4000)) == 2
    with pytest.raises(UserError, match=r"GB when unpacked.*fetch\.max_unpacked_gb"):
        members(path, max_bytes=3999)
    with pytest.raises(UserError, match=r"got 3 files; wanted at most 2"):
        monkeypatch.setattr(unpacking, "MOST_FILES", 2)
        members(path)


def test_a_bomb(tmp_path: Path) -> None:
    """Zeros shrink a thousandfold."""
    path = archive(tmp_path, ("a.jpg", bytes(10_000_000)), packed=True)
    with pytest.raises(UserError, match="10000000 bytes packed into"):
        members(path)


def test_an_encrypted_archive(tmp_path: Path) -> None:
    path = archive(tmp_path, ("a.jpg", NOISE))
    raw = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(signature) + offset] |= 1
    path.write_bytes(raw)
    with pytest.raises(UserError, match="which is encrypted"):
        members(path)


def test_damage(tmp_path: Path) -> None:
    path = archive(tmp_path, ("a.jpg", NOISE))
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(UserError, match="got an archive that can't be unpacked"):
        members(path)
    path.write_bytes(whole.replace(NOISE[:8], b"\0" * 8))
    chosen = members(path)
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="Bad CRC-32"):
        unpack(path, chosen, tmp_path / "out", lambda *_: None)


def test_a_member_that_says_less_than_it_holds(tmp_path: Path) -> None:
    """The size in the directory is a lie: no more than it says is written, and the check sum tells."""
    path = archive(tmp_path, ("a.jpg", NOISE), packed=True)
    raw = bytearray(path.read_bytes())
    struct.pack_into("<I", raw, raw.index(b"PK\x01\x02") + 24, 10)
    path.write_bytes(raw)
    chosen = members(path)
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"Bad CRC-32|larger than announced"):
        unpack(path, chosen, tmp_path / "out", lambda *_: None)
    assert (tmp_path / "out/a.jpg").stat().st_size <= 10


def test_room_for_what_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    path = archive(tmp_path, ("a.jpg", NOISE))
    chosen = members(path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 1999))
    with pytest.raises(UserError, match="GB of free disk"):
        unpack(path, chosen, tmp_path, lambda *_: None)


def test_no_archive_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(io.BytesIO(b"<html>").getvalue())
    with pytest.raises(UserError, match=r"File is not a zip file.*Delete it and run again"):
        members(tmp_path / "a.zip")
