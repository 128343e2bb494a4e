"""What to look for in a trajectory: hops, molecules, vibrations, displacements."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from aiida_mliptransport.science.transport.bonds import BondRadii

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Vector = tuple[float, float, float]
_PAIR = re.compile(r"([A-Z][a-z]?)-([A-Z][a-z]?)")


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GivenSites(_Settings):
    """Sites known beforehand: fractional coordinates in a unit cell, and its repeats."""

    scaled_positions: list[Vector] = Field(min_length=1)
    repeats: tuple[int, int, int] = (1, 1, 1)
    labels: list[str] | None = None


class LayerSettings(_Settings):
    """Which hops go from layer to layer: those that cover half the spacing along the normal."""

    normal: Vector
    spacing_A: Positive


class ConcertedSettings(_Settings):
    """Which hops of different ions belong together: how near in time and space they are."""

    window_ps: Positive
    distance_A: Positive


class SiteSettings(_Settings):
    """Where an element has its sites: given ones, or else the maxima of its density."""

    sites: GivenSites | None = None
    min_separation_A: Positive = 1.5
    width_A: Positive = 0.3
    min_occupancy: Positive = 0.05


class HopSettings(SiteSettings):
    """How hops of one element are found: from site to site, or by displacement without sites.

    With ``core_radius_A`` an ion is on a site from when it enters its core until it enters
    another; sites are those given, or the maxima of the density. With ``window_ps`` and
    ``threshold_A`` a hop is a jump between the mean positions before and after.
    """

    core_radius_A: Positive | None = None
    window_ps: Positive | None = None
    threshold_A: Positive | None = None
    layers: LayerSettings | None = None
    concerted: ConcertedSettings | None = None
    bin_width_A: Positive = 0.1

    @model_validator(mode="after")
    def _one_method(self) -> HopSettings:
        by_displacement = (self.window_ps is not None, self.threshold_A is not None)
        by_sites = self.core_radius_A is not None
        if by_sites == any(by_displacement) or any(by_displacement) != all(by_displacement):
            raise ValueError(
                f"has core_radius_A {self.core_radius_A}, window_ps {self.window_ps} and "
                f"threshold_A {self.threshold_A}, expected core_radius_A alone (hops between "
                "sites) or both of the others (hops by displacement)"
            )
        if self.sites is not None and not by_sites:
            raise ValueError("has sites but no core_radius_A, expected both")
        return self


class MoleculeSettings(_Settings):
    """Which atoms are bonded, and the atoms and molecules whose conversions count.

    ``bonds`` has, for a pair as ``Al-Cl``, the radius (Å) below which a bond forms and that
    above which it breaks; ``charges`` (e) of molecules by formula, for the vehicular and the
    structural part of σ, default: of their elements.
    """

    bonds: dict[str, tuple[Positive, Positive]] = Field(min_length=1)
    persistence_ps: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    central: str | None = None
    states: list[str] | None = None
    charges: dict[str, float] | None = None

    @field_validator("bonds")
    @classmethod
    def _are_pairs(cls, value: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for name, (form, break_) in value.items():
            if not _PAIR.fullmatch(name):
                raise ValueError(f"holds {name!r}, expected a pair of elements as 'Al-Cl'")
            if form > break_:
                raise ValueError(
                    f"of {name} are {form} Å to form and {break_} Å to break, expected the larger "
                    "radius last: without hysteresis every recrossing would count"
                )
        return value

    @model_validator(mode="after")
    def _states_need_an_atom(self) -> MoleculeSettings:
        if self.states is not None and self.central is None:
            raise ValueError(f"has states {self.states} but no central element, expected both")
        return self

    @property
    def radii(self) -> list[BondRadii]:
        """The radii of each pair."""
        radii = []
        for name, ends in self.bonds.items():
            first, second = name.split("-")
            radii.append(BondRadii(first, second, *ends))
        return radii


class VibrationSettings(_Settings):
    """Bandwidth of the vibrational density of states."""

    resolution_THz: Positive


class VanHoveSettings(_Settings):
    """Lags and range of the van Hove functions; no range: no distinct part."""

    lags_ps: list[Positive] = Field(min_length=1)
    r_max_A: Positive = 10.0
    bin_width_A: Positive = 0.1
    pairs: list[tuple[str, str]] = []


class MechanismSettings(_Settings):
    """What is looked for; at least one part."""

    hops: dict[str, HopSettings] = {}
    molecules: MoleculeSettings | None = None
    vibrations: VibrationSettings | None = None
    van_hove: VanHoveSettings | None = None

    @model_validator(mode="before")
    @classmethod
    def _ask_for_something(cls, value: Any) -> Any:
        if isinstance(value, dict) and not any(value.values()):
            raise ValueError(
                f"is {value}, expected hops, molecules, vibrations or van_hove: one part or more"
            )
        return value

    @property
    def elements(self) -> set[str]:
        """Elements that are named."""
        named = set(self.hops)
        if self.molecules is not None:
            named |= {end for pair in self.molecules.radii for end in (pair.first, pair.second)}
            named |= {self.molecules.central} if self.molecules.central else set()
        if self.van_hove is not None:
            named |= {end for pair in self.van_hove.pairs for end in pair}
        return named
