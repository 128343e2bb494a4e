"""Stays of ions on sites that last: passages, returns and unfinished hops are left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..transport.sites import SiteAssignment

__all__ = ["keep_lasting_stays"]


def keep_lasting_stays(assignment: SiteAssignment, min_frames: int) -> SiteAssignment:
    """Keep the stays of at least so many frames; over shorter ones the stay before goes on.

    An ion that comes back within this time has not hopped, one that goes on has made one longer
    hop, and one that has just arrived when the run ends is still where it came from. Before its
    first lasting stay an ion is nowhere (-1).

    Parameters
    ----------
    assignment
        Site of each ion in each frame.
    min_frames
        1 keeps all.

    Returns
    -------
    SiteAssignment
        ``core_fraction`` is that of the input.
    """
    site, image = assignment.site, assignment.image
    n_frames, n_ions = site.shape
    begins = np.ones((n_frames, n_ions), dtype=bool)
    begins[1:] = (site[1:] != site[:-1]) | (image[1:] != image[:-1]).any(axis=2)
    ion, first = np.nonzero(begins.T)
    end = np.where(np.append(ion[1:] != ion[:-1], True), n_frames, np.append(first[1:], 0))
    lasting = (end - first >= min_frames) & (site[first, ion] >= 0)
    source = np.full((n_frames, n_ions), -1)
    source[first[lasting], ion[lasting]] = first[lasting]
    source = np.maximum.accumulate(source, axis=0)
    known = source >= 0
    source = np.where(known, source, 0)
    kept_image = np.take_along_axis(image, source[..., None], axis=0)
    return replace(
        assignment,
        site=np.where(known, np.take_along_axis(site, source, axis=0), -1).astype(np.int32),
        image=np.where(known[..., None], kept_image, 0).astype(np.int32),
    )
