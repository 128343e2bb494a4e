"""Build the training and production cells of four papers, and compare them with what is stated.

Run it with `python examples/cells/build_cells.py`; README.md shows the tables. The exit status is 1
if a check fails.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import argyrodite
import interphase
import ionic_liquid
import li3ticl6
from ase.io import write
from cell_rows import Built, Row, build_row, table

PAPERS = {
    "000": ("[EMIm]Cl-AlCl3", ionic_liquid),
    "001": ("Li3TiCl6", li3ticl6),
    "002": ("Li6PS5X", argyrodite),
    "003": ("Solid electrolyte interphase", interphase),
}


def rows(only: list[str] | None = None) -> list[Row]:
    """Return the rows of all papers, or of some."""
    return [row for key in only or PAPERS for row in PAPERS[key][1].rows()]


def save(built: Built, folder: Path) -> None:
    """Write a cell as extended XYZ, with charge and multiplicity."""
    if built.atoms is None:
        return
    plain = built.atoms.copy()
    plain.info = {
        "charge": 0,
        "multiplicity": built.row.multiplicity,
        "source": f"paper {built.row.paper}",
    }
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / f"{built.row.name}.extxyz", plain, format="extxyz")


def main(arguments: list[str] | None = None) -> int:
    """Build, print the tables, and return 1 if a check failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=list(PAPERS), help="one paper")
    parser.add_argument("--output", type=Path, default=Path("cells"), help="folder of the cells")
    parser.add_argument("--quick", action="store_true", help="leave out what takes over a second")
    chosen = parser.parse_args(arguments)
    done: list[Built] = []
    started = time.monotonic()
    for key in chosen.only or PAPERS:
        wanted = [row for row in rows([key]) if row.quick or not chosen.quick]
        cells = []
        for row in wanted:
            begun = time.monotonic()
            cells.append(build_row(row))
            seconds = time.monotonic() - begun
            print(f"{row.name}: {seconds:.1f} s", file=sys.stderr, flush=True)
            save(cells[-1], chosen.output)
        print(f"### {key}: {PAPERS[key][0]}\n\n{table(cells)}\n")
        done += cells
    counts = [
        f"{sum(cell.verdict == 'ok' for cell in done)} ok",
        f"{sum(bool(cell.nearest) and not cell.failed for cell in done)} differ by less than one "
        "atom",
        f"{sum(cell.failed for cell in done)} differ or failed",
        f"{sum(cell.row.build is None for cell in done)} not built",
    ]
    print(f"{len(done)} rows: {', '.join(counts)}.")
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    return int(any(cell.failed for cell in done))


if __name__ == "__main__":
    sys.exit(main())
