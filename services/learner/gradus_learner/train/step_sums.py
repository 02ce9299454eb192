"""What a step on rollouts counts over its model tokens, for its metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from torch import Tensor

from gradus_learner.objectives.formulas import k3


@dataclass
class Sums:
    """Sums over model tokens, for metrics."""

    tokens: float = 0.0
    loss: float = 0.0
    entropy: float = 0.0
    ratio: float = 0.0
    clipped: float = 0.0
    clipped_low: float = 0.0
    ppo_kl: float = 0.0
    reference_kl: float = 0.0
    value_loss: float = 0.0
    value_clipped: float = 0.0


@dataclass
class Mismatch:
    """Between the trainer's logprobs, before the first update, and those the engine reported."""

    tokens: int = 0
    total: float = 0.0
    largest: float = 0.0
    k3: float = 0.0

    def add(self, trainer_N: Tensor, rollout_N: Tensor) -> None:
        if len(trainer_N) == 0:
            return
        distance_N = (trainer_N - rollout_N).abs()
        self.tokens += len(distance_N)
        self.total += float(distance_N.sum())
        self.largest = max(self.largest, float(distance_N.max()))
        self.k3 += float(k3((rollout_N - trainer_N).double()).sum())


def all_sums(every: Sequence[Sums]) -> Sums:
    """Of every rank together."""
    return Sums(*(sum(values) for values in zip(*(astuple(each) for each in every), strict=True)))


def all_mismatches(every: Sequence[Mismatch]) -> Mismatch:
    """Of every rank together."""
    return Mismatch(
        sum(each.tokens for each in every),
        sum(each.total for each in every),
        max(each.largest for each in every),
        sum(each.k3 for each in every),
    )
