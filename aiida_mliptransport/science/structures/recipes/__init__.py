"""Builders by name and plain parameters: what the command line and the calcfunctions share."""

from .errors import RecipeError
from .registry import INPUTS, RECIPES, STATE, build_cells
from .report import apply_report, describe_cell

__all__ = [
    "INPUTS",
    "RECIPES",
    "STATE",
    "RecipeError",
    "apply_report",
    "build_cells",
    "describe_cell",
]
