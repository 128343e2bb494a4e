"""Queries over the provenance graph, archives and repair."""
