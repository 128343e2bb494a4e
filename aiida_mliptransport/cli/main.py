"""The command ``aiida-mliptransport`` and the order of its subcommands."""

from __future__ import annotations

from importlib import import_module

import click

from .. import __version__
from .errors import explain

#: Subcommand to module; a module is imported when its command is used.
COMMANDS = {
    "setup": "install",
    "doctor": "install",
    "launch": "launch",
    "status": "campaign",
    "finish": "campaign",
    "report": "results",
    "card": "validation",
    "export": "results",
    "lineage": "results",
    "summary": "results",
    "analyse": "analyse",
    "mechanism": "mechanism",
    "frames": "frames",
    "structure": "structure",
}


class LazyGroup(click.Group):
    """A group that imports a command when it is used, and turns known errors into one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f".{COMMANDS[cmd_name]}", __package__)
        command: click.Command = getattr(module, cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            message = explain(error)
            if message is None:
                raise
            raise click.ClickException(message) from error


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="aiida-mliptransport")
@click.option("-p", "--profile", help="AiiDA profile; the default one if not given.")
@click.pass_context
def cli(ctx: click.Context, profile: str | None) -> None:
    """From a structure and a level of theory to ion transport that can be trusted.

    \b
    A first campaign:
      verdi presto --use-zeromq
      aiida-mliptransport setup
      aiida-mliptransport launch campaign.yaml --follow
    """
    ctx.obj = profile
