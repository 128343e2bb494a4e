"""Check the sections that override a protocol against the protocol files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ..workflows.protocols import ProtocolError, load_protocol
from .schema import ENGINES, Campaign, WorkFile, choose_engine
from .source import CampaignError, did_you_mean, read_yaml

File = TypeVar("File", bound=WorkFile)

#: Engines with a protocol file of their own, for MD and labels, and a code of their own.
DFT_PROTOCOLS = ("cp2k", "vasp")

#: Sections of ``active_learning.yaml``, which steer the loop itself.
LOOP_STAGES = ("ladder", "selection", "targets", "budget", "training")


def load_work_file(path: str | Path, model: type[File], engine: str | None) -> File:
    """Read a file in which the engine may be left out, and check its overrides.

    Parameters
    ----------
    engine
        Takes the place of ``engine`` in the file.

    Raises
    ------
    CampaignError
        Naming the line, the key, the value and what was expected.
    """
    source = read_yaml(path)
    content = source.validate(model)
    content._source = source
    if engine or content.engine or any(getattr(content, name) is not None for name in ENGINES):
        content.engine = choose_engine(content, engine)
    check_overrides(content)
    return content


def protocol_place(stage: str, engine: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the protocol file that knows a stage, and the section in it.

    A DFT engine has one file for MD and labels; the others share ``aimd.yaml`` and ``label.yaml``.
    """
    if engine in DFT_PROTOCOLS and stage in ("aimd", "label"):
        return engine, ("aimd",) if stage == "aimd" else ()
    if stage in LOOP_STAGES:
        return "active_learning", (stage,)
    return stage, ()


def protocol_values(
    stage: str,
    engine: str | None,
    protocol: str,
    overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the values of one stage with overrides.

    Raises
    ------
    ProtocolError
        If the overrides name a key that the protocol does not have.
    """
    name, section = protocol_place(stage, engine)
    values = load_protocol(name, protocol, nested(section, overrides or {}))
    for key in section:
        values = values[key]
    return values


def builder_overrides(campaign: WorkFile) -> dict[str, dict[str, Any]]:
    """Return the overrides as the builders take them: those of ``aimd`` by the file's layout."""
    found = campaign.overrides()
    if "aimd" in found:
        found["aimd"] = nested(protocol_place("aimd", campaign.engine)[1], found["aimd"])
    return found


def nested(section: tuple[str, ...], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` below the keys of ``section``."""
    result = dict(values)
    for key in reversed(section):
        result = {key: result}
    return result


def check_overrides(campaign: WorkFile) -> None:
    """Raise `CampaignError` for every override that the protocol does not have."""
    problems = []
    for stage, overrides in campaign.overrides().items():
        name, section = protocol_place(stage, campaign.engine)
        try:
            load_protocol(name, campaign.protocol, nested(section, overrides))
        except ProtocolError as error:
            problems.append(_explain(campaign, stage, (name, *section), error))
    if isinstance(campaign, Campaign):
        problems += _loop_problems(campaign)
    given = {
        "cp2k": campaign.cp2k,
        "vasp": campaign.vasp.settings() if campaign.vasp is not None else None,
    }
    for engine, settings in given.items():
        if not settings:
            continue
        try:
            load_protocol(engine, campaign.protocol, {"settings": settings})
        except ProtocolError as error:
            problems.append(_explain(campaign, engine, (engine, "settings"), error))
    if problems:
        raise CampaignError("\n".join(problems))


def _loop_problems(campaign: Campaign) -> list[str]:
    """Return what is wrong with the loop's own sections though the protocol has their keys."""
    from ..workflows.active_learning.problems import committee_problem, loop_problems
    from ..workflows.conditions import parameters_problem

    given = campaign.overrides()
    try:
        values = {
            stage: protocol_values(stage, campaign.engine, campaign.protocol, given.get(stage))
            for stage in (*LOOP_STAGES, "explore", "train")
        }
    except ProtocolError:
        # The key that is unknown is told already.
        return []
    found = []
    if problem := committee_problem(values["train"]["committee_size"]):
        found.append(("train", f"train.{problem}"))
    if problem := parameters_problem(values["explore"]["parameters"], "explore.parameters"):
        found.append(("explore", problem))
    else:
        found += loop_problems(values, list(campaign.structures)).items()
    return [
        str(campaign.source.error_at(_keys(line) or [section], line))
        for section, problem in found
        for line in problem.splitlines()
    ]


def _keys(sentence: str) -> list[str | int]:
    """Return the keys of the dotted path with which a sentence begins; none if it does not."""
    path = re.match(r"(?:unknown )?(?:key ')?([a-z]\w*(?:\.\w+|\[\d+\])+)", sentence)
    names = re.findall(r"\w+", path[1]) if path else []
    return [int(name) if name.isdigit() else name for name in names]


def _explain(campaign: WorkFile, stage: str, place: tuple[str, ...], error: ProtocolError) -> str:
    match = re.search(r"unknown key '([^']+)' .*one of \[(.*)\]", str(error))
    if match is None:
        return str(campaign.source.error((stage,), f"does not fit the protocol: {error}"))
    # The message's path starts with the protocol file and the section in it.
    keys = (*campaign.section_of(stage), *match.group(1).split(".")[len(place) :])
    known = re.findall(r"'([^']+)'", match.group(2))
    if keys[:-1] == ("transport",):
        known += ["structures", "temperatures_K"]
    message = f"is not a known key{did_you_mean(keys[-1], known)}; expected one of {known}"
    return str(campaign.source.error(keys, message))
