"""Calcfunctions: small, seeded and deterministic steps between the jobs."""
