"""Read the band that the ASE runner left, also of a killed job."""

from __future__ import annotations

from typing import Any
from zipfile import BadZipFile

import numpy as np
from aiida import orm
from aiida.engine import ExitCode

from ..calculations.ase_neb import BAND_FILE
from ..science.frames import Frames, System
from .ase import AseParser, failure


class AseNebParser(AseParser):
    """Parser of a nudged elastic band."""

    def _parse_task(self, results: dict[str, Any]) -> int:
        """Put out the images of the last whole step and what they say."""
        given = self.node.process_class.input_frames(self.node.inputs).systems[0]
        failures = [failure(None, None, record) for record in self._records]
        band = self._band(given.n_atoms)
        if band is None:
            self._put_frames(Frames(()), failures)
            return 0
        count = len(band["energies"])
        system = System(
            numbers=given.numbers,
            positions=band["positions"],
            cells=np.repeat(given.cells[:1], count, axis=0),
            pbc=given.pbc,
            charge=given.charge,
            multiplicity=given.multiplicity,
            energies=band["energies"],
            forces=band["forces"],
            origins=np.array(given.identities()[:1] * count),
            steps=np.arange(count),
        )
        self._put_frames(Frames((system,)), failures)
        energies = band["energies"]
        highest = int(np.argmax(energies))
        self.out(
            "results",
            orm.Dict(
                {
                    "completed": bool(results.get("completed", False)),
                    "n_steps": len(band["history"]) - 1,
                    "n_images": count - 2,
                    "highest_image": highest,
                    "barrier_eV": float(energies[highest] - energies[0]),
                    "reverse_barrier_eV": float(energies[highest] - energies[-1]),
                    "reaction_energy_eV": float(energies[-1] - energies[0]),
                    "max_force_eV_A": float(band["history"][-1, 0]),
                    "history": {
                        "max_force_eV_A": band["history"][:, 0].tolist(),
                        "barrier_eV": band["history"][:, 1].tolist(),
                    },
                    "engine_version": self._engine["engine_version"],
                }
            ),
        )
        return count

    def _band(self, n_atoms: int) -> dict[str, np.ndarray] | None:
        """Return the last band of the job; None where there is none, or one that is not finite."""
        path = self._folder / BAND_FILE
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as stored:
                band = {name: stored[name] for name in ("positions", "energies", "forces",
                                                        "history")}  # fmt: skip
        except (ValueError, EOFError, OSError, KeyError, BadZipFile) as error:
            self.logger.warning(f"{BAND_FILE} is not readable: {error}")
            return None
        shape = (len(band["energies"]), n_atoms, 3)
        if band["positions"].shape != shape or band["forces"].shape != shape:
            self.logger.warning(f"{BAND_FILE} holds positions {band['positions'].shape}")
            return None
        if not all(np.isfinite(array).all() for array in band.values()):
            return None
        return band

    def _status(self, results: dict[str, Any], count: int) -> ExitCode | None:
        if results["completed"]:
            return None
        codes = self.exit_codes
        reason = results.get("stopped") or f"largest force {results['max_force_eV_A']:.3f} eV/Å"
        known: dict[str, ExitCode] = {
            "not_converged": codes.ERROR_BAND_NOT_CONVERGED,
            "end_not_relaxed": codes.ERROR_END_NOT_RELAXED,
            "collapsed": codes.ERROR_ENDS_COLLAPSED,
            "exploded": codes.ERROR_IMAGE_EXPLODED,
            "not_finite": codes.ERROR_IMAGE_EXPLODED,
        }
        code = known.get(results.get("kind", "not_converged"), codes.ERROR_BAND_STOPPED)
        return code.format(reason=reason)
