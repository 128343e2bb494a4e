"""Screening criteria as a campaign file gives them, with pairs by their symbols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from ase.data import atomic_numbers
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..frames import Frames
from .limits import PairLimits, ScreeningCriteria, known_contact_limits

__all__ = ["ScreeningParameters"]

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]


class ScreeningParameters(BaseModel):
    """Limits of what counts as a physical frame; None switches a check off.

    Attributes
    ----------
    contact_scale
        Shortest allowed distance over the sum of covalent radii, for pairs that no labelled frame
        tells of. None: no contact is too short.
    known_contact_scale
        Shortest allowed distance over the shortest one of that pair in the labelled frames; see
        :func:`known_contact_limits`. None: all pairs by their radii.
    isolation_scale, fragment_gap, max_temperature, max_energy_change, volume_ratio
        Of :class:`ScreeningCriteria`.
    contact_limits, isolation_limits
        Å by pair of symbols, ``Cl-Li`` or ``Li-Cl``; each replaces what a scale gives.
    """

    model_config = ConfigDict(extra="forbid")

    contact_scale: _Positive | None = ScreeningCriteria.contact_scale
    known_contact_scale: Annotated[float, Field(gt=0, le=1, strict=True)] | None = None
    isolation_scale: _Positive | None = ScreeningCriteria.isolation_scale
    fragment_gap: _Positive | None = ScreeningCriteria.fragment_gap
    max_temperature: _Positive | None = ScreeningCriteria.max_temperature
    max_energy_change: _Positive | None = ScreeningCriteria.max_energy_change
    volume_ratio: tuple[_Positive, _Positive] | None = ScreeningCriteria.volume_ratio
    contact_limits: dict[str, _Positive] = Field(default_factory=dict)
    isolation_limits: dict[str, _Positive] = Field(default_factory=dict)

    @field_validator("contact_limits", "isolation_limits")
    @classmethod
    def _names_pairs_once(cls, given: dict[str, float]) -> dict[str, float]:
        seen: dict[tuple[int, int], str] = {}
        for name in given:
            pair = _pair(name)
            if pair in seen:
                raise ValueError(f"has {seen[pair]!r} and {name!r}, expected each pair once")
            seen[pair] = name
        return given

    @field_validator("volume_ratio")
    @classmethod
    def _is_a_range(cls, given: tuple[float, float] | None) -> tuple[float, float] | None:
        if given is not None and given[0] >= given[1]:
            raise ValueError(f"is {list(given)}, expected the smallest and the largest ratio")
        return given

    @model_validator(mode="after")
    def _fits(self) -> ScreeningParameters:
        for kind in ("contact", "isolation"):
            limits = getattr(self, f"{kind}_limits")
            if limits and getattr(self, f"{kind}_scale") is None:
                raise ValueError(
                    f"{kind}_limits is {limits}, but {kind}_scale null switches that check off; "
                    "give a number there too"
                )
        return self

    def criteria(self, known: Iterable[Frames] = ()) -> ScreeningCriteria:
        """Return the criteria, with limits of contacts from the labelled ones of known frames."""
        measured = {}
        if self.contact_scale is not None and self.known_contact_scale is not None:
            measured = known_contact_limits(known, self.known_contact_scale)
        return ScreeningCriteria(
            contact_scale=self.contact_scale,
            isolation_scale=self.isolation_scale,
            fragment_gap=self.fragment_gap,
            max_temperature=self.max_temperature,
            max_energy_change=self.max_energy_change,
            volume_ratio=self.volume_ratio,
            contact_limits={**measured, **_by_number(self.contact_limits)},
            isolation_limits=_by_number(self.isolation_limits),
        )


def _by_number(limits: Mapping[str, float]) -> PairLimits:
    return {_pair(name): limit for name, limit in limits.items()}


def _pair(name: str) -> tuple[int, int]:
    """Return the atomic numbers, lower first, of a pair such as ``Cl-Li``."""
    numbers = sorted(atomic_numbers.get(symbol, 0) for symbol in name.split("-"))
    if len(numbers) != 2 or not numbers[0]:
        raise ValueError(f"has the pair {name!r}, expected two elements such as 'Cl-Li'")
    return numbers[0], numbers[1]
