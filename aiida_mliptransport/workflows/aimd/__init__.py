"""Molecular dynamics with the labeller itself: one output contract, one module per engine."""
