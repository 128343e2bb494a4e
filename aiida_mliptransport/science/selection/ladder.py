"""Stages of an exploration of growing difficulty: when to move on, and when to go back."""

from __future__ import annotations

__all__ = ["next_stage"]


def next_stage(
    stage: int, n_stages: int, share_accurate: float | None, *, move_on: float, move_back: float
) -> int:
    """Return the stage of a structure after an exploration at ``stage``.

    A model that knows what a stage shows learns nothing more from it; one that has lost what it
    knew, for example after a training on other frames, has to see the stage before again.

    Parameters
    ----------
    stage, n_stages
        Present stage, from 0, and how many there are.
    share_accurate
        Accurate frames over all explored ones, unphysical ones counted; None where nothing was
        explored, which changes nothing.
    move_on, move_back
        Shares from which on the next stage follows, and below which the one before.

    Raises
    ------
    ValueError
        If the stage does not exist, or the shares are not 0 ≤ move_back < move_on ≤ 1.
    """
    if not 0 <= stage < n_stages:
        raise ValueError(f"stage is {stage}, expected 0 to {n_stages - 1}")
    if not 0.0 <= move_back < move_on <= 1.0:
        raise ValueError(
            f"move_back is {move_back} and move_on {move_on}, expected shares from 0 to 1, the "
            "first below the second"
        )
    if share_accurate is None:
        return stage
    if share_accurate >= move_on:
        return min(stage + 1, n_stages - 1)
    if share_accurate < move_back:
        return max(stage - 1, 0)
    return stage
