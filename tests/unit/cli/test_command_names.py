"""The names of the command line: each stands for a command of its own."""

from __future__ import annotations

import click
import pytest

from tsva.cli.commands import cli
from tsva.cli.main import COMMANDS


@pytest.fixture(scope="module")
def commands() -> dict[str, click.Command]:
    """Commands by the names that users type."""
    context = click.Context(cli)
    return {name: cli.get_command(context, name) for name in cli.list_commands(context)}


def test_every_name_has_a_command_of_its_own(commands: dict[str, click.Command]) -> None:
    assert list(commands) == list(COMMANDS)
    assert all(isinstance(command, click.Command) for command in commands.values())
    assert len({id(command) for command in commands.values()}) == len(COMMANDS)
    assert all(command.help for command in commands.values())


def test_commands_of_one_module_are_distinguished(commands: dict[str, click.Command]) -> None:
    options = {
        name: {option.name for option in commands[name].params} for name in ("refocus-slide", "focus-map", "edof")
    }
    assert "sheet_folder" in options["refocus-slide"]
    assert "low" in options["focus-map"] and "model" not in options["focus-map"]
    assert "stack" in options["edof"] and "low" not in options["edof"]


def test_an_unknown_name_is_none() -> None:
    assert cli.get_command(click.Context(cli), "refocus_slide") is None
