"""Write the report of a campaign as one HTML file that needs nothing else to be read."""

from __future__ import annotations

from pathlib import Path

from aiida import orm
from jinja2 import Environment, PackageLoader, StrictUndefined

from .cards import cards
from .collect import collect
from .model import Report
from .sections import sections
from .verdict import verdict


def write_report(node: orm.Node, path: str | Path) -> Path:
    """Write the report of a finished or partial process and return the path of the file.

    Parameters
    ----------
    node
        An ActiveLearningWorkChain or a TransportWorkChain; also one that runs, failed or was
        imported from an archive.
    path
        HTML file; its folder is made where it does not exist.

    Raises
    ------
    NotReportableError
        If the node is neither of the two.
    """
    text = render(collect(node))
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return target


def render(report: Report) -> str:
    """Return the HTML; the same report always gives the same text."""
    environment = Environment(
        loader=PackageLoader("aiida_mliptransport.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        report=report,
        verdict=verdict(report),
        cards=cards(report),
        sections=sections(report),
    )
