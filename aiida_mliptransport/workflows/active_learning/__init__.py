"""The parent loop of the package: active learning until the error targets are met."""

from .workchain import ActiveLearningWorkChain

__all__ = ["ActiveLearningWorkChain"]
