"""Check the sections that override a protocol against the protocol files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from ..workflows.protocols import ProtocolError, load_protocol
from .schema import Campaign
from .source import CampaignError, did_you_mean

#: Protocol file with the sections that steer the loop itself.
LOOP_PROTOCOL = "active_learning"


def protocol_values(
    stage: str,
    engine: str | None,
    protocol: str,
    overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any] | None:
    """Return the values of one stage, or None if no protocol file knows the stage.

    ``aimd`` and ``label`` have one file per engine (``label_cp2k.yaml``) or one for all;
    ``selection`` and ``convergence`` are sections of ``active_learning.yaml``.

    Raises
    ------
    ProtocolError
        If the overrides name a key that the protocol does not have.
    """
    folder = files(load_protocol.__module__)
    for name in (f"{stage}_{engine}", f"{engine}_{stage}", stage):
        if folder.joinpath(f"{name}.yaml").is_file():
            return load_protocol(name, protocol, overrides)
    if not folder.joinpath(f"{LOOP_PROTOCOL}.yaml").is_file():
        return None
    loop = load_protocol(LOOP_PROTOCOL, protocol)
    if stage not in loop:
        return None
    nested = {stage: overrides} if overrides else None
    values: dict[str, Any] = load_protocol(LOOP_PROTOCOL, protocol, nested)[stage]
    return values


def check_overrides(campaign: Campaign) -> None:
    """Raise `CampaignError` for every override that the protocol does not have."""
    problems = []
    for stage, overrides in campaign.overrides().items():
        try:
            values = protocol_values(stage, campaign.engine, campaign.protocol, overrides)
        except ProtocolError as error:
            problems.append(_explain(campaign, stage, error))
            continue
        if values is None:
            problems.append(
                str(campaign.source.error((stage,), "has no protocol file; leave it out"))
            )
    if problems:
        raise CampaignError("\n".join(problems))


def _explain(campaign: Campaign, stage: str, error: ProtocolError) -> str:
    match = re.search(r"unknown key '([^']+)' .*one of \[(.*)\]", str(error))
    if match is None:
        return str(campaign.source.error((stage,), f"does not fit the protocol: {error}"))
    keys = match.group(1).split(".")
    # The message's path starts with the name of the protocol file.
    keys = [stage, *keys[1:]] if keys[:2] != [LOOP_PROTOCOL, stage] else keys[1:]
    known = re.findall(r"'([^']+)'", match.group(2))
    if keys[:-1] == ["transport"]:
        known += ["structures", "temperatures_K"]
    message = f"is not a known key{did_you_mean(keys[-1], known)}; expected one of {known}"
    return str(campaign.source.error(tuple(keys), message))
