"""``node.tools`` of transport and active-learning processes: tables, extrapolation, plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida.tools.workflows import WorkflowTools

from ..report.collect_mechanism import read_mechanism
from ..report.collect_transport import read_transport
from ..report.figures_mechanism import mechanism_figure
from ..report.figures_transport import arrhenius_figure, arrhenius_series, msd_figure
from ..report.graph import Root
from ..report.model_transport import Mechanism, Transport
from ..science.transport.arrhenius import Extrapolation, extrapolate

#: Name of a fit to what it is a fit of.
_QUANTITIES = {"sigma": "sigma", "sigma_T": "sigmaT"}


class TransportTools(WorkflowTools):
    """What a person wants to see of a transport process, without searching its outputs.

    Examples
    --------
    >>> node = load_node(PK)
    >>> node.tools.table()
    >>> node.tools.at("D_Li", 300)
    >>> node.tools.plot_arrhenius("arrhenius.png")
    >>> node.tools.plot_mechanism("mechanism.png")
    """

    @property
    def transport(self) -> Transport:
        """Everything the process knows of transport; raises ValueError where it knows nothing."""
        found = read_transport(Root.of(self._node))
        if found is None:
            raise ValueError(
                f"process {self._node.pk} has no transport observables; is it at an end, and did "
                "its transport stage run?"
            )
        return found

    def table(self) -> list[dict[str, Any]]:
        """Return one row per structure and temperature: D in cm²/s and σ in mS/cm, with errors."""
        rows = []
        for point in self.transport.points:
            row: dict[str, Any] = {"structure": point.structure, "T_K": point.temperature}
            for diffusion in point.diffusion:
                row[f"D_{diffusion.element}_cm2_s"] = diffusion.value
                row[f"D_{diffusion.element}_error"] = diffusion.error
            if point.conductivity is not None:
                row["sigma_mS_cm"] = point.conductivity.value
                row["sigma_error"] = point.conductivity.error
                row["haven_ratio"] = point.conductivity.haven
            rows.append(row)
        return rows

    def at(self, name: str, temperature_K: float, structure: str | None = None) -> Extrapolation:
        """Return D (cm²/s) or σ (mS/cm) at a temperature from an Arrhenius fit.

        Parameters
        ----------
        name
            ``D_<element>``, ``sigma`` or ``sigma_T`` (which gives σ back).
        temperature_K
            Far from the temperatures of the runs the error bar holds only if the line does.
        structure
            Needed where there are several.

        Raises
        ------
        ValueError
            If there is no such fit, or more than one.
        """
        fits = [
            fit
            for fit in self.transport.arrhenius
            if fit.name == name and structure in (None, fit.structure)
        ]
        if len(fits) != 1 or fits[0].ln_prefactor is None or fits[0].covariance is None:
            known = [f"{f.name} of {f.structure}" for f in self.transport.arrhenius]
            why = fits[0].reason if len(fits) == 1 else f"there are {known}"
            raise ValueError(f"no single Arrhenius fit is called {name!r}: {why}")
        fit = fits[0]
        return extrapolate(
            fit.ln_prefactor,
            float(fit.activation_eV or 0.0),
            fit.covariance,
            _QUANTITIES.get(name, "D"),
            temperature_K,
        )

    @property
    def mechanism(self) -> Mechanism:
        """How the ions move; raises ValueError where it was not asked for."""
        found = read_mechanism(Root.of(self._node))
        if found is None:
            raise ValueError(
                f"process {self._node.pk} has no mechanism; run transport with the input "
                "'mechanism', for example {'hops': {'Li': {'core_radius_A': 1.0}}}"
            )
        return found

    def plot_mechanism(self, path: str | Path) -> None:
        """Draw jump lengths, conversions and vibrations; the suffix of ``path`` says the format."""
        with mechanism_figure(self.mechanism.curves) as figure:
            figure.savefig(path, dpi=200)

    def plot_msd(self, path: str | Path) -> None:
        """Draw the mean square displacements; the suffix of ``path`` says the format."""
        with msd_figure(self.transport.msd) as figure:
            figure.savefig(path, dpi=200)

    def plot_arrhenius(self, path: str | Path) -> None:
        """Draw D and σT against 1/T with their fits; the suffix of ``path`` says the format."""
        with arrhenius_figure(arrhenius_series(self.transport)) as figure:
            figure.savefig(path, dpi=200)
