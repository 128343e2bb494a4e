"""Node types: what is stored in the provenance graph."""
