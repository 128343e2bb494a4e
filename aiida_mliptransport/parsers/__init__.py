"""How one run is read: the mirror of calculations."""
