"""Classical potentials with typed parameters, computed by LAMMPS itself: a teacher, or a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Annotated, Any, Literal

from ase.data import atomic_numbers
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from ..science.units import BOLTZMANN_EV_K
from .base import Backend, LammpsPair, PotentialError, PotentialSpec
from .tosi_fumi import tosi_fumi_parameters

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BornMayerHugginsPair(_Parameters):
    """A exp((σ − r)/ρ) − C/r⁶ − D/r⁸ less its value at the cutoff, in eV with r in Å."""

    A_eV: NotNegative
    rho_A: Positive
    sigma_A: NotNegative
    C_eV_A6: NotNegative
    D_eV_A8: NotNegative


class LennardJonesPair(_Parameters):
    """4ε ((σ/r)¹² − (σ/r)⁶), in eV with r in Å."""

    epsilon_eV: NotNegative
    sigma_A: Positive


class _PairPotential(_Parameters):
    """What all forms share: a cutoff, and pairs named ``Cl-Li`` in any order of symbols."""

    cutoff_A: Positive
    source: str = ""

    @property
    def elements(self) -> list[str]:
        """Chemical symbols in order of atomic number."""
        pairs: Mapping[str, Any] = self.pairs  # type: ignore[attr-defined]
        symbols = {symbol for name in pairs for symbol in name.split("-")}
        return sorted(symbols, key=lambda symbol: atomic_numbers[symbol])

    @model_validator(mode="after")
    def _every_pair_is_given_once(self) -> _PairPotential:
        pairs: Mapping[str, Any] = self.pairs  # type: ignore[attr-defined]
        seen = set()
        for name in pairs:
            symbols = name.split("-")
            if len(symbols) != 2 or not all(atomic_numbers.get(s, 0) for s in symbols):
                raise ValueError(f"pair {name!r} is not two chemical symbols, like 'Li-Cl'")
            if frozenset(symbols) in seen:
                raise ValueError(f"pair {name!r} is given twice")
            seen.add(frozenset(symbols))
        missing = [
            f"{a}-{b}"
            for a, b in combinations_with_replacement(self.elements, 2)
            if frozenset((a, b)) not in seen
        ]
        if missing or not pairs:
            raise ValueError(f"parameters for the pair(s) {missing} are missing; give all pairs")
        return self


class BornMayerHuggins(_PairPotential):
    """Rigid ions: Born–Mayer–Huggins pairs and charges with an Ewald sum."""

    form: Literal["born_mayer_huggins"]
    charges: dict[str, Finite]
    pairs: dict[str, BornMayerHugginsPair]
    kspace: Literal["ewald", "pppm"] = "pppm"
    kspace_accuracy: Annotated[float, Field(gt=0, lt=0.1)] = 1e-5

    @model_validator(mode="after")
    def _every_element_has_a_charge(self) -> BornMayerHuggins:
        if sorted(self.charges) != sorted(self.elements):
            raise ValueError(
                f"charges are given for {sorted(self.charges)}, pairs for {sorted(self.elements)}; "
                "give both for the same elements"
            )
        if not any(self.charges.values()):
            raise ValueError("all charges are zero, expected ions")
        return self


class LennardJones(_PairPotential):
    """Lennard-Jones pairs, cut and, where ``shift``, moved to zero energy at the cutoff."""

    form: Literal["lennard_jones"]
    pairs: dict[str, LennardJonesPair]
    shift: bool = True


ClassicalPotential = BornMayerHuggins | LennardJones

_ADAPTER: TypeAdapter[ClassicalPotential] = TypeAdapter(
    Annotated[ClassicalPotential, Field(discriminator="form")]
)


def classical_potential(parameters: Mapping[str, Any]) -> ClassicalPotential:
    """Return the validated parameters.

    Raises
    ------
    PotentialError
        If a key is unknown or missing or a value out of range; the message names all of them.
    """
    try:
        return _ADAPTER.validate_python(dict(parameters))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in e['loc']) or 'parameters'} = {e['input']!r}: "
            f"{e['msg']}"
            for e in error.errors()
        )
        raise PotentialError(f"classical potential: {problems}") from None


def potential_arguments(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``PotentialData`` for a classical potential.

    Forces and stress come from one analytic energy, hence ``trained_on_stress``.
    """
    potential = classical_potential(parameters)
    return {
        "backend": LammpsBackend.name,
        "type_map": potential.elements,
        "cutoff": potential.cutoff_A,
        "parameters": potential.model_dump(),
        "trained_on_stress": True,
    }


class LammpsBackend(Backend):
    """Potentials that LAMMPS computes from parameters; they have no files."""

    name = "lammps"

    def run_roles(self) -> tuple[str, ...]:
        """Return no role: the parameters are in the script."""
        return ()

    def lammps_pair(
        self,
        potentials: Sequence[PotentialSpec],
        elements: Sequence[str],
        deviation_stride: int | None = None,
    ) -> LammpsPair:
        """Return ``born/coul/long`` with its k-space solver, or ``lj/cut``.

        Raises
        ------
        PotentialError
            If an element has no parameters, or there is more than one potential: only the
            ``deepmd`` backend can write a committee's deviation.
        """
        if len(potentials) != 1:
            raise PotentialError(
                f"{len(potentials)} potentials given to backend 'lammps', expected one: a "
                "classical potential has no committee"
            )
        self.check_elements(potentials, elements)
        potential = classical_potential(potentials[0].parameters)
        cutoff = repr(potential.cutoff_A)
        if isinstance(potential, LennardJones):
            shift = "yes" if potential.shift else "no"
            lines = [f"pair_style lj/cut {cutoff}", f"pair_modify shift {shift}"]
            for i, j, lj in _typed_pairs(potential.pairs, elements):
                lines.append(f"pair_coeff {i} {j} {lj.epsilon_eV!r} {lj.sigma_A!r}")
            return LammpsPair(lines=tuple(lines))
        # Without the shift every pair that crosses the cutoff changes the total energy.
        lines = [f"pair_style born/coul/long {cutoff}", "pair_modify shift yes"]
        for i, j, p in _typed_pairs(potential.pairs, elements):
            # LAMMPS adds D/r⁸ where Tosi and Fumi subtract it.
            numbers = (p.A_eV, p.rho_A, p.sigma_A, p.C_eV_A6, -p.D_eV_A8)
            lines.append(f"pair_coeff {i} {j} " + " ".join(repr(x) for x in numbers))
        lines.append(f"kspace_style {potential.kspace} {potential.kspace_accuracy!r}")
        return LammpsPair(
            lines=tuple(lines), charges={symbol: potential.charges[symbol] for symbol in elements}
        )

    def calculator_spec(self, potential: PotentialSpec) -> dict[str, Any]:
        """Return ``{"name": "lammps", "type_map", "lines", "charges"}`` for the LAMMPS library."""
        pair = self.lammps_pair([potential], potential.type_map)
        return {
            "name": "lammps",
            "type_map": list(potential.type_map),
            "lines": list(pair.lines),
            "charges": dict(pair.charges),
        }


def _typed_pairs(pairs: Mapping[str, Any], elements: Sequence[str]) -> list[tuple[int, int, Any]]:
    by_symbols = {frozenset(name.split("-")): value for name, value in pairs.items()}
    return [
        (i + 1, j + 1, by_symbols[frozenset((elements[i], elements[j]))])
        for i, j in combinations_with_replacement(range(len(elements)), 2)
    ]


def tosi_fumi(
    salt: str, cutoff_A: float = 8.0, kspace: str = "pppm", kspace_accuracy: float = 1e-5
) -> dict[str, Any]:
    """Return the Tosi–Fumi rigid-ion potential of an alkali halide: arguments of ``PotentialData``.

    Sources are those of :func:`~.tosi_fumi.tosi_fumi_parameters`.

    Parameters
    ----------
    salt
        Formula, as ``LiCl``; one of ``TOSI_FUMI_SALTS``.
    cutoff_A
        Of the pairs, Å.
    kspace, kspace_accuracy
        Solver of the Ewald sum, ``ewald`` or ``pppm``, and its relative error of forces.

    Raises
    ------
    PotentialError
        If there are no parameters for ``salt``, or a value is out of range.
    """
    return potential_arguments(
        {
            **tosi_fumi_parameters(salt),
            "cutoff_A": cutoff_A,
            "kspace": kspace,
            "kspace_accuracy": kspace_accuracy,
        }
    )


def tosi_fumi_licl(
    cutoff_A: float = 8.0, kspace: str = "pppm", kspace_accuracy: float = 1e-5
) -> dict[str, Any]:
    """Return :func:`tosi_fumi` of LiCl."""
    return tosi_fumi("LiCl", cutoff_A, kspace, kspace_accuracy)


def lennard_jones_argon(cutoff_A: float = 8.5) -> dict[str, Any]:
    """Return Lennard-Jones argon as arguments of ``PotentialData``.

    ε/k_B = 120 K and σ = 3.4 Å: A. Rahman, Phys. Rev. 136, A405 (1964).
    """
    return potential_arguments(
        {
            "form": "lennard_jones",
            "pairs": {"Ar-Ar": {"epsilon_eV": 120.0 * BOLTZMANN_EV_K, "sigma_A": 3.4}},
            "cutoff_A": cutoff_A,
            "source": "Rahman 1964",
        }
    )
