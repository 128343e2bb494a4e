"""Calcfunction that sums up the trainings of a committee."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import calcfunction


@calcfunction
def summarize_training(expected: orm.List, **results: orm.Dict) -> orm.Dict:
    """Return what became of each expected member, and the spread of their force errors.

    Parameters
    ----------
    expected
        Names of all members.
    results
        ``results`` of the trainings that gave a potential, by the name of the member.
    """
    members: dict[str, Any] = {}
    for name in expected.get_list():
        node = results.get(name)
        members[name] = {"trained": node is not None, **(node.get_dict() if node else {})}
    errors = [
        value
        for node in results.values()
        for key, value in node.get_dict()["final"].items()
        if key in ("rmse_f_trn", "rmse_f")
    ]
    return orm.Dict(
        {
            "n_members": len(members),
            "n_trained": len(results),
            "members": members,
            "final_force_rmse_eV_A": {"lowest": min(errors), "highest": max(errors)}
            if errors
            else None,
        }
    )
