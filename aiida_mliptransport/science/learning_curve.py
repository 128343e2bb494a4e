"""Read the learning curve of a DeePMD training and tell whether it went wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Columns whose NaN means a broken model. Others are NaN wherever a system has no such label.
_ALWAYS_FINITE = ("rmse", "rmse_trn", "rmse_f", "rmse_f_trn", "rmse_pf", "rmse_pf_trn")

#: Training force errors, in the order in which they are looked for.
_FORCE_COLUMNS = ("rmse_f_trn", "rmse_f", "rmse_pf_trn", "rmse_pf")


class LearningCurveError(ValueError):
    """The text is no learning curve; the message says what is missing."""


@dataclass(frozen=True)
class LearningCurve:
    """Columns of a DeePMD ``lcurve.out`` by their names, each ``(n,)``.

    ``step`` rises strictly: of steps that a restart wrote again, the last is kept.
    """

    columns: dict[str, NDArray[np.float64]]

    @property
    def steps(self) -> NDArray[np.int64]:
        return self.columns["step"].astype(np.int64)

    @property
    def last_step(self) -> int:
        return int(self.steps[-1])

    @property
    def force_rmse(self) -> NDArray[np.float64]:
        """Training force RMSE per component in eV/Å (that of one batch, so it is noisy)."""
        for name in _FORCE_COLUMNS:
            if name in self.columns:
                return self.columns[name]
        raise LearningCurveError(
            f"learning curve has the columns {list(self.columns)}, expected one of "
            f"{list(_FORCE_COLUMNS)}; set the force prefactors of the loss above 0"
        )

    def first_broken_step(self) -> int | None:
        """Return the first step at which loss or force error is not finite, or None."""
        broken = np.zeros(len(self.steps), dtype=bool)
        for name in _ALWAYS_FINITE:
            if name in self.columns:
                broken |= ~np.isfinite(self.columns[name])
        where = np.flatnonzero(broken)
        return int(self.steps[where[0]]) if len(where) else None

    def final(self, name: str) -> float:
        """Return the median of a column over its last tenth (one row at least), NaN left out."""
        values = self.columns[name]
        tail = values[-max(1, len(values) // 10) :]
        tail = tail[np.isfinite(tail)]
        return float(np.median(tail)) if len(tail) else float("nan")

    def final_force_rmse(self) -> float:
        """Return the median force RMSE over the last tenth of the curve, eV/Å."""
        values = self.force_rmse
        return float(np.median(values[-max(1, len(values) // 10) :]))


def read_learning_curve(text: str) -> LearningCurve:
    """Read the text of ``lcurve.out``.

    A last line that a killed program left incomplete is ignored.

    Raises
    ------
    LearningCurveError
        If the header or all rows are missing.
    """
    names: list[str] = []
    rows: list[list[float]] = []
    for line in text.splitlines():
        if line.startswith("#"):
            if not names and "step" in line:
                names = line[1:].split()
            continue
        try:
            row = [float(word) for word in line.split()]
        except ValueError:
            continue
        if names and len(row) == len(names):
            rows.append(row)
    if not names or not rows:
        raise LearningCurveError("learning curve has no rows: the training ended before its start")
    table = np.array(rows)
    # np.unique keeps the first occurrence, so look from the end.
    _, index = np.unique(table[::-1, names.index("step")], return_index=True)
    table = table[::-1][index]
    return LearningCurve({name: table[:, column].copy() for column, name in enumerate(names)})
