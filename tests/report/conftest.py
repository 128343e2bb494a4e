"""Fixtures of the report: processes in the graph, made once and never changed by a test."""

from __future__ import annotations

import pytest
from aiida import orm
from synthetic_campaign import Campaign, Options, transport_process
from synthetic_graph import Graph

from aiida_mliptransport.report.collect import collect
from aiida_mliptransport.report.model import Report

#: A label that would run as a script, and break out of an attribute, if it were not escaped.
MALICIOUS = '"><script>alert(1)</script><img src=x onerror=alert(2)>$\\frac$'


@pytest.fixture(scope="session")
def finished_campaign(aiida_profile) -> orm.WorkChainNode:
    """A converged campaign of three iterations with transport at four temperatures."""
    return Campaign(Options()).build()


@pytest.fixture(scope="session")
def finished_report(finished_campaign) -> Report:
    return collect(finished_campaign)


@pytest.fixture(scope="session")
def running_campaign(aiida_profile) -> orm.WorkChainNode:
    """A campaign that labels in its second iteration; every free text in it is malicious."""
    options = Options(structure_label=MALICIOUS, label=MALICIOUS, description=MALICIOUS, stop_in=2)
    return Campaign(options).build()


@pytest.fixture(scope="session")
def transport_alone(aiida_profile) -> orm.WorkChainNode:
    """A transport process without a campaign; D of Li is not resolved at 900 K."""
    return transport_process(Graph(), Options(unresolved_at=900.0))
