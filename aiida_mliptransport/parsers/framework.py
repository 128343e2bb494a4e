"""Warn of potentials that another version of their framework made than the one that runs them."""

from __future__ import annotations

from collections.abc import Mapping

from ..data.potential import PotentialData


def version_warnings(
    potentials: Mapping[str, PotentialData], program: str, version: str
) -> list[str]:
    """Return one sentence for each potential of another version, in the order of the names.

    ``version`` is that of the framework in ``program``; nothing is said where either is unknown.
    """
    return [
        f"potential {name} was made by {node.spec().backend} {node.framework_version}, "
        f"{program} runs it with {version}"
        for name, node in sorted(potentials.items())
        if version and node.framework_version and node.framework_version.lstrip("v") != version
    ]
