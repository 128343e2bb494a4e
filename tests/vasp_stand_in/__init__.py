"""A stand-in for VASP: reads and writes its files, computes with an ASE calculator; tests only."""
