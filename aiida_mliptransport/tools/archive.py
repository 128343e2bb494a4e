"""Export a study as an AiiDA archive: orphans closed first, licensed files left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiida import orm

from .query import project
from .repair import seal_orphans

#: Entry points of nodes that hold licensed text (VASP's POTCAR files).
LICENSED_TYPES = ("data.vasp.potcar_file.",)

#: File names that hold licensed text in folders of any node.
LICENSED_FILES = ("POTCAR",)


class ArchiveError(ValueError):
    """A study cannot be exported; the message says why and what to do."""


def export_study(node: orm.Node, path: str | Path, overwrite: bool = False) -> Path:
    """Write ``node`` and all its provenance to an archive.

    Parameters
    ----------
    node
        A WorkChain, or a data node (then: what it was made from).
    path
        Name of the archive (``.aiida``).
    overwrite
        Whether an existing file is replaced.

    Raises
    ------
    ArchiveError
        If the file exists, the process still runs, or the provenance holds licensed POTCAR text.
    """
    from aiida.tools.archive import create_archive
    from aiida.tools.archive.exceptions import ArchiveExportError

    path = Path(path)
    if path.exists() and not overwrite:
        raise ArchiveError(f"{path} exists; give another name with -o or replace it with --force")
    if not path.parent.is_dir():
        raise ArchiveError(f"{path} lies in a folder that does not exist; make {path.parent} first")
    _close_orphans(node)
    pks = exported_pks(node)
    _refuse_licensed(pks)
    try:
        create_archive([node], filename=path, overwrite=overwrite)
    except ArchiveExportError as error:
        raise ArchiveError(f"the archive of node {node.pk} was not written: {error}") from error
    return path


def exported_pks(node: orm.Node) -> set[int]:
    """Return the PKs of all nodes that the archive of ``node`` holds."""
    from aiida.tools.graph.graph_traversers import get_nodes_export

    pks: set[int] = set(get_nodes_export([node.pk])["nodes"])
    return pks


def _close_orphans(node: orm.Node) -> None:
    pks = exported_pks(node)
    open_processes = [
        process for (process,) in project(pks, "*", kind=orm.ProcessNode) if not process.is_sealed
    ]
    if not open_processes:
        return
    sealed = {n.pk for n in seal_orphans(open_processes)}
    running = sorted(n.pk for n in open_processes if n.pk not in sealed)
    if running:
        raise ArchiveError(
            f"process(es) {running[:5]} of this study have not ended; wait for them, end the "
            "campaign with `aiida-mliptransport finish PK`, or mend lost ones with "
            "`aiida-mliptransport doctor --repair`"
        )


def _refuse_licensed(pks: set[int]) -> None:
    found = [
        pk
        for pk, kind, tree in project(pks, "id", "node_type", "repository_metadata")
        if kind.startswith(LICENSED_TYPES) or _holds_licensed(tree or {})
    ]
    if found:
        raise ArchiveError(
            f"node(s) {sorted(found)[:5]} of this study hold licensed POTCAR text, which must not "
            "be passed on; export a part of the study without them, for example the potential's "
            "training frames with `verdi data mliptransport.frames export`"
        )


def _holds_licensed(tree: Mapping[str, Any]) -> bool:
    """Whether a repository tree (names under ``o``, content keys under ``k``) has such a file."""
    return any(
        name in LICENSED_FILES or _holds_licensed(item) for name, item in tree.get("o", {}).items()
    )
