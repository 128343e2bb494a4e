"""The blocks ``incar`` and ``parameters`` of vasprun.xml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

from . import incar
from .fortran import fixed
from .job import Job

#: Tags of ``parameters`` by separator, in VASP's order. ENCUT goes by the name ENMAX there.
SEPARATORS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("general", ("SYSTEM",)),
    ("electronic", ("PREC", "ENMAX", "EDIFF", "NBANDS", "NELECT")),
    ("electronic smearing", ("ISMEAR", "SIGMA", "KSPACING", "KGAMMA")),
    ("electronic startup", ("ISTART", "ICHARG")),
    ("electronic spin", ("ISPIN", "MAGMOM")),
    ("electronic convergence", ("NELM", "NELMDL", "NELMIN")),
    ("ionic", ("NSW", "IBRION", "MDALGO", "ISIF", "PSTRESS", "EDIFFG", "NFREE", "POTIM", "SMASS")),
    ("ionic md", ("TEBEG", "TEEND", "NBLOCK", "KBLOCK")),
    ("symmetry", ("ISYM", "SYMPREC")),
    ("dos", ("LORBIT",)),
    ("writing", ("NWRITE", "LWAVE", "LCHARG")),
    ("electronic exchange-correlation", ("GGA", "METAGGA", "LASPH", "LHFCALC")),
    ("vdW DFT", ("LUSE_VDW", "IVDW")),
)

#: Beside LDAU itself, and only where that is true.
LDAU = ("LDAUTYPE", "LDAUL", "LDAUU", "LDAUJ")

#: Separators that lie in the one named ``electronic``.
_INNER = ("electronic smearing", "electronic startup", "electronic spin", "electronic convergence")


def incar_block(job: Job) -> Iterator[str]:
    """Yield the lines that repeat the INCAR."""
    yield " <incar>"
    for tag, text in job.tags.items():
        yield "  " + item(tag, incar.typed(tag, text))
    yield " </incar>"


def parameters_block(job: Job) -> Iterator[str]:
    """Yield the lines of all parameters, given or not."""
    values = {**job.parameters, "ENMAX": job.parameters["ENCUT"]}
    yield " <parameters>"
    for name, tags in SEPARATORS:
        if name in _INNER:
            continue
        yield f'  <separator name="{name}" >'
        yield from _items(tags, values, "   ")
        if name == "electronic":
            for inner, inner_tags in SEPARATORS:
                if inner in _INNER:
                    yield f'   <separator name="{inner}" >'
                    yield from _items(inner_tags, values, "    ")
                    yield "   </separator>"
        yield "  </separator>"
    tags = ("LDAU", *LDAU) if values["LDAU"] else ("LDAU",)
    yield from _items(tags, values, "  ")
    yield " </parameters>"


def _items(tags: tuple[str, ...], values: dict[str, Any], indent: str) -> Iterator[str]:
    # POTIM has no default in molecular dynamics, and LDAU's lists have none at all.
    yield from (indent + item(tag, values[tag]) for tag in tags if tag in values)


def item(tag: str, value: Any) -> str:
    """Return one element ``i`` or ``v``; a float has no type."""
    if isinstance(value, list):
        if incar.type_of(tag) == "ints":
            body = "".join(f"{number:6d}" for number in value)
            return f'<v type="int" name="{tag}">{body}</v>'
        body = "".join(fixed(number, 16, 8) for number in value)
        return f'<v name="{tag}">{body}</v>'
    if isinstance(value, bool):
        return f'<i type="logical" name="{tag}"> {"T" if value else "F"}  </i>'
    if isinstance(value, int):
        return f'<i type="int" name="{tag}">{value:6d}</i>'
    if isinstance(value, float):
        return f'<i name="{tag}">{fixed(value, 16, 8)}</i>'
    return f'<i type="string" name="{tag}">{escape(str(value))}</i>'
