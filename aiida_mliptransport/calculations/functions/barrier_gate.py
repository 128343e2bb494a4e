"""The calcfunction that holds a campaign open until the labeller agrees on the barriers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import calcfunction

from ...data.frames import FrameSetData
from ...science.frames import Frames
from .checks import at_least, at_most, decision
from .frames import identities_of


@calcfunction
def judge_barriers(
    target: orm.Dict,
    trust_levels: orm.Dict,
    not_converged: orm.List,
    barriers: orm.Dict | None = None,
    labels: FrameSetData | None = None,
    **frames: FrameSetData,
) -> dict[str, orm.Data]:
    """Compare the barriers of a potential with the labeller's, and choose images to learn from.

    An image is one to learn from if the potential's force on some atom is off by more than the
    lower trust level, or the committee deviates by more, or the barrier of its path is off by more
    than the target. One that is a training or blind frame already, as ends that are not relaxed are
    in the second comparison, does not join the training again.

    Parameters
    ----------
    target
        ``target_eV``, the largest error of a barrier.
    trust_levels
        ``low``, eV/Å.
    not_converged
        Names of the bands that are not.
    barriers
        Of ``compare_paths``; None where there is no path.
    labels
        The images as far as they have a label.
    frames
        ``path__<name>``: the images of each path in their order; ``known__<name>``: training and
        blind frames.

    Returns
    -------
    dict
        ``verdict`` (Dict): by path the errors and the images to learn from; ``checks``,
        ``decision`` and ``passed``. ``frames``, if there are images to learn from.
    """
    limit, low = float(target["target_eV"]), float(trust_levels["low"])
    known = identities_of(frames, "known__")
    images = identities_of(frames, "path__")
    compared = barriers.get_dict() if barriers is not None else {}
    records: dict[str, Any] = {}
    chosen: list[str] = []
    for name, record in sorted(compared.items()):
        identities = frames[f"path__{name}"].frames.identities()
        records[name] = own = _path(record, limit, low)
        chosen += [identities[image] for image in own["learn_from_images"]]
    errors = [
        abs(record["error_eV"]) for record in records.values() if record["error_eV"] is not None
    ]
    checks = {
        "barriers_compared": at_least(len(errors), max(len(records), 1)),
        "bands_not_converged": at_most(len(not_converged.get_list()), 0),
        "largest_barrier_error_eV": at_most(max(errors) if errors else None, limit),
    }
    verdict = {
        "paths": records,
        "n_images": len(images),
        "n_known_images": len(images & known),
        "not_converged": not_converged.get_list(),
        "checks": checks,
        "decision": decision(checks),
        "passed": all(check["passed"] for check in checks.values()),
    }
    outputs: dict[str, orm.Data] = {"verdict": orm.Dict(verdict)}
    wanted = set(chosen) - known
    if labels is not None and wanted:
        indices = [
            index for index, found in enumerate(labels.frames.identities()) if found in wanted
        ]
        outputs["frames"] = FrameSetData(
            Frames.join([labels.frames.take(indices)]),
            level_of_theory=labels.level_of_theory,
            engine_version=labels.engine_version,
        )
    return outputs


def labels_spent(verdict: Mapping[str, Any]) -> int:
    """Return how many labels a comparison cost: images that were known had theirs already."""
    return int(verdict["n_images"] - verdict.get("n_known_images", 0))


def _path(record: dict[str, Any], limit: float, low: float) -> dict[str, Any]:
    """Return the errors of one path, and which images have something to teach."""
    errors = [
        record[key]
        for key in ("barrier_error_to_labels_eV", "barrier_error_to_reference_eV")
        if record.get(key) is not None
    ]
    error = max(errors, key=abs) if errors else None
    force = record.get("force_errors_eV_A", {})
    labelled = force.get("images", [])
    committee = record.get("committee", {})
    deviations = committee.get("max_force_deviation_by_image_eV_A") or []
    off = error is not None and abs(error) > limit
    by_force = dict(zip(labelled, force.get("max_vector_by_image", []), strict=True))
    learn = [
        image
        for image in labelled
        if off or by_force[image] > low or (deviations and deviations[image] > low)
    ]
    labels = record.get("labels") or {}
    return {
        "barrier_eV": record["potential"]["barrier_eV"],
        "label_barrier_eV": labels.get("barrier_eV"),
        "error_eV": error,
        "max_force_error_eV_A": force.get("max_vector"),
        "max_force_deviation_eV_A": committee.get("max_force_deviation_eV_A"),
        "learn_from_images": learn,
    }
