"""The error of a recipe whose parameters do not fit it."""

from __future__ import annotations

__all__ = ["RecipeError"]


class RecipeError(ValueError):
    """Parameters or inputs that the recipe does not know, misses, or cannot use."""
