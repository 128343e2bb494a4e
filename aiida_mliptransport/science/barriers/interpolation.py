"""Images between the ends of a path that keep clear of short distances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from ase.mep.neb import NEB, idpp_interpolate

from ..frames import System
from .given_images import continuous

__all__ = ["idpp_path"]


def idpp_path(ends: System, count: int) -> System:
    """Return the ends with images between them, by the image-dependent pair potential of ASE.

    Source: S. Smidstrup, A. Pedersen, K. Stokbro and H. Jónsson, J. Chem. Phys. 140, 214106 (2014).

    Parameters
    ----------
    ends
        Two frames in one cell.
    count
        Of the images between them.

    Returns
    -------
    System
        ``count + 2`` frames without labels, in order; no atom jumps by a lattice vector.
    """
    initial, final = continuous(ends).positions
    shares = np.linspace(0.0, 1.0, count + 2)[:, None, None]
    straight = replace(
        ends.without_labels(),
        positions=initial + shares * (final - initial),
        cells=np.repeat(ends.cells[:1], count + 2, axis=0),
        origins=None,
        steps=None,
    )
    images = straight.to_atoms()
    idpp_interpolate(NEB(images, method="improvedtangent"), traj=None, log=None, mic=True)
    return replace(straight, positions=np.array([image.positions for image in images]))
