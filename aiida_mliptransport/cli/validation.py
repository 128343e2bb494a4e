"""The command that validates a potential against its labeller."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .barriers import require_success, wait_for
from .common import load_node, load_profile, print_table

if TYPE_CHECKING:
    from aiida import orm


#: Inputs that a campaign fills.
CAMPAIGN_INPUTS = ("blind_frames", "training_frames", "aimd", "trajectories")


@click.command("validate")
@click.argument("validation_file", type=click.Path(), metavar="VALIDATION.yaml")
@click.option(
    "--potential",
    required=True,
    metavar="PK",
    help="A potential, a training, or a campaign, whose blind frames and MD are taken too.",
)
@click.option(
    "--engine",
    type=click.Choice(["ase", "cp2k", "vasp", "teacher"]),
    help="What labels, in place of the engine in the file.",
)
@click.option("--dry-run", is_flag=True, help="Check everything, print the checks, submit nothing.")
@click.option("--wait", is_flag=True, help="Return with the table when it has ended.")
@click.pass_context
def launch_validate(
    ctx: click.Context,
    validation_file: str,
    potential: str,
    engine: str | None,
    dry_run: bool,
    wait: bool,
) -> None:
    """Validate a potential against its labeller: one table with a verdict a line.

    The file names structures, checks and what labels. Without an engine only what needs no new
    label is compared.

    \b
    Examples:
      aiida-mliptransport launch validate validation.yaml --potential 1234 --wait
      aiida-mliptransport launch validate validation.yaml --potential 1234 --dry-run
    """
    from ..campaign.validation import build_validation, launch_validation, load_validation_file

    content = load_validation_file(validation_file, engine)
    load_profile(ctx)
    node = load_node(potential)
    if dry_run:
        builder = build_validation(content, node)
        checks = [name for name, value in builder.checks.get_dict().items() if value is not None]
        click.echo(f"checks: {', '.join(checks)}")
        given = [name for name in CAMPAIGN_INPUTS if builder.get(name)]
        click.echo(f"known from {node.pk}: {', '.join(given) or 'nothing but the potential'}")
        click.echo(f"labelled by {content.engine or 'nothing'}; nothing was submitted")
        return
    process = launch_validation(content, node)
    click.echo(f"{content.name!r} is process {process.pk}")
    if not wait:
        click.echo(f"when it has ended: aiida-mliptransport report {process.pk}")
        return
    wait_for(process)
    _show(process)


@click.command()
@click.argument("node", metavar="PK")
@click.option("--licence", help="Under which the potential may be used, such as CC-BY-4.0.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Default: on the screen.")
@click.pass_context
def card(ctx: click.Context, node: str, licence: str | None, output: str | None) -> None:
    """Write the model card of a potential as Markdown.

    PK is that of a validation, whose table the card has, of a campaign, or of a potential.

    \b
    Examples:
      aiida-mliptransport card 1234 -o model_card.md
      aiida-mliptransport card 1234 --licence CC-BY-4.0
    """
    load_profile(ctx)
    from ..campaign.barriers import potentials_of
    from ..report.model_card import model_card

    found = load_node(node)
    validation = None
    if getattr(found, "process_label", "") == "ValidateWorkChain":
        potentials = dict(found.inputs.potentials)
        if "validation" in found.outputs:
            validation = found.outputs.validation.get_dict()
    else:
        potentials = potentials_of(found)
    text = model_card(potentials[min(potentials)], validation, licence)
    if output is None:
        click.echo(text, nl=False)
        return
    Path(output).write_text(text, encoding="utf-8")
    click.echo(f"wrote {output}")


def _show(process: orm.ProcessNode) -> None:
    if "validation" in process.outputs:
        found = process.outputs.validation.get_dict()
        print_table(
            ("check", "subject", "quantity", "potential", "labeller", "difference", "tolerance",
             "verdict"),
            [
                (
                    line["check"], line["subject"], f"{line['quantity']} ({line['unit']})",
                    *(_number(line[key]) for key in ("potential", "labeller", "difference",
                                                     "tolerance")),
                    line["verdict"],
                )
                for line in found["lines"]
            ],
        )  # fmt: skip
        click.echo(", ".join(f"{count} {name}" for name, count in found["counts"].items()))
    require_success(process)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
