"""Files over HTTP that take hours: broken off, they go on where they were."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import logging
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tsva.errors import UserError

log = logging.getLogger(__name__)
CHUNK_BYTES = 1 << 18
LONGEST_PAUSE_S = 300.0
TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)
BY_HAND = "Fetch it with a browser, put it there, and run again: a file that is there is taken as it is."

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes that there will be, where the server says it."""


@dataclass(frozen=True)
class Patience:
    """How long to put up with a bad connection.

    Attributes
    ----------
    attempts : int
        Connections that may break in a row without bringing anything further.
    pause_s : float
        Before the second of them; doubles with each further one.
    timeout_s : float
        Silence after which a connection is given up.
    """

    attempts: int
    pause_s: float = 5.0
    timeout_s: float = 60.0


@dataclass(frozen=True)
class Remote:
    """What a server says of a file: kept beside an unfinished one, to see whether it is still the same.

    Attributes
    ----------
    url : str
        Asked for.
    total : int or None
        Its size in bytes.
    validator : str or None
        A strong ETag, else the date of its last change.
    """

    url: str
    total: int | None
    validator: str | None

    def differs(self, other: Remote) -> bool:
        """Whether both say something of size or version, and not the same."""
        pairs = ((self.total, other.total), (self.validator, other.validator))
        return any(mine is not None and yours is not None and mine != yours for mine, yours in pairs)


class _BrokenError(Exception):
    """A connection that broke or was refused, and may work the next time."""


def download(url: str, target: Path, patience: Patience, known_bytes: int | None, progress: Progress) -> None:
    """Fetch a file; what arrived before a break is kept beside it as ``<name>.part`` and continued.

    Parameters
    ----------
    url : str
        http or https; redirections are followed.
    target : Path
        Appears when complete; its folder exists.
    patience : Patience
        Attempts and pauses.
    known_bytes : int or None
        Size it had when it was fetched before.
    progress : callable
        Called with what has arrived.

    Raises
    ------
    UserError
        If the server refuses, offers another file than before, or keeps breaking off, or if the disk is too small.
    """
    part = target.with_name(target.name + ".part")
    failures = 0
    while True:
        before = _size(part)
        try:
            _go_on(url, target, part, patience.timeout_s, known_bytes, progress)
            break
        except _BrokenError as error:
            failures = 1 if _size(part) > before else failures + 1
            log.warning("%s: %s; %s bytes are here", url, error, _size(part))
            if failures >= patience.attempts:
                raise UserError(
                    url,
                    got=f"{error}, {failures} times in a row",
                    wanted=f"the rest of {target.name}",
                    do=f"Run again: it goes on after the {_size(part)} bytes that are here.",
                ) from None
            time.sleep(min(patience.pause_s * 2 ** (failures - 1), LONGEST_PAUSE_S))
    part.replace(target)
    _note(part).unlink(missing_ok=True)


def _go_on(url: str, target: Path, part: Path, timeout_s: float, known_bytes: int | None, progress: Progress) -> None:
    """One connection: ask for what is missing, and write it behind what is there."""
    earlier = _earlier(part, url)
    start = _size(part)
    if earlier is not None and start and start == earlier.total:
        return  # complete, but for its name
    with _ask(url, target, start, earlier, timeout_s) as response:
        remote = _remote(response, url)
        if earlier is not None and start and remote.differs(earlier):
            raise _changed(url, target, remote, earlier.total)
        if None not in (known_bytes, remote.total) and remote.total != known_bytes:
            raise _changed(url, target, remote, known_bytes)
        if start and response.status != http.HTTPStatus.PARTIAL_CONTENT:
            log.warning("%s: the server can't go on at byte %d and begins anew", url, start)
            start = 0
        span = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if start and span is not None and int(span[1]) != start:
            raise _BrokenError(f"the server sends what follows byte {span[1]}, not {start}")
        _check_room(part, None if remote.total is None else remote.total - start, remote.total)
        _note(part).write_text(json.dumps(asdict(remote)), encoding="utf-8")
        _write(response, part, start, remote.total, progress)


def _ask(url: str, target: Path, start: int, earlier: Remote | None, timeout_s: float) -> http.client.HTTPResponse:
    headers = {"User-Agent": "tsva", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if earlier is not None and earlier.validator is not None:
            headers["If-Range"] = earlier.validator
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=timeout_s
        )
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in TRY_AGAIN:
            raise _BrokenError(f"the server answers {error.code} {error.reason}") from None
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            length = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
            remote = Remote(url, int(length[1]) if length else None, None)
            raise _changed(url, target, remote, earlier.total if earlier is not None else None) from None
        raise UserError(
            url,
            got=f"the answer {error.code} {error.reason}",
            wanted=target.name,
            do=f"Correct fetch.archives in the settings. {BY_HAND}",
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(f"no connection ({getattr(error, 'reason', error)})") from None
    page = response.headers.get_content_type() == "text/html"
    if page or response.status not in (http.HTTPStatus.OK, http.HTTPStatus.PARTIAL_CONTENT):
        response.close()
        got = "a web page" if page else f"the answer {response.status} {response.reason}"
        raise UserError(
            url,
            got=got,
            wanted=f"the archive {target.name} (some servers ask for a browser)",
            do=f"{target}: {BY_HAND}",
        )
    return response


def _remote(response: http.client.HTTPResponse, url: str) -> Remote:
    length = response.headers.get("Content-Length")
    total = int(length) if length is not None and length.isdigit() else None
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        span = re.fullmatch(r"bytes \d+-\d+/(\d+)", response.headers.get("Content-Range", ""))
        total = int(span[1]) if span else None
    etag = response.headers.get("ETag")
    validator = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
    return Remote(url, total, validator)


def _write(response: http.client.HTTPResponse, part: Path, start: int, total: int | None, progress: Progress) -> None:
    done = start
    with part.open("ab" if start else "wb") as file:
        while True:
            try:
                chunk = response.read(CHUNK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise _BrokenError(f"the connection broke ({error or type(error).__name__})") from None
            if not chunk:
                break
            try:
                file.write(chunk)
            except OSError as error:
                raise _full(part, error) from None
            done += len(chunk)
            progress(done, total)
    # a connection that closes early just ends, as far as http.client is concerned
    if total is not None and done < total:
        raise _BrokenError("the connection closed early")
    if total is not None and done > total:
        part.unlink()
        raise _BrokenError(f"{done} bytes arrived of {total}")


def _check_room(part: Path, missing: int | None, total: int | None) -> None:
    """There has to be room for what is missing of the archive, and for about as much again when it is unpacked."""
    if missing is None or total is None:
        return
    free = shutil.disk_usage(part.parent).free
    if free < missing + total:
        raise UserError(
            str(part.parent),
            got=f"{free / 1e9:.1f} GB of free disk",
            wanted=f"{(missing + total) / 1e9:.1f} GB, for {part.stem} and what it unpacks to",
            do="Make room, or set fetch.folder to a larger disk.",
        )


def _full(part: Path, error: OSError) -> UserError:
    got = "a full disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error)
    return UserError(str(part), got=got, wanted="room to write", do="Make room and run again: it goes on from here.")


def _changed(url: str, target: Path, now: Remote, then_bytes: int | None) -> UserError:
    sizes = f"{now.total} bytes" + (f" ({now.validator})" if now.validator else "")
    then = f"{then_bytes} bytes" if then_bytes else "what is here already"
    return UserError(
        url,
        got=f"another file than before: {sizes}",
        wanted=f"{then}, as when {target.name} was first fetched",
        do=f"If the new one is wanted, delete {target.name} and {target.name}.part in {target.parent} and the entry in"
        " its archives.json.",
    )


def _earlier(part: Path, url: str) -> Remote | None:
    """What the server said when `part` was begun; a part of another file, or an unknown one, is dropped."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        remote = Remote(**json.loads(_note(part).read_text(encoding="utf-8")))
        if remote.url == url:
            return remote
    part.unlink(missing_ok=True)
    return None


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
