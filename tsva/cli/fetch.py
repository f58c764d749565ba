"""tsva fetch: the data set of Jiang et al. 2018, from its archives to a slide sheet."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pandas as pd
from tqdm import tqdm

from tsva.acquisition.stack import places, resampled_shape
from tsva.atomic import fresh_file, fresh_folder
from tsva.cli.stage_settings import settings_option
from tsva.errors import UserError
from tsva.pipeline.download import Patience, Progress, download
from tsva.pipeline.fetch import Found, compare, deviations, find_sets, is_needed, sheet_rows
from tsva.pipeline.unpack import unpack, wanted_members
from tsva.readers.images import read_image
from tsva.readers.planes import FIELD_PX
from tsva.settings.fetch import Archive, FetchSettings
from tsva.stage_files import write_table

log = logging.getLogger(__name__)
PATCH_PX = 224
"""Of the paper, whose counts these are, whatever pairs.patch_px says."""
LOG_EVERY_S = 60.0
LOGGED = 50
"""Deviations in the log; the table holds all of them."""
Record = dict[str, object]


@click.command()
@settings_option(settings=FetchSettings)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the tables.")
def command(settings: FetchSettings, out: Path) -> None:
    """Fetch the data set of Jiang et al. 2018, unpack it, count it, and write its slide sheet."""
    folder = Path(settings.folder)
    (folder / "unpacked").mkdir(parents=True, exist_ok=True)
    records = _Records(folder / "archives.json")
    for archive in settings.archives:
        _take(archive, folder, records, settings)
        found, counts = _count(folder, settings)
        if counts["equal"].all() and not settings.every_archive:
            break
    differing = deviations(found, counts)
    sheet = sheet_rows(found)
    if sheet.empty:
        raise UserError(
            f"{folder / 'unpacked'}",
            got="no folder of images in white light in any archive",
            wanted="folders like incoherent_RGBchannels/train_incoherent_RGBChannels/s1_l2",
            do="Correct fetch.archives in the settings, and delete the folder.",
        )
    with fresh_folder(out) as tables:
        write_table(tables / "archives.tsv", pd.DataFrame([{"name": name, **row} for name, row in records]))
        write_table(tables / "counts.tsv", counts)
        write_table(tables / "deviations.tsv", differing)
    sheet["path"] = "unpacked/" + sheet["path"]
    with fresh_file(Path(settings.sheet)) as part:
        write_table(part, sheet)
    for row in counts.to_dict("records"):
        log.info("%s: %s %s, in the paper %s", row["set"], row["counted"], row["what"], row["paper"])
    for row in differing.head(LOGGED).to_dict("records"):
        log.warning("deviation: %s: %s", " ".join(filter(None, (row["set"], row["location"]))), row["deviation"])
    if len(differing) > LOGGED:
        log.warning("%d further deviations are in %s", len(differing) - LOGGED, out / "deviations.tsv")
    log.info("%s: %d slides", settings.sheet, len(sheet))


class _Records:
    """What was fetched: sizes and digests, remembered so that changes are seen."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, Record] = {}
        if path.exists():
            try:
                self._rows = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise UserError(
                    str(path),
                    got=f"a damaged list of what was fetched ({error})",
                    wanted="JSON",
                    do="Delete it: archives that are there are then taken as they are.",
                ) from None

    def __iter__(self) -> Iterator[tuple[str, Record]]:
        return iter(self._rows.items())

    def of(self, name: str) -> Record:
        """What is known of an archive."""
        return self._rows.get(name, {})

    def update(self, name: str, **values: object) -> None:
        """Remember, at once."""
        self._rows[name] = {**self.of(name), **values}
        with fresh_file(self._path) as part:
            part.write_text(json.dumps(self._rows, indent=1) + "\n", encoding="utf-8")


def _take(archive: Archive, folder: Path, records: _Records, settings: FetchSettings) -> None:
    """Have an archive unpacked, whatever of the way there is done already."""
    file, place = folder / archive.name, folder / "unpacked" / archive.name.removesuffix(".zip")
    known = records.of(archive.name)
    unpacked = "files" in known and _contents(place) == (known["files"], known["unpacked_bytes"])
    if unpacked and not file.exists():
        return
    if not file.exists():
        patience = Patience(settings.attempts)
        size = known.get("bytes")
        with _progress(f"fetch {archive.name}") as progress:
            download(archive.url, file, patience, size if isinstance(size, int) else None, progress)
    _verify(archive, file, records)
    if not unpacked:
        members = wanted_members(file, is_needed, max_bytes=int(settings.max_unpacked_gb * 1e9))
        with _progress(f"unpack {archive.name}") as progress, fresh_folder(place) as part:
            unpack(file, members, part, progress)
        files, size_bytes = _contents(place)
        records.update(archive.name, files=files, unpacked_bytes=size_bytes)
        log.info("%s: %d images unpacked", archive.name, files)
    if not settings.keep_archives:
        file.unlink()


def _verify(archive: Archive, file: Path, records: _Records) -> None:
    """Compare an archive with what was recorded at its first fetch, or record it now."""
    known = records.of(archive.name)
    size = file.stat().st_size
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if archive.sha256 not in (None, digest):
        raise UserError(
            str(file),
            got=f"SHA-256 {digest}",
            wanted=f"{archive.sha256} (fetch.archives)",
            do="Delete it, so that it is fetched again.",
        )
    if known.get("sha256", digest) != digest:
        raise UserError(
            str(file),
            got=f"{size} bytes with SHA-256 {digest}",
            wanted=f"{known['bytes']} bytes with SHA-256 {known['sha256']}, as at its first fetch",
            do=f"Delete it to fetch it again; if {archive.url} has changed for good and the new one is wanted, delete"
            " its entry in archives.json too.",
        )
    if "sha256" not in known:
        wanted_members(file, lambda _: False, max_bytes=0)  # at least an archive
        records.update(archive.name, url=archive.url, bytes=size, sha256=digest)
    log.info("%s: %d bytes, SHA-256 %s", archive.name, size, digest)


def _count(folder: Path, settings: FetchSettings) -> tuple[list[Found], pd.DataFrame]:
    root = folder / "unpacked"
    places_of = [root / archive.name.removesuffix(".zip") for archive in settings.archives]
    files = (path for place in places_of for path in place.rglob("*") if path.is_file())
    found = find_sets(path.relative_to(root).as_posix() for path in files)
    whole = [tile.first for part in found for tile in part.tiles if not tile.patches]
    return found, compare(found, {first: _patches(root / first) for first in whole})


def _patches(path: Path) -> int:
    """Whole patches of a test tile at the paper's pixel size."""
    height, width = read_image(path).shape[:2]
    return len(list(places(*resampled_shape((height, width), width / FIELD_PX), PATCH_PX)))


def _contents(folder: Path) -> tuple[int, int]:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


@contextmanager
def _progress(title: str) -> Iterator[Progress]:
    """A bar in a terminal; a line a minute in a log."""
    last = time.monotonic()
    with tqdm(desc=title, unit="B", unit_scale=True, unit_divisor=1000, disable=None) as bar:

        def progress(done: int, total: int | None) -> None:
            nonlocal last
            bar.total = total
            bar.update(done - bar.n)
            if time.monotonic() - last >= LOG_EVERY_S:
                last = time.monotonic()
                share = f"{done / total:.0%} of {total / 1e9:.2f} GB" if total else f"{done / 1e9:.2f} GB"
                log.info("%s: %s", title, share)

        yield progress
