"""The report is one file that shows everything, runs nothing and asks nothing of the network."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from aiida_mliptransport.report.collect import collect
from aiida_mliptransport.report.html import render, write_report

pytestmark = pytest.mark.medium

SECTIONS = (
    "numbers checks learning parity deviations calibration rdf msd arrhenius card cost provenance "
    "failures inputs versions"
)


class Elements(HTMLParser):
    """Collects tags, ids and whatever could fetch something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.sections: list[str] = []
        self.references: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            if name == "id" and value:
                self.ids[value] += 1
                if tag == "section":
                    self.sections.append(value)
            elif name in ("src", "href", "xlink:href", "data", "action") and value:
                self.references.append(value)
            assert not name.startswith("on"), f"event handler {name}={value}"


@pytest.fixture(scope="module")
def page(finished_report) -> str:
    return render(finished_report)


def test_the_sections_come_in_order_each_with_its_figure(page):
    elements = Elements(page)
    assert elements.sections == SECTIONS.split()
    assert elements.tags["svg"] == 8
    assert 'class="missing"' not in page


def test_nothing_is_fetched_and_no_script_is_there(page):
    elements = Elements(page)
    assert elements.tags["script"] == elements.tags["link"] == elements.tags["iframe"] == 0
    outside = [r for r in elements.references if not r.startswith(("#", "data:image/png"))]
    assert outside == []
    assert re.findall(r"url\((?!['\"]?#)", page) == []
    assert "default-src 'none'" in page


def test_ids_are_unique_in_the_page(page):
    repeated = [name for name, count in Elements(page).ids.items() if count > 1]
    assert repeated == []


def test_the_same_report_gives_the_same_bytes(finished_report, page):
    assert render(finished_report) == page


def test_numbers_stand_beside_their_errors(page):
    assert "(0.071 ± 0.005) eV/Å" in page
    assert re.search(r"\(\d\.\d+ ± 0\.\d+\)×10⁻⁵ cm²/s", page)
    assert "1.21 ± 0.08" in page
    assert "Haven ratio here: σ(NE)/σ" in page
    assert "RMSE per component" in page


def test_figures_follow_the_colours_of_the_page(page):
    assert "prefers-color-scheme: dark" in page
    for svg in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        assert "var(--muted)" in svg
        assert "#1c2127" not in svg


def test_every_free_text_is_escaped(running_campaign, tmp_path):
    text = write_report(running_campaign, tmp_path / "new" / "report.html").read_text()
    elements = Elements(text)
    assert elements.tags["script"] == elements.tags["img"] == 0
    assert text.count("&lt;script&gt;alert(1)") >= 3


def test_a_malicious_name_of_an_element_is_escaped_in_figures_too():
    import numpy as np

    from aiida_mliptransport.report.figures_learning import rdf
    from aiida_mliptransport.report.model import RdfPair

    r = np.linspace(0, 5, 9)
    svg = rdf([RdfPair("<script>alert(1)</script>$x_{", r, r, r)])
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg


def test_what_a_node_lacks_is_said_in_one_line_each(running_campaign):
    text = render(collect(running_campaign))
    assert "There are no transport observables in this node." in text
    assert "There is no comparison of radial distribution functions in this node." in text
    assert "There is no mean square displacement in this node." in text
    assert Elements(text).sections == SECTIONS.split()


def test_an_unresolved_value_says_how_much_md_it_needs(transport_alone):
    text = render(collect(transport_alone))
    assert "not resolved" in text
    assert "needs at least about 240 ps of MD in all, has 60.0 ps" in text
    assert "the log–log slope is 0.61 ± 0.12, not 1" in text


def test_a_value_without_number_never_reaches_the_page(page):
    assert not re.search(r">\s*(nan|None|inf)\s*<", page)


def test_templates_are_part_of_the_package():
    folder = files("aiida_mliptransport.report").joinpath("templates")
    assert {"report.html.j2", "report.css"} <= {item.name for item in folder.iterdir()}
