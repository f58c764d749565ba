"""Snakemake that asks every second how its Slurm jobs are; the plugin adds ten seconds whenever none has ended."""

from __future__ import annotations

import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def _wait_a_second(_: RemoteExecutor) -> None:
    await asyncio.sleep(1)


if __name__ == "__main__":
    RemoteExecutor.sleep = _wait_a_second  # type: ignore[method-assign]
    sys.exit(main())
