"""What the machine refuses (room, permission, memory), told like a user's mistake: the program is well."""

from __future__ import annotations

import errno

from tsva.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
BROKEN = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EREMOTEIO, errno.ENOTCONN)
SHORT_WRITES = ("requested and", "file write failed", "unexpected pos")
"""How NumPy and torch tell that less was written than they gave, without the system's reason."""


def as_user_error(error: BaseException) -> UserError | None:
    """The message for an error that the machine made; None for any other."""
    if isinstance(error, MemoryError):
        return UserError(
            "memory",
            got=str(error) or "no more of it",
            wanted="enough for this stage",
            do="Give the job more (mem_mb), or lower threads, batches or field sizes in the settings.",
        )
    if isinstance(error, RuntimeError | OSError) and any(words in str(error) for words in SHORT_WRITES):
        return _full("an output", str(error).splitlines()[0])
    if not isinstance(error, OSError):
        return None
    where, got = str(error.filename or "a file"), error.strerror or str(error)
    if error.errno in FULL:
        return _full(where, got)
    if error.errno in FORBIDDEN:
        return UserError(
            where, got=got, wanted="a file or folder that this user may use", do="Mend its permissions or its mount."
        )
    if error.errno in BROKEN:
        return UserError(
            where, got=got, wanted="a disk or server that answers", do="Look after it, then run the same command again."
        )
    return None


def _full(where: str, got: str) -> UserError:
    return UserError(
        where,
        got=got,
        wanted="room for the outputs",
        do="Free some (snakemake -n tells how much is needed), then run the same command again.",
    )
