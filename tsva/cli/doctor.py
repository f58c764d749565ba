"""tsva doctor: whether this machine can run the workflow, and what to do where it can't."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import click

from tsva.cli.commands import quiet_log
from tsva.cli.run_settings import merged
from tsva.errors import UserError
from tsva.pipeline.doctor import machine, packages, slurm, torch_build
from tsva.pipeline.doctor.finding import Finding
from tsva.pipeline.plan import Plan

COLOURS = {"ok": "green", "note": "yellow", "bad": "red"}


@click.command()
@click.option("--configfile", type=click.Path(path_type=Path), multiple=True, help="Settings of the run to come.")
@click.option("--directory", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path())
@click.option("--slurm", "wants_slurm", is_flag=True, help="The run is to use Slurm: what is amiss there breaks it.")
def command(configfile: tuple[Path, ...], directory: Path, wants_slurm: bool) -> None:
    """Check versions, devices, disk, cores, memory, Slurm and libraries; status 1 if a run would break."""
    configfile = tuple(file.absolute() for file in configfile)
    findings = []
    with quiet_log(), chdir(directory):
        for finding in _findings(configfile, wants_slurm=wants_slurm):
            _say(finding)
            findings.append(finding)
    bad = sum(finding.level == "bad" for finding in findings)
    notes = sum(finding.level == "note" for finding in findings)
    click.echo(f"\n{bad} to correct before a run, {notes} to know")
    sys.exit(1 if bad else 0)


def _findings(configfile: tuple[Path, ...], *, wants_slurm: bool) -> Iterator[Finding]:
    yield from packages.look()
    of_torch, cuda = torch_build.look()
    yield from of_torch
    plan, needed = _planned(configfile)
    yield from plan
    yield from machine.look(Path("results"), needed)
    yield from slurm.look(wanted=wants_slurm, cuda=cuda)
    yield from packages.look_at_libraries()


def _planned(configfile: tuple[Path, ...]) -> tuple[list[Finding], int | None]:
    """What the settings ask for, where there are some."""
    default = Path("config/config.yaml")
    if not configfile and not default.is_file():
        return [Finding("settings", "ok", "none given; --configfile shows what a run takes")], None
    try:
        plan = Plan(merged(configfile, default), Path(".snakemake/tsva"))
    except UserError as error:
        return [Finding("settings", "bad", f"{error.where}: got {error.got}; wanted {error.wanted}", error.do)], None
    if plan.awaits_fetch:
        return [Finding("settings", "ok", f"{plan.sheet} is yet to be fetched")], None
    count = len(plan.slides)
    return [Finding("settings", "ok", f"{count} slide{'s' * (count > 1)} in {plan.sheet}")], plan.disk_bytes()


def _say(finding: Finding) -> None:
    word = click.style(f"{finding.level:<5}", fg=COLOURS[finding.level])
    click.echo(f"{word}{finding.area:<18}{finding.what}")
    if finding.do:
        click.echo(f"{'':<23}do: {finding.do}")
