"""Labelling WorkChains: one output contract, one module per engine."""
