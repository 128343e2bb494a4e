"""What a campaign will run: jobs and an estimate of their cost, without storing anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from math import ceil
from typing import Any

from ase import Atoms
from ruamel.yaml import YAML

from .overrides import protocol_values
from .paths import check_paths
from .schema import Campaign
from .source import CampaignError
from .structures import check_structures, n_atoms


@dataclass(frozen=True)
class PlanRow:
    """Jobs of one stage; at most this many, if every iteration is needed."""

    stage: str
    n_jobs: int
    work: str
    core_hours: float


@dataclass(frozen=True)
class Plan:
    """The jobs of a campaign.

    Attributes
    ----------
    rows
        Stages in the order in which they run.
    max_labels
        The label budget.
    max_iterations
        The iteration budget, for which the rows count.
    wall_hours
        Core-hours over the jobs that run at the same time.
    """

    rows: tuple[PlanRow, ...]
    max_labels: int
    max_iterations: int
    wall_hours: float

    @property
    def n_jobs(self) -> int:
        return sum(row.n_jobs for row in self.rows)

    @property
    def core_hours(self) -> float:
        return sum(row.core_hours for row in self.rows)


def plan(campaign: Campaign) -> Plan:
    """Return the plan of a campaign.

    Raises
    ------
    CampaignError
        If the structures are wrong, or a protocol file lacks a number that the plan needs.
    """
    atoms = check_structures(campaign)
    if campaign.barriers is not None:
        check_paths(campaign.source, ("barriers",), campaign.barriers)
    rates = load_rates()
    numbers = _Numbers(campaign)
    sizes = [
        n_atoms(section, atoms[f"structures.{key}"]) for key, section in campaign.structures.items()
    ]
    budget = numbers.of("budget")
    iterations = int(budget["max_iterations"])
    max_labels = int(budget["max_labels"])
    rows = [
        *_initial(campaign, numbers, sizes, rates),
        *_iterations(campaign, numbers, sizes, rates, iterations, max_labels),
        *_final(numbers, rates),
        *_barriers(campaign, numbers, atoms, rates, iterations),
        *_transport(campaign, numbers, atoms, rates),
    ]
    core_hours = sum(row.core_hours for row in rows)
    return Plan(tuple(rows), max_labels, iterations, core_hours / campaign.max_concurrent)


def load_rates() -> dict[str, Any]:
    """Return the measured rates behind the estimate."""
    text = files(__package__).joinpath("rates.yaml").read_text(encoding="utf-8")
    rates: dict[str, Any] = YAML(typ="safe").load(text)
    return rates


class _Numbers:
    """The protocol's values with the campaign's overrides."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.overrides = campaign.overrides()

    def of(self, stage: str) -> Mapping[str, Any]:
        return protocol_values(
            stage, self.campaign.engine, self.campaign.protocol, self.overrides.get(stage)
        )

    def get(self, stage: str, *keys: str) -> Any:
        value: Any = self.of(stage)
        for key in keys:
            if not isinstance(value, Mapping) or key not in value:
                raise CampaignError(
                    f"protocol {stage!r} has no value {'.'.join(keys)!r}; the plan needs it"
                )
            value = value[key]
        return value


def _label_rate(campaign: Campaign, rates: Mapping[str, Any]) -> float:
    table = rates["label_core_seconds_per_atom"]
    name = campaign.ase.calculator if campaign.engine == "ase" and campaign.ase else campaign.engine
    return float(table.get(name, table["default"]))


def _initial(
    campaign: Campaign, numbers: _Numbers, sizes: list[int], rates: Mapping[str, Any]
) -> list[PlanRow]:
    runs, steps = int(numbers.get("aimd", "runs")), int(numbers.get("aimd", "parameters", "steps"))
    per_size = len(campaign.temperatures_K) * runs
    jobs = len(sizes) * per_size
    seconds = sum(sizes) * per_size * steps * _label_rate(campaign, rates)
    work = f"{steps} steps each, {_range(sizes)} atoms"
    return [_row("initial MD", jobs, work, seconds, rates)]


def _iterations(
    campaign: Campaign,
    numbers: _Numbers,
    sizes: list[int],
    rates: Mapping[str, Any],
    iterations: int,
    max_labels: int,
) -> list[PlanRow]:
    committee = int(numbers.get("train", "committee_size"))
    training_steps = int(numbers.get("train", "parameters", "training", "numb_steps"))
    replicas = int(numbers.get("explore", "replicas"))
    md = numbers.get("explore", "parameters")
    label = numbers.of("label")
    # A section of the engine replaces what all engines share.
    own = label.get(str(campaign.engine)) or {}
    batch = int(own.get("batch_size", numbers.get("label", "batch_size")))
    selection = numbers.of("selection")
    candidates, blind = int(selection["n_candidates"]), int(selection["n_blind"])
    labels = min(iterations * (candidates + blind), max_labels)
    label_jobs = iterations * (ceil(candidates / batch) + ceil(blind / batch))
    # The stage of a ladder with most runs: a plan is an upper bound.
    stages = campaign.ladder.get("stages") or [{}]
    runs = max(
        len(stage.get("temperatures_K") or campaign.temperatures_K)
        * len(stage.get("pressures_bar") or [None])
        for stage in stages
    )
    md_steps = max(
        int(stage.get("parameters", {}).get("steps", md["steps"])) for stage in stages
    ) + int(md.get("equilibration_steps", 0))
    explorations = runs * replicas
    largest = max(sizes)
    return [
        _row(
            "training",
            committee * iterations,
            f"{committee} models × {training_steps} steps, up to {iterations} iterations",
            committee * iterations * _training_seconds(training_steps, rates),
            rates,
        ),
        _row(
            "exploration",
            len(sizes) * explorations * iterations,
            f"{md_steps} steps each, {_range(sizes)} atoms",
            sum(sizes) * explorations * iterations * md_steps
            * rates["md_core_seconds_per_atom_step"],
            rates,
        ),
        _row(
            "labels",
            label_jobs,
            f"up to {labels} labels, {candidates} candidates + {blind} blind an iteration",
            labels * largest * _label_rate(campaign, rates),
            rates,
        ),
        _row("blind tests", iterations, f"{blind} frames each", 0.0, rates),
    ]  # fmt: skip


def _final(numbers: _Numbers, rates: Mapping[str, Any]) -> list[PlanRow]:
    committee = int(numbers.get("train", "committee_size"))
    final = numbers.get("training", "final")
    steps = (final.get("training") or {}).get("numb_steps")
    if steps is None:
        steps = numbers.get("train", "parameters", "training", "numb_steps")
    seconds = committee * _training_seconds(int(steps), rates)
    return [
        _row("final training", committee, f"{committee} models × {steps} steps", seconds, rates)
    ]


def _barriers(
    campaign: Campaign,
    numbers: _Numbers,
    atoms: Mapping[str, Atoms],
    rates: Mapping[str, Any],
    iterations: int,
) -> list[PlanRow]:
    """Comparisons of barriers: one after each iteration that met all else, and a final one."""
    section = campaign.barriers
    if section is None:
        return []
    n_paths = len(section.paths)
    n_paths += len(section.directions.directions) if section.directions is not None else 0
    n_paths += section.harvest.max_mechanisms if section.harvest is not None else 0
    images = n_paths * (int(numbers.get("neb", "parameters", "images")) + 2)
    largest = max(len(structure) for structure in atoms.values())
    seconds = (iterations + 1) * images * largest * _label_rate(campaign, rates)
    work = f"{images} labels each, up to {iterations + 1} comparisons"
    return [_row("barriers", n_paths * (iterations + 1), work, seconds, rates)]


def _transport(
    campaign: Campaign, numbers: _Numbers, atoms: Mapping[str, Atoms], rates: Mapping[str, Any]
) -> list[PlanRow]:
    if campaign.transport is None:
        return []
    sections, prefix = campaign.transport.structures, "transport.structures"
    if sections is None:
        sections, prefix = campaign.structures, "structures"
    sizes = [n_atoms(section, atoms[f"{prefix}.{key}"]) for key, section in sections.items()]
    values = numbers.of("transport")
    rate = rates["md_core_seconds_per_atom_step"]
    points = len(campaign.transport.temperatures_K) * int(values["drivers"])
    rows = []
    for stage, name, per_structure in (("melt", "melting", 1), ("mean_cell", "NPT MD", points)):
        if values[stage]:
            steps = int(values[stage]["steps"])
            seconds = sum(sizes) * per_structure * steps * rate
            work = f"{steps} steps each, {_range(sizes)} atoms"
            rows.append(_row(name, len(sizes) * per_structure, work, seconds, rates))
    parameters = values["parameters"]
    steps = int(parameters["steps"]) + int(parameters.get("equilibration_steps", 0))
    # A run is extended while its point misses a target: the budget is what it may come to.
    most = 1 + int((values["extension"] or {}).get("max_segments", 0))
    runs = points * int(values["replicas"])
    total = steps + (most - 1) * int(parameters["steps"])
    work = f"{total} steps{' at most' if most > 1 else ''} each, {_range(sizes)} atoms"
    seconds = sum(sizes) * runs * total * rate
    rows.append(_row("transport MD", len(sizes) * runs * most, work, seconds, rates))
    return rows


def _training_seconds(steps: int, rates: Mapping[str, Any]) -> float:
    return float(rates["train_startup_seconds"] + steps * rates["train_core_seconds_per_step"])


def _row(stage: str, jobs: int, work: str, seconds: float, rates: Mapping[str, Any]) -> PlanRow:
    total = seconds + jobs * rates["job_overhead_seconds"]
    return PlanRow(stage, jobs, work, total / 3600)


def _range(sizes: list[int]) -> str:
    low, high = min(sizes), max(sizes)
    return str(low) if low == high else f"{low} to {high}"
