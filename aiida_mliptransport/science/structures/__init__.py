"""Builders of starting cells: plain ase.Atoms in and out."""
