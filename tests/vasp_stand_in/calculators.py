"""The ASE calculators behind the stand-in, by name."""

from __future__ import annotations

from collections.abc import Callable

from ase.calculators.calculator import Calculator


def lennard_jones() -> Calculator:
    """Return one pair potential for all elements; rocksalt LiCl is near its zero pressure."""
    from ase.calculators.lj import LennardJones

    return LennardJones(sigma=2.4, epsilon=0.2, rc=6.0, smooth=True)


def emt() -> Calculator:
    """Return effective medium theory: metals such as Cu."""
    from ase.calculators.emt import EMT

    return EMT()


def gfn1() -> Calculator:
    """Return GFN1-xTB through tblite: real electronic structure at Γ."""
    from tblite.ase import TBLite

    return TBLite(method="GFN1-xTB", verbosity=0)


CALCULATORS: dict[str, Callable[[], Calculator]] = {
    "lj": lennard_jones,
    "emt": emt,
    "gfn1": gfn1,
}


def make_calculator(name: str) -> Calculator:
    """Return a new calculator; ValueError if there is none of this name."""
    if name not in CALCULATORS:
        raise ValueError(f"calculator is {name!r}; expected one of {', '.join(CALCULATORS)}")
    return CALCULATORS[name]()
