"""Kinds of hops: by a vacancy, an interstitial, a knock-off, or several ions at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["HopKind", "classify_hop", "order_in_chain"]

#: How ions of a crystal move; H. Mehrer, Diffusion in Solids (Springer, 2007), chapter 6.
#:
#: ``vacancy``: one ion goes into an empty regular site. ``interstitial``: one ion goes from or to
#: an interstitial site, or to a site where another one stays. ``knock-off`` (interstitialcy): a
#: chain of ions, each of which takes the place of the next. ``concerted``: several ions that do not
#: make one open chain: a ring, in which each takes the place of the next (Zener, Acta Cryst. 3, 346
#: (1950)), or ions side by side (He, Zhu and Mo, Nat. Commun. 8, 15893 (2017)).
HopKind = Literal["vacancy", "interstitial", "knock-off", "concerted"]


def classify_hop(
    origins: Sequence[int],
    destinations: Sequence[int],
    *,
    interstitial: Sequence[bool],
    occupied: bool,
) -> HopKind:
    """Return the kind of a hop of one ion or several.

    Two ions that hop one after the other into one vacancy make the same chain as a knock-off; only
    the time in which hops count as one event tells them apart.

    Parameters
    ----------
    origins, destinations
        Site numbers ``(n,)`` of the ions that move.
    interstitial
        Of each site of the crystal, ``(n_sites,)``: whether it is interstitial.
    occupied
        Whether an ion that does not move sits on a destination.
    """
    if len(origins) > 1:
        return "concerted" if order_in_chain(origins, destinations) is None else "knock-off"
    if occupied or interstitial[origins[0]] or interstitial[destinations[0]]:
        return "interstitial"
    return "vacancy"


def order_in_chain(origins: Sequence[int], destinations: Sequence[int]) -> list[int] | None:
    """Return ions in the order in which each takes the place of the next, None for no open chain.

    Parameters
    ----------
    origins, destinations
        Site numbers ``(n,)`` of the ions that move.
    """
    holder = {site: ion for ion, site in enumerate(origins)}
    heads = [ion for ion, site in enumerate(origins) if site not in set(destinations)]
    if len(heads) != 1 or len(holder) < len(origins):
        return None
    chain = heads
    while (following := holder.get(destinations[chain[-1]])) is not None:
        if following in chain:
            return None
        chain.append(following)
    return chain if len(chain) == len(origins) else None
