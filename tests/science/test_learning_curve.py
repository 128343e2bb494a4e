"""Reading of DeePMD learning curves."""

from __future__ import annotations

import pytest

from aiida_mliptransport.science.learning_curve import LearningCurveError, read_learning_curve

TEXT = """#  step      rmse_trn    rmse_e_trn    rmse_f_trn         lr
# If there is no available reference data, rmse_*_{val,trn} will print nan
      0      2.0e+01      1.0e+00      8.0e-01    1.0e-03
    100      1.0e+01           nan      4.0e-01    1.0e-03
    200      1.0e+01      1.0e-02      2.0e-01    1.0e-03
"""


def test_columns_have_the_names_of_the_header():
    curve = read_learning_curve(TEXT)
    assert curve.steps.tolist() == [0, 100, 200]
    assert curve.force_rmse.tolist() == [0.8, 0.4, 0.2]
    assert curve.final_force_rmse() == 0.2


def test_nan_where_a_label_is_missing_is_no_broken_step():
    assert read_learning_curve(TEXT).first_broken_step() is None


def test_infinite_force_error_is_a_broken_step():
    assert read_learning_curve(TEXT.replace("4.0e-01", "inf")).first_broken_step() == 100


def test_incomplete_last_line_is_ignored():
    assert read_learning_curve(TEXT + "    300      1.0e").last_step == 200


def test_steps_written_twice_are_kept_from_the_later_run():
    again = TEXT + "    100 9 9 3.0e-01 1\n    200 9 9 1.0e-01 1\n"
    assert read_learning_curve(again).force_rmse.tolist() == [0.8, 0.3, 0.1]


def test_weighted_force_error_stands_in_for_the_plain_one():
    curve = read_learning_curve(TEXT.replace("rmse_f_trn", "rmse_pf_trn"))
    assert curve.final_force_rmse() == 0.2


def test_curve_without_force_error_says_what_to_set():
    curve = read_learning_curve(TEXT.replace("rmse_f_trn", "rmse_v_trn"))
    with pytest.raises(LearningCurveError, match="force prefactors"):
        curve.final_force_rmse()


def test_empty_file_is_an_error():
    with pytest.raises(LearningCurveError, match="no rows"):
        read_learning_curve("")
