"""The input file of a DeePMD training, from typed parameters and what the data holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

#: Where a training writes; relative, so that nothing of the machine enters the frozen model.
CHECKPOINT_FOLDER = "ckpt"
CHECKPOINT = f"{CHECKPOINT_FOLDER}/model.ckpt"
LEARNING_CURVE = "lcurve.out"

#: Keys of ``training`` that belong to ports or to file names fixed here.
_OWNED = (
    "training_data", "validation_data", "systems", "seed", "save_ckpt", "disp_file", "set_prefix",
    "stat_file", "tensorboard", "tensorboard_log_dir", "profiling", "profiling_file",
)  # fmt: skip

#: The largest seed that numpy and TensorFlow both take.
MAX_SEED = 2**31 - 1


class TrainingSection(BaseModel):
    """Section ``training`` of the DeePMD input; further DeePMD keys are passed on."""

    model_config = ConfigDict(extra="allow")

    numb_steps: int = Field(gt=0)
    disp_freq: int = Field(default=100, gt=0)
    save_freq: int = Field(default=1000, gt=0)
    batch_size: int | str | list[int] = "auto"
    validation_batch_size: int | str = 1
    validation_batches: int = Field(default=1, gt=0)

    @model_validator(mode="after")
    def _check(self) -> TrainingSection:
        owned = sorted(set(self.model_extra or {}) & set(_OWNED))
        if owned:
            raise ValueError(
                f"sets {owned}, expected none of these: data, seed and file names come from "
                "the inputs 'frames', 'validation' and 'seed'"
            )
        if self.save_freq % self.disp_freq:
            raise ValueError(
                f"save_freq is {self.save_freq}, expected a multiple of disp_freq="
                f"{self.disp_freq}: DeePMD-kit saves only at steps that it also displays"
            )
        return self


class DeepmdTrainParameters(BaseModel):
    """Parameters of one DeePMD training, without data, type map and seeds.

    Attributes
    ----------
    backend
        ``tensorflow``, or ``pytorch`` (``dp --pt``).
    model, learning_rate, loss
        Sections of the DeePMD-kit v3 input; DeePMD-kit checks their keys itself.
    training
        Section ``training``; ``batch_size`` is that of the training data.
    compress
        Whether the frozen model is compressed for MD as well.
    compression_step
        Step of the compressed model's tables (``dp compress --step``); half of it doubles the size.
    divergence_ratio
        A training has diverged when the median force RMSE of the last tenth of its learning curve
        is above this many times the RMS of the forces it was trained on: a model that predicts no
        forces at all has a ratio of 1.
    """

    model_config = ConfigDict(extra="forbid")

    backend: Literal["tensorflow", "pytorch"] = "tensorflow"
    model: dict[str, Any]
    learning_rate: dict[str, Any]
    loss: dict[str, Any] = Field(default_factory=dict)
    training: TrainingSection
    compress: bool = True
    compression_step: float = Field(default=0.01, ge=0.001, le=0.1)
    divergence_ratio: float = Field(default=2.0, gt=1.0)

    @field_validator("model")
    @classmethod
    def _check_model(cls, value: dict[str, Any]) -> dict[str, Any]:
        missing = [key for key in ("descriptor", "fitting_net") if key not in value]
        if missing:
            raise ValueError(f"lacks {missing}, expected the sections descriptor and fitting_net")
        if "type_map" in value:
            raise ValueError("sets type_map, expected it as the input 'type_map'")
        seeded = [
            name
            for name, section in (("descriptor", value["descriptor"]), *value.items())
            if isinstance(section, dict) and "seed" in section
        ]
        if seeded:
            raise ValueError(
                f"sets a seed in {sorted(set(seeded))}, expected it as the input 'seed': a seed "
                "that is no input of its own makes clones of the committee's members"
            )
        return value

    @field_validator("loss")
    @classmethod
    def _check_loss(cls, value: dict[str, Any]) -> dict[str, Any]:
        if value.get("start_pref_f", 1000.0) <= 0 and value.get("limit_pref_f", 1.0) <= 0:
            raise ValueError(
                "has force prefactors of 0, expected start_pref_f or limit_pref_f above 0: the "
                "force error tells whether the training went well"
            )
        return value


def training_input(
    parameters: DeepmdTrainParameters,
    type_map: Sequence[str],
    systems: Sequence[str],
    seed: int,
    *,
    validation_systems: Sequence[str] = (),
    has_stress: bool,
    has_force_weights: bool = False,
) -> dict[str, Any]:
    """Return the DeePMD-kit v3 input.

    Parameters
    ----------
    systems, validation_systems
        Folders of DeePMD npy systems, relative to the run directory. Frames with and without
        stress are separate systems: DeePMD-kit leaves the virial of the latter out of the loss.
    seed
        Goes to descriptor, fitting net and data shuffling.
    has_stress
        Whether any system has stresses; if none has, the virial prefactors are set to 0.
    has_force_weights
        Whether all systems have ``atom_pref.npy``. The force prefactors then act through it.
    """
    model = deepcopy(parameters.model)
    model["type_map"] = list(type_map)
    for descriptor in _parts(model["descriptor"]):
        descriptor["seed"] = seed
    model["fitting_net"]["seed"] = seed

    loss = {"type": "ener", **deepcopy(parameters.loss)}
    if not has_stress:
        loss.update(start_pref_v=0.0, limit_pref_v=0.0)
    if has_force_weights:
        loss.update(
            start_pref_pf=loss.get("start_pref_f", 1000.0),
            limit_pref_pf=loss.get("limit_pref_f", 1.0),
            start_pref_f=0.0,
            limit_pref_f=0.0,
        )

    section = parameters.training
    training: dict[str, Any] = {
        **(section.model_extra or {}),
        "numb_steps": section.numb_steps,
        "disp_freq": section.disp_freq,
        "save_freq": section.save_freq,
        "seed": seed,
        "disp_file": LEARNING_CURVE,
        "save_ckpt": CHECKPOINT,
        "training_data": {"systems": list(systems), "batch_size": section.batch_size},
    }
    training.setdefault("max_ckpt_keep", 2)
    if validation_systems:
        training["validation_data"] = {
            "systems": list(validation_systems),
            "batch_size": section.validation_batch_size,
            "numb_btch": section.validation_batches,
        }
    return {
        "model": model,
        "learning_rate": deepcopy(parameters.learning_rate),
        "loss": loss,
        "training": training,
    }


def trains_on_stress(parameters: DeepmdTrainParameters, has_stress: bool) -> bool:
    """Return whether stresses enter the loss, so that the model may be used where cells move."""
    prefactors = (parameters.loss.get(key, 0.0) for key in ("start_pref_v", "limit_pref_v"))
    return has_stress and any(value > 0 for value in prefactors)


def model_cutoff(parameters: DeepmdTrainParameters) -> float:
    """Return the cutoff in Å: the largest of the descriptor's."""
    return max(_cutoff(part) for part in _parts(parameters.model["descriptor"]))


def commands(
    parameters: DeepmdTrainParameters, *, restart: bool, parent: str | None
) -> list[tuple[str, list[str]]]:
    """Return (name, arguments of ``dp``) of each step of the job, in order.

    Parameters
    ----------
    restart
        Whether to go on from the checkpoint in the run directory.
    parent
        Frozen model to start from, if any.
    """
    backend, suffix = {"tensorflow": ([], ".pb"), "pytorch": (["--pt"], ".pth")}[parameters.backend]
    saved = CHECKPOINT if parameters.backend == "tensorflow" else f"{CHECKPOINT}.pt"
    train = [*backend, "train", "input.json"]
    if restart:
        train += ["--restart", saved]
    elif parent is not None:
        train += ["--init-frz-model", parent]
    frozen, compressed = f"model{suffix}", f"compressed{suffix}"
    folder = CHECKPOINT_FOLDER if parameters.backend == "tensorflow" else saved
    steps = [("train", train), ("freeze", [*backend, "freeze", "-c", folder, "-o", frozen])]
    if parameters.compress:
        step = ["--step", repr(parameters.compression_step)]
        steps.append(("compress", [*backend, "compress", "-i", frozen, "-o", compressed, *step]))
    return steps


def _parts(descriptor: Any) -> list[dict[str, Any]]:
    """Return the descriptors of a hybrid one, or the one itself."""
    parts: list[dict[str, Any]] = descriptor.get("list", [descriptor])
    return parts


def _cutoff(descriptor: Mapping[str, Any]) -> float:
    # DPA-2 keeps its cutoff one level down.
    nested = [_cutoff(value) for value in descriptor.values() if isinstance(value, Mapping)]
    return max([float(descriptor.get("rcut", 0.0)), *nested])
