"""The command tsva: its stages, its log, and errors of users and of the machine in one line."""

from __future__ import annotations

import contextlib
import errno
import importlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import click

from tsva.cli.main import COMMANDS
from tsva.errors import UserError


class _Lazy(click.Group):
    """Imports a subcommand's module when it is asked for, so that `tsva focus` never waits for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name])
        own = getattr(module, cmd_name.replace("-", "_"), None)  # in a module of several commands
        command: click.Command = own if isinstance(own, click.Command) else module.command
        return command


@click.group(cls=_Lazy)
@click.version_option(package_name="tsva", message="%(prog)s %(version)s", prog_name="tsva")
@click.option("--log", type=click.Path(path_type=Path), help="Write the log here instead of to the terminal.")
def cli(log: Path | None) -> None:
    """Two-shot virtual autofocusing, stage by stage."""
    handler: logging.Handler = logging.StreamHandler()
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        # further processes of one training call this too
        is_first = all(os.environ.get(rank, "0") == "0" for rank in ("LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"))
        handler = logging.FileHandler(log, mode="w" if is_first else "a", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


@contextlib.contextmanager
def quiet_log() -> Iterator[None]:
    """Within the block, warnings are not logged: for commands that report everything themselves."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def run() -> None:
    """Run the command; a user's or the machine's mistake ends in one line and status 1, a bug in a traceback."""
    logging.raiseExceptions = False  # a log that can't be written is no reason to say more than the one line
    try:
        cli(prog_name="tsva")
    except UserError as error:
        _end(error)
    except Exception as error:
        known = as_user_error(error)
        if known is not None:
            _end(known)
        logging.exception("unexpected error")
        raise


def _end(error: UserError) -> NoReturn:
    with contextlib.suppress(OSError):  # a full disk has no room for the log either
        logging.error("%s", error)
    click.secho(f"tsva: {error}", fg="red", err=True)
    sys.exit(1)


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
BROKEN = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EREMOTEIO, errno.ENOTCONN)
SHORT_WRITES = ("requested and", "file write failed", "unexpected pos")
"""How NumPy and torch report that less was written than they gave, without the system's reason."""


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
            where, got=got, wanted="a file or folder that this user may use", do="Correct its permissions or its mount."
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
        do="Free some (snakemake -n prints how much is needed), then run the same command again.",
    )
