"""The command group ``launch``: a campaign unless something else is named."""

from __future__ import annotations

import click

from .barriers import launch_neb
from .campaign import launch_campaign
from .validation import launch_validate


class CampaignByDefault(click.Group):
    """A group that takes arguments without a subcommand for those of ``campaign``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["campaign", *args])


@click.group(cls=CampaignByDefault)
def launch() -> None:
    """Submit a campaign, a search of barriers or a validation to the daemon.

    A file without a subcommand is a campaign.

    \b
    Examples:
      aiida-mliptransport launch campaign.yaml --dry-run
      aiida-mliptransport launch campaign.yaml --engine cp2k --follow
      aiida-mliptransport launch --resume 1234 --max-iterations 12
      aiida-mliptransport launch neb barriers.yaml --potential 1234 --wait
      aiida-mliptransport launch validate validation.yaml --potential 1234 --wait
    """


launch.add_command(launch_campaign)
launch.add_command(launch_neb)
launch.add_command(launch_validate)
