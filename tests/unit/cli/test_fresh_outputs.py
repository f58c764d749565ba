"""Outputs appear only when complete, whatever happens meanwhile."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tsva.atomic import fresh_file, fresh_folder

WRITER = """
import sys, time
from pathlib import Path
from tsva.atomic import fresh_file, fresh_folder
kind, place, word, seconds = sys.argv[1], Path(sys.argv[2]), sys.argv[3], float(sys.argv[4])
with (fresh_folder if kind == "folder" else fresh_file)(place) as part:
    for number in range(2):
        (part / f"{number}" if kind == "folder" else part).open("a").write(word)
        print("half", flush=True)
        time.sleep(seconds / 2)
"""


def written(place: Path, kind: str) -> list[str]:
    return [path.read_text() for path in sorted(place.iterdir())] if kind == "folder" else [place.read_text()]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_second_writer_waits_for_the_first(tmp_path: Path, kind: str) -> None:
    def start(word: str, seconds: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WRITER, kind, str(tmp_path / "out"), word, str(seconds)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    slow = start("slow", 2)
    assert slow.stdout is not None and slow.stdout.readline() == "half\n"
    quick = start("quick", 0)
    assert slow.wait(60) == 0 and quick.wait(60) == 0
    assert written(tmp_path / "out", kind) == (["quick", "quick"] if kind == "folder" else ["quickquick"])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    for process in (slow, quick):
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_a_killed_writer_leaves_is_no_output_and_is_not_taken_up(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, "-c", WRITER, kind, str(tmp_path / "out"), "killed", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "half\n"
        process.kill()
    assert not (tmp_path / "out").exists()
    began = time.monotonic()
    with fresh_folder(tmp_path / "out") if kind == "folder" else fresh_file(tmp_path / "out") as part:
        (part / "0" if kind == "folder" else part).write_text("whole")
    assert time.monotonic() - began < 5, "a dead process holds no lock"
    assert written(tmp_path / "out", kind) == ["whole"]


def test_an_exception_leaves_the_output_of_before(tmp_path: Path) -> None:
    with fresh_folder(tmp_path / "out") as part:
        (part / "0").write_text("first")
    with pytest.raises(ValueError, match="no"), fresh_folder(tmp_path / "out") as part:
        (part / "0").write_text("second")
        raise ValueError("no")
    assert written(tmp_path / "out", "folder") == ["first"]


def test_a_missing_file_inside_the_block_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), fresh_file(tmp_path / "out"):
        (tmp_path / "nowhere").read_text()
