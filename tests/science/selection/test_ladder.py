"""When a structure moves on to the next stage of an exploration, and when it goes back."""

import pytest

from aiida_mliptransport.science.selection import next_stage

SHARES = {"move_on": 0.9, "move_back": 0.5}


@pytest.mark.parametrize(
    ("stage", "share", "after"),
    [
        (0, 0.9, 1),
        (0, 0.89, 0),
        (2, 1.0, 2),
        (2, 0.5, 2),
        (2, 0.49, 1),
        (0, 0.0, 0),
        (1, None, 1),
    ],
)
def test_the_share_of_accurate_frames_decides(stage, share, after):
    assert next_stage(stage, 3, share, **SHARES) == after


def test_a_stage_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="stage is 3, expected 0 to 2"):
        next_stage(3, 3, 0.5, **SHARES)


def test_shares_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match=r"move_back is 0\.9 and move_on 0\.5"):
        next_stage(0, 1, 0.5, move_on=0.5, move_back=0.9)
