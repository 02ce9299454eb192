"""The loss options of a training step, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast, get_args

from gradus_learner.errors import InputError
from gradus_learner.objectives.losses import Aggregation, KlEstimator, MismatchCorrection


class AlgorithmError(InputError):
    """An option out of its bounds; the message names field, value and bound."""


class TrainingError(InputError):
    """A step that could not be applied; the weights are as before."""


# Least and greatest of each number: those of a recipe (services/recipe/stage-parts.ts).
BOUNDS: dict[str, tuple[float, float]] = {
    "clip_low": (0, 1),
    "clip_high": (0, 10),
    "dual_clip": (0, 1000),
    "horizon_tokens": (0, 1_048_576),
    "kl_coefficient": (0, 100),
    "mismatch_low": (0, 1),
    "mismatch_cap": (0, 1000),
    "epochs": (1, 100),
    "updates_per_epoch": (1, 1024),
    "learning_rate": (0, 1),
    "warmup_steps": (0, 1_000_000),
    "weight_decay": (0, 1),
    "max_grad_norm": (0, 1e6),
    "entropy_coefficient": (0, 100),
}


@dataclass(frozen=True)
class Algorithm:
    clip_low: float = 0.2
    clip_high: float = 0.28
    dual_clip: float = 10.0
    aggregation: Aggregation = "token_mean"
    horizon_tokens: int = 0
    kl_coefficient: float = 0.0
    kl_estimator: KlEstimator = "k3"
    mismatch_correction: MismatchCorrection = "none"
    mismatch_low: float = 0.5
    mismatch_cap: float = 2.0
    epochs: int = 1
    updates_per_epoch: int = 1
    learning_rate: float = 1e-6
    warmup_steps: int = 0
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    mask_truncated: bool = False
    entropy_coefficient: float = 0.0

    def __post_init__(self) -> None:
        problems: list[str] = []

        def check(name: str, holds: bool, bound: str) -> None:
            if not holds:
                problems.append(f"algorithm.{name} is {getattr(self, name)}; it must be {bound}")

        for name, (least, greatest) in BOUNDS.items():
            value = getattr(self, name)
            # False for what is not a number, too.
            check(name, least <= value <= greatest, f"from {least:g} to {greatest:g}")
        check("dual_clip", self.dual_clip == 0 or self.dual_clip > 1, "0 (off) or > 1")
        check("learning_rate", self.learning_rate != 0, "> 0")
        check("max_grad_norm", self.max_grad_norm != 0, "> 0")
        check("aggregation", self.aggregation in get_args(Aggregation), f"one of {', '.join(get_args(Aggregation))}")
        check("kl_estimator", self.kl_estimator in get_args(KlEstimator), "k1, k2 or k3")
        corrections = get_args(MismatchCorrection)
        check("mismatch_correction", self.mismatch_correction in corrections, f"one of {', '.join(corrections)}")
        if self.mismatch_correction != "none":
            check("mismatch_cap", self.mismatch_cap != 0, "> 0")
        if self.mismatch_correction == "icepop":
            check("mismatch_low", self.mismatch_low < self.mismatch_cap, "less than mismatch_cap")
        if self.aggregation == "seq_mean_token_sum_norm":
            check("horizon_tokens", self.horizon_tokens > 0, "> 0 with seq_mean_token_sum_norm")
        if problems:
            raise AlgorithmError("; ".join(problems))

    @property
    def updates(self) -> int:
        return self.epochs * self.updates_per_epoch


def algorithm_from_proto(message: Any) -> Algorithm:
    """Unset counts and names mean their defaults: 1 epoch, 1 update, token_mean, k3, none, gradient norm 1."""
    return Algorithm(
        clip_low=message.clip_low,
        clip_high=message.clip_high,
        dual_clip=message.dual_clip,
        aggregation=cast("Aggregation", message.aggregation or "token_mean"),
        horizon_tokens=message.horizon_tokens,
        kl_coefficient=message.kl_coefficient,
        kl_estimator=cast("KlEstimator", message.kl_estimator or "k3"),
        mismatch_correction=cast("MismatchCorrection", message.mismatch_correction or "none"),
        mismatch_low=message.mismatch_low,
        mismatch_cap=message.mismatch_cap,
        epochs=message.epochs or 1,
        updates_per_epoch=message.updates_per_epoch or 1,
        learning_rate=message.learning_rate,
        warmup_steps=message.warmup_steps,
        weight_decay=message.weight_decay,
        max_grad_norm=message.max_grad_norm or 1.0,
        mask_truncated=message.mask_truncated,
        entropy_coefficient=message.entropy_coefficient,
    )
