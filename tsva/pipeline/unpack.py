"""Archives of strangers, unpacked so that nothing lands where it shouldn't and nothing fills the disk."""

from __future__ import annotations

import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

from tsva.errors import UserError

CHUNK_BYTES = 1 << 18
MOST_FILES = 1_000_000
MOST_SHRUNK = 100
"""Images hardly shrink, and text to a tenth: what unpacks to more than this many times its size is a bomb."""
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


def wanted_members(archive: Path, wanted: Callable[[str], bool], *, max_bytes: int) -> list[zipfile.ZipInfo]:
    """Check everything in a zip archive, and list what is wanted of it.

    Parameters
    ----------
    archive : Path
        The file.
    wanted : callable
        Whether to unpack a member, by its name.
    max_bytes : int
        Of what is wanted, unpacked.

    Returns
    -------
    list of ZipInfo
        In the archive's order.

    Raises
    ------
    UserError
        If it is no zip archive or damaged, if any member's name is absolute or leads out of the folder, if one is a
        link or another special file, encrypted or there twice, or if it unpacks to too much.
    """
    where = str(archive)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
    except (OSError, *DAMAGED) as error:
        raise _damaged(where, error) from None
    for member in members:
        _check_member(where, member)
    chosen = [member for member in members if wanted(member.filename)]
    names = {member.filename.casefold() for member in chosen}
    if len(names) < len(chosen):
        raise _refused(where, "two files of the same name", "names of their own")
    if len(members) > MOST_FILES:
        raise _refused(where, f"{len(members)} files", f"at most {MOST_FILES}")
    unpacked = sum(member.file_size for member in chosen)
    packed = sum(member.compress_size for member in chosen)
    if unpacked > max_bytes:
        got = f"{unpacked / 1e9:.3g} GB when unpacked"
        raise _refused(where, got, f"at most {max_bytes / 1e9:.3g} GB (fetch.max_unpacked_gb)")
    if unpacked > MOST_SHRUNK * max(packed, archive.stat().st_size):
        raise _refused(where, f"{unpacked} bytes packed into {packed}", f"images, not {MOST_SHRUNK} times their size")
    return chosen


def unpack(archive: Path, members: list[zipfile.ZipInfo], folder: Path, progress: Callable[[int, int], None]) -> None:
    """Unpack checked members.

    Parameters
    ----------
    archive : Path
        The file.
    members : list of ZipInfo
        From `wanted_members`.
    folder : Path
        A new, empty one; members keep their paths below it.
    progress : callable
        Called with the bytes written and the bytes in all.

    Raises
    ------
    UserError
        If the disk is too small, or a member is damaged or larger than the archive says.
    """
    total = sum(member.file_size for member in members)
    free = shutil.disk_usage(folder).free
    if free < total:
        raise UserError(
            str(folder),
            got=f"{free / 1e9:.1f} GB of free disk",
            wanted=f"{total / 1e9:.1f} GB, for what {archive.name} unpacks to",
            do="Make room and run again.",
        )
    done = 0
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in members:
                target = folder / PurePosixPath(member.filename)
                target.parent.mkdir(parents=True, exist_ok=True)
                # never onto something that is there, which might be a link
                with opened.open(member) as source, target.open("xb") as file:
                    _copy(source, file, member, str(archive))
                done += member.file_size
                progress(done, total)
    except FileExistsError as error:
        raise _refused(str(archive), f"{error.filename} twice", "names of their own") from None
    except (OSError, *DAMAGED) as error:
        raise _damaged(str(archive), error) from None


def _copy(source: IO[bytes], file: IO[bytes], member: zipfile.ZipInfo, where: str) -> None:
    left = member.file_size
    while chunk := source.read(CHUNK_BYTES):
        left -= len(chunk)
        if left < 0:
            raise _refused(where, f"{member.filename} larger than announced", f"{member.file_size} bytes")
        file.write(chunk)


def _check_member(where: str, member: zipfile.ZipInfo) -> None:
    name, kind = member.filename, stat.S_IFMT(member.external_attr >> 16)
    shown = repr(name if len(name) < 80 else f"{name[:77]}…")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise _refused(where, f"the absolute name {shown}", "names below the archive's folder")
    if ".." in PurePosixPath(name).parts or "\\" in name or not name.isprintable():
        raise _refused(where, f"the name {shown}, which leads elsewhere", "names below the archive's folder")
    if kind not in (0, stat.S_IFREG):
        what = "a symbolic link" if kind == stat.S_IFLNK else "a special file"
        raise _refused(where, f"{shown}, {what}", "plain files and folders")
    if member.flag_bits & 1:
        raise _refused(where, f"{shown}, which is encrypted", "files that open without a password")


def _refused(where: str, got: str, wanted: str) -> UserError:
    return UserError(
        where,
        got=got,
        wanted=wanted,
        do="This is not the archive that it should be: delete it, and check where it comes from.",
    )


def _damaged(where: str, error: object) -> UserError:
    detail = " ".join(str(error).split()) or type(error).__name__
    return UserError(
        where,
        got=f"an archive that can't be unpacked ({detail})",
        wanted="a whole zip archive",
        do="Delete it and run again, to fetch it anew.",
    )
