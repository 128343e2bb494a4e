"""Which checks a validation does, and with what settings and tolerances."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from .check import FrameCheck
from .elastic import ElasticCheck
from .eos import EosCheck
from .errors import ErrorLimits
from .lattice import LatticeLimits
from .md_checks import LongRunLimits, RdfLimits, StabilityLimits
from .phonons import PhononCheck
from .short_range import CompressionCheck, DimerCheck
from .size_transfer import SizeTransferCheck
from .surfaces import InterfaceCheck, SurfaceCheck


class ValidationSettings(BaseModel):
    """Settings by check; one that is None is not done.

    Attributes
    ----------
    errors
        Limits of the errors on blind and on unseen frames.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    errors: ErrorLimits | None = None
    lattice: LatticeLimits | None = None
    rdf: RdfLimits | None = None
    stability: StabilityLimits | None = None
    long_run: LongRunLimits | None = None
    eos: EosCheck | None = None
    elastic: ElasticCheck | None = None
    phonons: PhononCheck | None = None
    surfaces: SurfaceCheck | None = None
    interfaces: InterfaceCheck | None = None
    size_transfer: SizeTransferCheck | None = None
    dimer: DimerCheck | None = None
    compression: CompressionCheck | None = None

    def frame_checks(self) -> dict[str, FrameCheck]:
        """Return the checks that are done on cells built from structures, by name."""
        found = (getattr(self, name) for name in type(self).model_fields)
        return {check.name: check for check in found if isinstance(check, FrameCheck)}
