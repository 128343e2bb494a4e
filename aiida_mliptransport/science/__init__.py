"""Plain numpy and scipy on arrays: usable in a notebook without an AiiDA profile."""
