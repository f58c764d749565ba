"""One configuration, twice: the first run fetches, the second goes on with what the first found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[3]
pytestmark = pytest.mark.workflow


@pytest.fixture
def folder(tmp_path: Path, server, layout, pack) -> Path:
    """A working directory with the shipped configuration, and archives of this machine's in place of figshare's."""
    for part in ("Snakefile", "workflow", "profiles", "config", "envs", "tsva"):
        (tmp_path / part).symlink_to(PROJECT / part)
    server.files["small.zip"] = pack(layout({1: 1, 2: 1}, {3: 1}, {4: 1}))
    settings = yaml.safe_load((PROJECT / "config/jiang2018.yaml").read_text())
    settings["fetch"]["archives"] = [{"name": "small.zip", "url": server.url("small.zip")}]
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path


def snakemake(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1", "no_proxy": "127.0.0.1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["snakemake", "--cores", "1", "--configfile", "small.yaml", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_sheet_is_fetched_and_then_used(folder: Path, server) -> None:
    text = snakemake(folder, "--", "fetched")
    assert "run the same command again to go on with it" in text
    sheet = (folder / "data/jiang2018/slides.tsv").read_text()
    assert [row.split("\t")[0] for row in sheet.splitlines()] == ["slide", "T-s1", "T-s2", "D1-s3", "D2-s4"]
    assert len(server.asked) == 1
    log = (folder / "logs/fetch.log").read_text()
    assert "train: 2 tiles, in the paper 162" in log
    planned = snakemake(folder, "--dry-run")
    assert "run the same command again" not in planned
    for job in ("T-s1", "T-s2", "D1-s3", "D2-s4"):
        assert f"results/ingest/{job}/fields.tsv" in planned
    assert "results/report/index.html" in planned
    assert "rule fetch" not in planned
