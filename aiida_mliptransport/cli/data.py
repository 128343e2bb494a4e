"""Groups of ``verdi data``: frames and potentials; list, show, export, import."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from aiida.cmdline.utils.decorators import with_dbenv

from .common import load_node, print_table
from .errors import explain

if TYPE_CHECKING:
    from aiida import orm


#: What an export writes into a folder; ``--force`` removes nothing else.
OWN_NAMES = re.compile(r"(system_\d{3}|model\.\w+|compressed\.\w+)$")


class CheckedGroup(click.Group):
    """Turns known errors into one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, SystemExit):
            raise
        except Exception as error:
            message = explain(error)
            if message is None:
                raise
            raise click.ClickException(message) from error


def output_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--output``, which is required, and ``--force``."""
    function = click.option("--force", is_flag=True, help="Replace what is there.")(function)
    return click.option(
        "-o", "--output", required=True, type=click.Path(), help="File or folder to write."
    )(function)


@click.group("mliptransport.frames", cls=CheckedGroup)
def frames() -> None:
    """Atomic frames with or without labels."""


@frames.command("list")
@click.option("--labelled/--unlabelled", default=None, help="Only frames with or without labels.")
@with_dbenv()
def list_frames(labelled: bool | None) -> None:
    """List frame sets.

    \b
    Example:
      verdi data mliptransport.frames list --labelled
    """
    from ..data.frames import FrameSetData

    rows = [
        (n.pk, n.label, n.n_frames, " ".join(n.elements), "yes" if n.labelled else "no",
         _engine(n), f"{n.ctime:%Y-%m-%d %H:%M}")
        for n in _all(FrameSetData)
        if labelled is None or n.labelled is labelled
    ]  # fmt: skip
    print_table(("PK", "label", "frames", "elements", "labelled", "by", "made"), rows)


@frames.command("show")
@click.argument("node", metavar="PK")
@with_dbenv()
def show_frames(node: str) -> None:
    """Show the systems and the level of theory of a frame set.

    \b
    Example:
      verdi data mliptransport.frames show 123
    """
    from ..data.frames import FrameSetData

    data = _load(node, FrameSetData)
    click.echo(f"FrameSetData <{data.pk}> {data.label}: {data.n_frames} frames")
    for key, value in (data.level_of_theory or {}).items():
        click.echo(f"  {key}: {value}")
    if data.engine_version:
        click.echo(f"  labelled by version {data.engine_version}")
    rows = [
        (s["formula"], s["n_atoms"], s["n_frames"], s["charge"], s["multiplicity"],
         " ".join(s["arrays"]))
        for s in data.base.attributes.get("systems")
    ]  # fmt: skip
    print_table(("formula", "atoms", "frames", "charge", "multiplicity", "arrays"), rows)


@frames.command("export")
@click.argument("node", metavar="PK")
@output_options
@click.option(
    "-F", "--format", "fmt", type=click.Choice(["extxyz", "deepmd"]), default="extxyz",
    show_default=True,
)  # fmt: skip
@click.option("--type-map", help="Elements in DeePMD's order, for example Li,Cl.")
@with_dbenv()
def export_frames(node: str, output: str, force: bool, fmt: str, type_map: str | None) -> None:
    """Write frames as extended XYZ (a file) or DeePMD npy (a folder).

    \b
    Examples:
      verdi data mliptransport.frames export 123 -o frames.xyz
      verdi data mliptransport.frames export 123 -F deepmd --type-map Li,Cl -o frames
    """
    from ..data.frames import FrameSetData
    from ..science.formats import write_deepmd, write_extxyz

    data = _load(node, FrameSetData)
    path = _free_path(output, force, folder=fmt == "deepmd")
    if fmt == "extxyz":
        write_extxyz(path, data.frames)
    else:
        write_deepmd(path, data.frames, _elements(type_map) or data.elements)
    click.echo(f"wrote {data.n_frames} frames to {path}")


@frames.command("import")
@click.argument("path", type=click.Path(exists=True))
@click.option(
    "-F", "--format", "fmt",
    help="extxyz, deepmd, cp2k (folder of a run, or main output of a single point), a format of "
    "dpdata (vasp/outcar, qe/cp/traj, …) or ase/ and one of ASE (ase/espresso-out). Without it: by "
    "name (OUTCAR, vasprun.xml, cp2k.out; a folder with *-pos-1.xyz is a CP2K run, another is "
    "DeePMD npy), else extended XYZ.",
)  # fmt: skip
@click.option(
    "--level-of-theory", "level", multiple=True, metavar="KEY=VALUE",
    help="What fixes the energies, for example engine=cp2k; needed for labelled frames. Repeat.",
)  # fmt: skip
@click.option("--engine-version", help="Version of the program that labelled.")
@click.option("--unlabelled", is_flag=True, help="Drop the labels of the file.")
@click.option(
    "--trust-units", is_flag=True, help="Store labels although energies and forces do not fit."
)
@click.option("--label", default="", help="Label of the node.")
@with_dbenv()
def import_frames(
    path: str,
    fmt: str | None,
    level: tuple[str, ...],
    engine_version: str | None,
    unlabelled: bool,
    trust_units: bool,
    label: str,
) -> None:
    """Store frames of a file: a declared import, a node that no process made.

    Frames that cannot be trained on are dropped and listed. Energies and forces of consecutive
    frames are compared, which finds wrong units.

    \b
    Examples:
      verdi data mliptransport.frames import md.xyz --unlabelled
      verdi data mliptransport.frames import OUTCAR \\
          --level-of-theory engine=vasp --level-of-theory functional=PBE
    """
    from ..data.frames import FrameSetData
    from ..science.formats import read_frames
    from ..science.label_checks import Dropped, check_units, screen_labels

    dropped: list[Dropped] = []
    content = read_frames(path, fmt, dropped)
    if unlabelled:
        content = content.without_labels()
    if content.labelled:
        units = check_units(content)
        click.echo(units.message)
        if units.consistent is False and not trust_units:
            raise click.ClickException(
                f"{path} is not imported; convert it to eV and eV/Å, or say --trust-units"
            )
    content, screened = screen_labels(content)
    for name, found in (("while reading", dropped), ("of those read", screened)):
        for reason, count in Counter(each.reason for each in found).items():
            first = [each.index for each in found if each.reason == reason][:5]
            click.echo(f"dropped {count} frames {name}: {reason} (first {first})")
    node = FrameSetData(
        content, level_of_theory=_level(level) or None, engine_version=engine_version
    )
    node.label = label
    node.description = f"imported from {Path(path).name}"
    node.store()
    kind = "labelled" if node.labelled else "unlabelled"
    click.echo(f"stored {node.n_frames} {kind} frames as node {node.pk}")


@click.group("mliptransport.potential", cls=CheckedGroup)
def potential() -> None:
    """Potentials: model files with their metadata."""


@potential.command("list")
@with_dbenv()
def list_potentials() -> None:
    """List potentials.

    \b
    Example:
      verdi data mliptransport.potential list
    """
    from ..data.potential import PotentialData

    rows = [
        (n.pk, n.label, n.base.attributes.get("backend"), n.framework_version,
         " ".join(n.type_map), n.cutoff, n.seed, "yes" if n.trained_on_stress else "no",
         f"{n.ctime:%Y-%m-%d %H:%M}")
        for n in _all(PotentialData)
    ]  # fmt: skip
    print_table(
        ("PK", "label", "backend", "version", "elements", "cutoff Å", "seed", "stress", "made"),
        rows,
    )


@potential.command("show")
@click.argument("node", metavar="PK")
@with_dbenv()
def show_potential(node: str) -> None:
    """Show the metadata and files of a potential.

    \b
    Example:
      verdi data mliptransport.potential show 456
    """
    from ..data.potential import PotentialData

    data = _load(node, PotentialData)
    click.echo(f"PotentialData <{data.pk}> {data.label}")
    for key in (
        "backend", "framework_version", "type_map", "cutoff", "seed", "trained_on_stress",
        "parameters",
    ):  # fmt: skip
        value = data.base.attributes.get(key)
        if value not in (None, {}):
            click.echo(f"  {key}: {value}")
    digests = data.base.attributes.get("sha256")
    for role, name in data.files.items():
        size = data.base.repository.get_object_size(name)
        click.echo(f"  {role}: {name}, {size / 1e6:.2f} MB, sha256 {digests[role]}")


@potential.command("export")
@click.argument("node", metavar="PK")
@output_options
@click.option("--role", help="Only this file (model, compressed); then the output is a file.")
@with_dbenv()
def export_potential(node: str, output: str, force: bool, role: str | None) -> None:
    """Write the model files of a potential into a folder, or one of them into a file.

    \b
    Examples:
      verdi data mliptransport.potential export 456 -o model
      verdi data mliptransport.potential export 456 --role compressed -o graph.pb
    """
    from ..data.potential import PotentialData

    data = _load(node, PotentialData)
    if role is not None:
        content = data.read(role)
        path = _free_path(output, force, folder=False)
        path.write_bytes(content)
        click.echo(f"wrote {role} to {path}")
        return
    if not data.files:
        raise click.ClickException(
            f"potential {data.pk} has no files, only parameters; see them with "
            f"`verdi data mliptransport.potential show {data.pk}`"
        )
    path = _free_path(output, force, folder=True)
    path.mkdir(parents=True)
    for name, file_name in data.files.items():
        (path / file_name).write_bytes(data.read(name))
    click.echo(f"wrote {', '.join(data.files.values())} to {path}")


@potential.command("import")
@click.argument("model", type=click.Path(exists=True, dir_okay=False))
@click.option("--backend", default="deepmd", show_default=True, help="Kind of potential.")
@click.option("--framework-version", required=True, help="Version of the program that made it.")
@click.option("--type-map", required=True, help="Elements in the model's order: Li,Cl.")
@click.option("--cutoff", required=True, type=click.FloatRange(min=0, min_open=True), help="Å.")
@click.option("--compressed", type=click.Path(exists=True, dir_okay=False), help="For MD.")
@click.option("--trained-on-stress", is_flag=True, help="Needed for runs where the cell moves.")
@click.option("--seed", type=int, help="Seed of the training.")
@click.option("--label", default="", help="Label of the node.")
@with_dbenv()
def import_potential(
    model: str,
    backend: str,
    framework_version: str,
    type_map: str,
    cutoff: float,
    compressed: str | None,
    trained_on_stress: bool,
    seed: int | None,
    label: str,
) -> None:
    """Store a potential from its model file: a declared import.

    \b
    Example:
      verdi data mliptransport.potential import frozen.pb --framework-version 3.2.0 \\
          --type-map Li,Cl --cutoff 6 --trained-on-stress
    """
    from ..backends import get_backend
    from ..data.potential import PotentialData

    get_backend(backend)
    files = {"model": model} | ({"compressed": compressed} if compressed else {})
    node = PotentialData(
        backend=backend,
        framework_version=framework_version,
        type_map=_elements(type_map),
        cutoff=cutoff,
        files=files,
        seed=seed,
        trained_on_stress=trained_on_stress,
    )
    node.label = label
    node.description = f"imported from {Path(model).name}"
    node.store()
    click.echo(f"stored potential as node {node.pk}")


def _all(kind: Any) -> Sequence[Any]:
    from aiida import orm

    query = orm.QueryBuilder().append(kind, tag="node").order_by({"node": {"id": "asc"}})
    found: Sequence[Any] = query.all(flat=True)
    return found


def _load(identifier: str, kind: type[orm.Data]) -> Any:
    node = load_node(identifier)
    if not isinstance(node, kind):
        raise click.ClickException(
            f"node {identifier} is a {type(node).__name__}, expected a {kind.__name__}"
        )
    return node


def _engine(node: Any) -> str:
    level = node.level_of_theory or {}
    words = [str(level[key]) for key in ("engine", "method", "functional") if key in level]
    return " ".join(words)


def _free_path(output: str, force: bool, folder: bool) -> Path:
    path = Path(output)
    if path.exists():
        if not force:
            raise click.ClickException(
                f"{path} exists; give another name with -o or replace it with --force"
            )
        if path.is_dir() is not folder:
            what = "a folder" if folder else "a file"
            raise click.ClickException(f"{path} exists and is not {what}; remove it first")
        if folder:
            foreign = [item.name for item in path.iterdir() if not OWN_NAMES.match(item.name)]
            if foreign:
                raise click.ClickException(
                    f"{path} holds {foreign[:3]}, which no export wrote; --force does not remove "
                    "that: give another name with -o"
                )
            shutil.rmtree(path)
    if not path.parent.is_dir():
        raise click.ClickException(f"there is no folder {path.parent}; make it first")
    return path


def _elements(text: str | None) -> list[str]:
    from ase.data import atomic_numbers

    symbols = [part.strip() for part in (text or "").split(",") if part.strip()]
    unknown = [symbol for symbol in symbols if symbol not in atomic_numbers]
    if unknown:
        raise click.UsageError(
            f"--type-map is {text!r}, expected chemical symbols separated by commas; "
            f"{unknown} are none"
        )
    return symbols


def _level(pairs: Sequence[str]) -> dict[str, Any]:
    import json

    level: dict[str, Any] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise click.UsageError(f"--level-of-theory is {pair!r}, expected KEY=VALUE")
        try:
            level[key] = json.loads(value)
        except json.JSONDecodeError:
            level[key] = value
    return level
