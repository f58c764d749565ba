"""A server on this machine that behaves badly on demand, and a small archive of the data set's layout."""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image


@dataclass
class Server:
    """What is served, and how. `breaks` holds, for each connection to come, after how many bytes it is cut; after
    `stall_after` bytes a connection falls silent until `released`."""

    files: dict[str, bytes] = field(default_factory=dict)
    breaks: list[int | None] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    validators: bool = True
    lengths: bool = True
    shift: int = 0
    stall_after: int | None = None
    released: threading.Event = field(default_factory=threading.Event)
    kind: str = "application/zip"
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    port: int = 0

    def url(self, name: str) -> str:
        """Where a file is."""
        return f"http://127.0.0.1:{self.port}/{name}"


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            span = self.headers.get("Range")
            server.asked.append((self.path, span))
            status = server.statuses.pop(0) if server.statuses else 200
            data = server.files.get(self.path.lstrip("/"))
            if status != 200 or data is None:
                self.send_response(404 if data is None else status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            etag = f'"{hashlib.sha256(data).hexdigest()[:8]}"'
            start = 0
            if span and server.ranges and self.headers.get("If-Range", etag) == etag:
                start = int(span.removeprefix("bytes=").removesuffix("-")) + server.shift
                if start >= len(data):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(data)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            else:
                self.send_response(200)
            if server.validators:
                self.send_header("ETag", etag)
            if server.lengths:
                self.send_header("Content-Length", str(len(data) - start))
            self.send_header("Content-Type", server.kind)
            self.end_headers()
            after = server.breaks.pop(0) if server.breaks else None
            with contextlib.suppress(ConnectionError):
                if server.stall_after is not None and not server.released.is_set():
                    self.wfile.write(data[start : start + server.stall_after])
                    server.released.wait()
                    return
                self.wfile.write(data[start:] if after is None else data[start : start + after])

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Running, and asked without a proxy."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    told = Server()
    running = ThreadingHTTPServer(("127.0.0.1", 0), _handler(told))
    told.port = running.server_address[1]
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield told
    told.released.set()
    running.shutdown()
    thread.join()
    running.server_close()


def jpeg(height: int, width: int) -> bytes:
    """A grey picture."""
    file = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), 128, np.uint8)).save(file, "JPEG")
    return file.getvalue()


TRAIN = "incoherent_RGBchannels/train_incoherent_RGBChannels"
SAME = "incoherent_RGBchannels/testRawData_incoherent_sameProtocol"
DIFFERENT = "incoherent_RGBchannels/testRawData_incoherent_diffProtocol"


def members(train: dict[int, int], same: dict[int, int], different: dict[int, int], top: str = "") -> dict[str, bytes]:
    """Files of the layout: locations by slide number; 2 patches a training location, 3 planes everywhere."""
    patch, whole = jpeg(16, 16), jpeg(20, 24)
    out: dict[str, bytes] = {}
    for folder, slides in ((TRAIN, train), (SAME, same), (DIFFERENT, different)):
        for slide, locations in slides.items():
            for location in range(1, locations + 1):
                for nm in (-350, 150, 650):
                    place = f"{top}{folder}/s{slide}_l{location}"
                    if folder == TRAIN:
                        out |= {f"{place}/Seg{k}_defocus{nm}.jpg": patch for k in (1, 2)}
                    else:
                        out[f"{place}/defocus{nm}.jpg"] = whole
    return out


def packed(files: dict[str, bytes]) -> bytes:
    """A zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


@pytest.fixture
def layout() -> Callable[..., dict[str, bytes]]:
    """`members`, for tests."""
    return members


@pytest.fixture
def pack() -> Callable[[dict[str, bytes]], bytes]:
    """`packed`, for tests."""
    return packed
