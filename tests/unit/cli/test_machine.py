"""Errors that the machine makes are distinguished from those of the program."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from tsva.cli.commands import BROKEN, FORBIDDEN, FULL, as_user_error


def system_error(number: int) -> OSError:
    return OSError(number, os.strerror(number), "results/a.npy")


@pytest.mark.parametrize(("numbers", "wanted"), [(FULL, "room"), (FORBIDDEN, "may use"), (BROKEN, "answers")])
def test_what_the_system_refuses_is_told_with_the_file(numbers: tuple[int, ...], wanted: str) -> None:
    for number in numbers:
        told = as_user_error(system_error(number))
        assert told is not None and told.where == "results/a.npy" and wanted in told.wanted


def test_errors_of_the_program_stay_errors() -> None:
    for error in (ValueError("x"), KeyError("x"), RuntimeError("x"), system_error(errno.ENOENT), OSError("x")):
        assert as_user_error(error) is None


def test_lack_of_memory_says_how_much_was_wanted() -> None:
    with pytest.raises(MemoryError) as caught:
        np.empty(2**62, np.uint8)
    told = as_user_error(caught.value)
    assert told is not None and "EiB" in told.got


def test_short_writes_of_numpy_are_a_full_disk() -> None:
    script = (
        "import resource, tempfile, numpy as np\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "with tempfile.TemporaryDirectory() as place:\n"
        "    try:\n"
        "        np.save(place + '/a.npy', np.zeros(100_000))\n"
        "    except OSError as error:\n"
        "        from tsva.cli.commands import as_user_error\n"
        "        print(as_user_error(error).wanted)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "room" in done.stdout
