"""Content decides, not time stamps."""

from __future__ import annotations

import os
from pathlib import Path

from tsva.pipeline.leaks import Contents


def fresh(tmp_path: Path) -> Contents:
    return Contents(tmp_path / "memory.json")


def test_touching_and_equal_replacement_change_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"planes")
    before = fresh(tmp_path).digest([file], tmp_path)
    os.utime(file, (1, 1))
    assert fresh(tmp_path).digest([file], tmp_path) == before
    file.unlink()
    file.write_bytes(b"planes")
    assert fresh(tmp_path).digest([file], tmp_path) == before


def test_new_content_under_the_old_time_stamp_and_size_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"planes")
    stamp = file.stat()
    before = fresh(tmp_path).digest([file], tmp_path)
    file.write_bytes(b"spleen")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert fresh(tmp_path).digest([file], tmp_path) != before


def test_names_count_and_order_does_not(tmp_path: Path) -> None:
    one, two = tmp_path / "1.bin", tmp_path / "2.bin"
    one.write_bytes(b"x")
    two.write_bytes(b"y")
    both = fresh(tmp_path).digest([one, two], tmp_path)
    assert fresh(tmp_path).digest([two, one], tmp_path) == both
    assert fresh(tmp_path).digest([one], tmp_path) != both
    two.rename(tmp_path / "3.bin")
    assert fresh(tmp_path).digest([one, tmp_path / "3.bin"], tmp_path) != both


def test_remembers_and_survives_a_broken_memory(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"planes")
    before = fresh(tmp_path).digest([file], tmp_path)
    assert (tmp_path / "memory.json").exists()
    (tmp_path / "memory.json").write_text("{broken")
    assert fresh(tmp_path).digest([file], tmp_path) == before
