"""Rewrite the tests' assertions once, for all of pytest's processes, where Python is told to write no files.

    python envs/rewrite_tests.py tests

Each of them reads what it finds, if the test file is still the same, and rewrites the others itself. So this may do
nothing where a later pytest has other functions for it.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from _pytest.assertion import rewrite

NO_STATE: Any = SimpleNamespace(trace=lambda _: None)


def main() -> None:
    """All files whose assertions pytest rewrites, if it has not kept what comes of it."""
    for pattern in ("test_*.py", "conftest.py"):
        for file in Path(sys.argv[1]).resolve().rglob(pattern):
            folder = rewrite.get_cache_dir(file)
            kept = folder / (file.stem + rewrite.PYC_TAIL)
            if rewrite._read_pyc(file, kept) is None and rewrite.try_makedirs(folder):
                source, code = rewrite._rewrite_test(file, None)  # type: ignore[arg-type]
                rewrite._write_pyc(NO_STATE, code, source, kept)


if __name__ == "__main__":
    with contextlib.suppress(AttributeError, TypeError, ValueError):
        main()
