"""What a step on rollouts knows of its samples before its first update, under the weights as they are then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradus_learner.train.critic import Critic, CriticOptions, estimate
from gradus_learner.train.micro_batch import make_micro_batch, state_logprobs, states
from gradus_learner.train.out_of_memory import in_micro_batches
from gradus_learner.train.sample import Sample
from gradus_learner.train.step_sums import Mismatch
from gradus_learner.train.trainer import Trainer


@dataclass(frozen=True)
class Known:
    """Of a sample, before the step's first update: all (N,) of its tokens."""

    advantages_N: Tensor
    # Log-probabilities; None where the step's only update finds them itself.
    old_N: Tensor | None = None
    # Of a critic: its values, and what they should have been.
    values_N: Tensor | None = None
    returns_N: Tensor | None = None


def own_advantages(trainer: Trainer, sample: Sample) -> Tensor:
    """The sample's, of each of its tokens."""
    return torch.full((len(sample.model_positions),), sample.advantage, device=trainer.device)


def known_before(
    trainer: Trainer,
    samples: Sequence[Sample],
    parts: Sequence[Sequence[int]],
    options: CriticOptions | None,
    temperature: float,
    mismatch: Mismatch,
) -> tuple[list[Known], dict[str, float]]:
    """Of every sample under the weights before the first update; with `options` of a critic also its metrics.

    `parts` are the samples of each update of the first pass.
    """
    critic = None
    if options is not None:
        critic = trainer.own_critic()
        critic.set_rate(options.value_learning_rate)
    seen: dict[int, Sequence[Tensor]] = {}
    for part in parts:
        # In the micro-batches of its update: others round otherwise, and a ratio begins at 1 to the last bit.
        found = seen_before(trainer, [samples[index] for index in part], critic, temperature, mismatch)
        seen.update(zip(part, found, strict=True))
    old = [seen[index][0] for index in range(len(samples))]
    if options is None:
        own = [own_advantages(trainer, sample) for sample in samples]
        return [Known(advantages_N, old_N) for advantages_N, old_N in zip(own, old, strict=True)], {}
    values = [seen[index][1] for index in range(len(samples))]
    rewards = [sample.advantage for sample in samples]
    estimates = estimate(values, rewards, options, trainer.device)
    rows = zip(estimates.advantages, old, values, estimates.returns, strict=True)
    return [Known(*row) for row in rows], estimates.metrics


@torch.no_grad()
def seen_before(
    trainer: Trainer, samples: Sequence[Sample], critic: Critic | None, temperature: float, mismatch: Mismatch
) -> list[Sequence[Tensor]]:
    """Per sample its tokens' logprobs and, with a critic, values, under the weights as they are."""

    def add(result: tuple[dict[int, Sequence[Tensor]], Mismatch], part: Sequence[int]) -> None:
        found, distance = result
        batch = make_micro_batch(samples, part, trainer.device)
        hidden_ND = states(trainer.policy, batch, trainer.passes)
        logprobs_N, _ = state_logprobs(trainer.policy, hidden_ND, batch, temperature, False)
        distance.add(logprobs_N, batch.rollout_N)
        counts = [len(samples[index].model_positions) for index in part]
        columns = [logprobs_N] if critic is None else [logprobs_N, critic.values(hidden_ND)]
        found.update(zip(part, zip(*(column.split(counts) for column in columns), strict=True), strict=True))

    def begin() -> tuple[dict[int, Sequence[Tensor]], Mismatch]:
        return {}, replace(mismatch)

    found, distance = in_micro_batches(trainer, samples, begin, add)
    vars(mismatch).update(vars(distance))
    if trainer.ranks.size > 1:
        # An update with smaller micro-batches may give a rank other samples, and advantages are whitened over all.
        for other in trainer.ranks.gather({index: [value.cpu() for value in row] for index, row in found.items()}):
            found.update((index, [value.to(trainer.device) for value in row]) for index, row in other.items())
    return [found[index] for index in range(len(samples))]
