"""The campaign file: what it may say, with types and units."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from ase.data import atomic_numbers
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from .sections import Label, PathsSection, Section, StructureSection
from .source import Source, read_yaml

Engine = Literal["ase", "cp2k", "vasp", "teacher"]
ENGINES: tuple[Engine, ...] = ("ase", "cp2k", "vasp", "teacher")

#: Sections whose keys are those of the protocol files.
OVERRIDE_STAGES = (
    "aimd", "label", "train", "explore", "ladder", "selection", "targets", "budget", "training"
)  # fmt: skip

Temperature = Annotated[float, Field(gt=0)]


class AseSection(BaseModel):
    """Calculator by name from the fixed registry; the other keys are that calculator's."""

    model_config = ConfigDict(extra="allow")
    calculator: str


class TeacherSection(Section):
    """A potential that labels: a node of the profile, or typed parameters of a classical one."""

    potential: int | str | None = None
    backend: str = "lammps"
    type_map: Annotated[list[str], Field(min_length=1)] | None = None
    cutoff_A: Annotated[float, Field(gt=0)] | None = None
    parameters: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> TeacherSection:
        typed = (self.type_map, self.cutoff_A, self.parameters)
        if self.potential is not None and any(value is not None for value in typed):
            raise ValueError(
                "expected either 'potential' (PK or UUID of a node) or 'type_map', 'cutoff_A' and "
                "'parameters', not both"
            )
        if self.potential is None and any(value is None for value in typed):
            raise ValueError(
                "expected 'potential' (PK or UUID of a node), or 'type_map', 'cutoff_A' and "
                "'parameters' of a classical potential"
            )
        return self


class VaspSection(Section):
    """DFT by VASP; keys other than the POTCAR family override the protocol's settings."""

    model_config = ConfigDict(extra="allow")
    potential_family: Annotated[str, Field(min_length=1)]

    def settings(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class TransportSection(Section):
    """Production MD with the final potential.

    Keys other than ``structures`` and ``temperatures_K`` override the transport protocol.
    """

    model_config = ConfigDict(extra="allow")
    structures: Annotated[dict[Label, StructureSection], Field(min_length=1)] | None = None
    temperatures_K: Annotated[list[Temperature], Field(min_length=1)]

    def overrides(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class BarriersSection(PathsSection):
    """Paths whose barriers the labeller must confirm, and how well."""

    target_eV: Annotated[float, Field(gt=0)]


class CodesSection(Section):
    """Labels of the AiiDA codes."""

    dp: str = "dp@localhost"
    lmp: str = "lmp@localhost"
    python: str = "python@localhost"
    cp2k: str = "cp2k@localhost"
    vasp: str = "vasp@localhost"


class JobOptions(Section):
    """``metadata.options`` of the jobs of one stage."""

    max_wallclock_seconds: Annotated[int, Field(ge=60)] | None = None
    resources: dict[str, int | str] | None = None
    queue_name: str | None = None
    account: str | None = None
    qos: str | None = None
    max_memory_kb: Annotated[int, Field(gt=0)] | None = None
    withmpi: bool | None = None
    custom_scheduler_commands: str | None = None
    prepend_text: str | None = None
    append_text: str | None = None
    environment_variables: dict[str, str] | None = None

    def options(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class ResourcesSection(Section):
    """Options of the jobs, by stage."""

    aimd: JobOptions | None = None
    label: JobOptions | None = None
    train: JobOptions | None = None
    explore: JobOptions | None = None
    evaluate: JobOptions | None = None
    neb: JobOptions | None = None
    transport: JobOptions | None = None

    def options(self) -> dict[str, dict[str, Any]]:
        return {
            stage: value.options()
            for stage in type(self).model_fields
            if (value := getattr(self, stage)) is not None
        }


class WorkFile(Section):
    """What all files that launch something say: a name, a protocol, what labels, and where."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: str = ""
    protocol: Literal["fast", "balanced", "stringent"] = "balanced"
    engine: Engine | None = None
    ase: AseSection | None = None
    cp2k: dict[str, Any] | None = None
    vasp: VaspSection | None = None
    teacher: TeacherSection | None = None
    max_concurrent: Annotated[int, Field(ge=1)] = 2
    label: dict[str, Any] = Field(default_factory=dict)
    codes: CodesSection = Field(default_factory=CodesSection)
    resources: ResourcesSection = Field(default_factory=ResourcesSection)

    _source: Source | None = PrivateAttr(default=None)

    @property
    def source(self) -> Source:
        """The file this was read from."""
        if self._source is None:
            raise RuntimeError("this was not read from a file; use load_campaign(path)")
        return self._source

    @property
    def folder(self) -> Path:
        return self.source.folder

    def overrides(self) -> dict[str, dict[str, Any]]:
        """Return the overrides of the protocol, by stage."""
        return {"label": self.label} if self.label else {}

    def section_of(self, stage: str) -> tuple[str, ...]:
        """Return the keys under which the overrides of a stage stand in the file."""
        return (stage,)


class Campaign(WorkFile):
    """A whole campaign. Temperatures in K, charges in elementary charges."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    structures: Annotated[dict[Label, StructureSection], Field(min_length=1)]
    temperatures_K: Annotated[list[Temperature], Field(min_length=1)]
    charges: dict[str, float] | None = None
    aimd: dict[str, Any] = Field(default_factory=dict)
    train: dict[str, Any] = Field(default_factory=dict)
    explore: dict[str, Any] = Field(default_factory=dict)
    ladder: dict[str, Any] = Field(default_factory=dict)
    selection: dict[str, Any] = Field(default_factory=dict)
    targets: dict[str, Any] = Field(default_factory=dict)
    budget: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    barriers: BarriersSection | None = None
    transport: TransportSection | None = None
    clean_workdir: bool = False

    @field_validator("charges")
    @classmethod
    def _elements(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        unknown = [symbol for symbol in value or {} if symbol not in atomic_numbers]
        if unknown:
            raise ValueError(f"expected chemical symbols as keys, but {unknown} are none")
        return value

    @field_validator("temperatures_K")
    @classmethod
    def _distinct(cls, value: list[float]) -> list[float]:
        if len({round(t) for t in value}) != len(value):
            raise ValueError("expected temperatures that differ by 1 K or more")
        return value

    @model_validator(mode="after")
    def _charges_for_transport(self) -> Campaign:
        if self.transport is not None and self.charges is None:
            raise ValueError(
                "expected 'charges' beside 'transport', for example 'charges: {Li: 1, Cl: -1}': "
                "the conductivity needs them"
            )
        return self

    def overrides(self) -> dict[str, dict[str, Any]]:
        """Return the overrides of the protocol, by stage."""
        found = {stage: getattr(self, stage) for stage in OVERRIDE_STAGES}
        if self.transport is not None:
            found["transport"] = self.transport.overrides()
        if self.barriers is not None:
            found["neb"] = self.barriers.band_overrides()
            target = {"barriers": {"target_eV": self.barriers.target_eV}}
            found["targets"] = {**found["targets"], **target}
        return {stage: value for stage, value in found.items() if value}

    def section_of(self, stage: str) -> tuple[str, ...]:
        return ("barriers",) if stage == "neb" else (stage,)


def load_campaign(path: str | Path, engine: str | None = None) -> Campaign:
    """Read and check a campaign file (not yet the files and codes it names).

    Parameters
    ----------
    path : path
    engine : str, optional
        Takes the place of ``engine`` in the file.

    Raises
    ------
    CampaignError
        Naming the line, the key, the value and what was expected.
    """
    from .overrides import check_overrides

    source = read_yaml(path)
    campaign = source.validate(Campaign)
    campaign._source = source
    campaign.engine = choose_engine(campaign, engine)
    check_overrides(campaign)
    return campaign


def choose_engine(campaign: WorkFile, engine: str | None) -> Engine:
    """Return the one engine that labels, or raise `CampaignError`."""
    source = campaign.source
    filled = [name for name in ENGINES if getattr(campaign, name) is not None]
    chosen = engine or campaign.engine
    if chosen is None:
        if len(filled) > 1:
            raise source.error(
                (filled[1],),
                f"is a second label engine beside {filled[0]!r}, expected one: choose with "
                f"'engine: {filled[0]}' or 'engine: {filled[1]}'",
            )
        if not filled:
            raise source.error(
                ("engine",), f"is missing, expected one of {list(ENGINES)}: it labels the frames"
            )
        chosen = filled[0]
    if chosen not in ENGINES:
        raise source.error(("engine",), f"is {chosen!r}, expected one of {list(ENGINES)}")
    if chosen not in filled:
        example = {
            "ase": "ase: {calculator: tblite, method: GFN1-xTB}",
            "cp2k": "cp2k: {}",
            "vasp": "vasp: {potential_family: PBE.54}",
            "teacher": "teacher: {potential: 123}",
        }[chosen]
        raise source.error(
            ("engine",),
            f"is {chosen!r} but the file has no section {chosen!r}; add '{example}'",
        )
    return chosen
