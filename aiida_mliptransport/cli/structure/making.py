"""From a command to a cell: built on the spot or by a calcfunction, shown, and written."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..common import load_profile
from .show import show_reports

if TYPE_CHECKING:
    from ase import Atoms

    from .sources import Source


@dataclass(frozen=True)
class Request:
    """What a command asks for: a recipe, its parameters without those left out, its inputs."""

    recipe: str
    parameters: dict[str, Any]
    structures: dict[str, Source] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    seed: int | None = None

    @property
    def plain_parameters(self) -> dict[str, Any]:
        """Parameters that were given, with the state of the incoming structure."""
        given = {key: value for key, value in self.parameters.items() if value is not None}
        source = self.structures.get("structure")
        return given if source is None else {**source.state, **given}


@dataclass(frozen=True)
class Made:
    """Cells with their reports, and the PKs of what was stored."""

    cells: list[Atoms]
    reports: list[dict[str, Any]]
    pks: list[int] = field(default_factory=list)
    process: str = ""


seed_option = click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=1,
    show_default=True,
    help="Start of the random numbers; one seed gives one structure.",
)

_OPTIONS = (
    click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        help="File to write; the format goes by its suffix. Extended XYZ (.xyz) keeps the charge "
        "and what the builder reports, and holds several structures.",
    ),
    click.option("--force", is_flag=True, help="Replace the file if it is there."),
    click.option(
        "--store", is_flag=True, help="Make it by a calcfunction, in the graph of the profile."
    ),
)


def making_options(command: Callable[..., Request]) -> Callable[..., None]:
    """Let a command that returns a :class:`Request` build, show, write and store."""

    @click.pass_context
    @wraps(command)
    def run(
        ctx: click.Context, output: Path | None, force: bool, store: bool, **options: Any
    ) -> None:
        file_format = None if output is None else _format(output, force)
        try:
            with _warnings_as_notes():
                request = command(**options)
                made = _stored(ctx, request) if store else _built(request)
        except (ValueError, RuntimeError, FileNotFoundError, ModuleNotFoundError) as error:
            if isinstance(error, click.exceptions.Exit | click.Abort):  # RuntimeErrors of click
                raise
            raise click.ClickException(str(error)) from error
        show_reports(made.reports)
        if made.pks:
            numbers = " ".join(f"<{pk}>" for pk in made.pks)
            noun = "structure" if len(made.pks) == 1 else "structures"
            click.echo(f"stored {noun} {numbers}, made by {made.process}")
        if output is not None and file_format is not None:
            _write(made, output, file_format)

    decorated: Callable[..., None] = run
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Tell what a library warns of, such as oddities of a CIF file, in one line each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    told = [
        " ".join(str(warning.message).split())
        for warning in caught
        if warning.category is UserWarning
    ]
    for text in dict.fromkeys(told):
        # A parser may repeat the warnings of its parts in one of its own.
        if not any(text in other and text != other for other in told):
            click.echo(f"note: {text}", err=True)


def _built(request: Request) -> Made:
    from ...calculations.starting_cells import make_cells
    from ...science.structures.recipes import describe_cell

    cells = make_cells(
        request.recipe,
        request.plain_parameters,
        files=request.files,
        seed=request.seed,
        **{name: source.content for name, source in request.structures.items()},
    )
    return Made(cells, [describe_cell(atoms) for atoms in cells])


def _stored(ctx: click.Context, request: Request) -> Made:
    load_profile(ctx)
    from aiida import orm
    from aiida.common.log import override_log_level

    from ...calculations.functions import starting_cells

    inputs: dict[str, orm.Data] = {
        name: source.to_node() for name, source in request.structures.items()
    }
    inputs["parameters"] = orm.Dict(request.plain_parameters)
    if request.seed is not None:
        inputs["seed"] = orm.Int(request.seed)
    for name, path in request.files.items():
        # The name is part of the hash: it must not differ where the content agrees.
        inputs[name] = orm.SinglefileData(path.resolve(), filename=f"{name}{path.suffix}")
    function = getattr(starting_cells, request.recipe)
    # The error itself is shown in one line; AiiDA would log a traceback before.
    with override_log_level(logging.CRITICAL):
        outputs, process = function.run_get_node(**inputs)
    report = outputs["report"].get_dict()
    if "structure" in outputs:
        nodes, reports = [outputs["structure"]], [report]
    else:
        labels = sorted(report["cells"])
        nodes = [outputs["structures"][label] for label in labels]
        reports = [report["cells"][label] for label in labels]
    return Made(
        [node.get_ase() for node in nodes],
        reports,
        [node.pk for node in nodes],
        f"{request.recipe} <{process.pk}>",
    )


def _format(output: Path, force: bool) -> str:
    """Return the format of ASE that belongs to a file, which must be free, before work is done."""
    from ase.io.formats import UnknownFileTypeError, filetype, ioformats

    if output.exists() and not force:
        raise click.BadParameter(f"-o {output}: the file exists; choose another, or say --force")
    if not output.resolve().parent.is_dir():
        raise click.BadParameter(f"-o {output}: there is no folder {output.parent}; make it first")
    try:
        name = filetype(str(output), read=False)
        known = ioformats[name].can_write
    except (KeyError, UnknownFileTypeError):
        known = False
    if not known:
        raise click.BadParameter(
            f"-o {output}: ASE writes no format of that suffix; expected such as .xyz, .cif, .vasp"
        )
    return str(name)


def _write(made: Made, output: Path, file_format: str) -> None:
    from ase.io import write
    from ase.io.formats import ioformats

    from ...science.structures.recipes import apply_report

    if len(made.cells) > 1 and ioformats[file_format].single:
        raise click.ClickException(
            f"-o {output} is of format {file_format}, which holds one structure, and there are "
            f"{len(made.cells)}; write a .xyz"
        )
    bare = [_bare(atoms) for atoms in made.cells]
    images = [apply_report(*pair) for pair in zip(bare, made.reports, strict=True)]
    write(output, images, format=file_format)
    noun = "structure" if len(images) == 1 else "structures"
    click.echo(f"wrote {len(images)} {noun} to {output}")


def _bare(atoms: Atoms) -> Atoms:
    from ase import Atoms as AseAtoms

    return AseAtoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
