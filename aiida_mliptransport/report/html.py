"""Write the report of a campaign as one HTML file that needs nothing else to be read."""

from __future__ import annotations

from pathlib import Path

from aiida import orm
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from .cards import cards
from .collect import collect
from .model import Report
from .model_transport import Mechanism, Transport
from .sections import mechanism_section, point_sections, sections
from .verdict import verdict


def write_report(node: orm.Node, path: str | Path) -> Path:
    """Write the report of a finished or partial process and return the path of the file.

    Parameters
    ----------
    node
        A process of one of the :data:`~.collect.KINDS`; also one that runs, failed or was imported
        from an archive.
    path
        HTML file; its folder is made where it does not exist.

    Raises
    ------
    NotReportableError
        If the node is none of these.
    """
    text = render(collect(node))
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return target


def render(report: Report) -> str:
    """Return the HTML; the same report always gives the same text."""
    return _template("report.html.j2").render(
        report=report,
        verdict=verdict(report),
        cards=cards(report),
        sections=sections(report),
    )


def write_analysis(
    path: str | Path, title: str, sentence: str, found: Transport | Mechanism
) -> None:
    """Write the analysis of a trajectory file as one HTML file.

    Parameters
    ----------
    path
        HTML file.
    title, sentence
        What was analysed, in a heading and a line below it.
    found
        From :func:`~aiida_mliptransport.report.collect_transport.transport_of` or
        :func:`~aiida_mliptransport.report.collect_mechanism.mechanism_of`.
    """
    parts = point_sections(found) if isinstance(found, Transport) else (mechanism_section(found),)
    text = _template("analysis.html.j2").render(title=title, sentence=sentence, sections=parts)
    Path(path).write_text(text, encoding="utf-8")


def _template(name: str) -> Template:
    return Environment(
        loader=PackageLoader("aiida_mliptransport.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template(name)
