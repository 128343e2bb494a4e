"""Command line: ``aiida-mliptransport`` and the groups of ``verdi data mliptransport.*``."""

from .main import cli

__all__ = ["cli"]
