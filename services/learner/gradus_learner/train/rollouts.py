"""A training step on rollouts, whatever the loss of a token: samples in, updated weights and metrics out.

Shapes: N model tokens of a micro-batch, S samples of an update.

Denominators are counted over all samples of an update before any micro-batch runs, so the size of micro-batches
changes memory and speed, not the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from gradus_learner.objectives.formulas import Aggregation, token_weights
from gradus_learner.objectives.generalized_advantages import value_loss
from gradus_learner.objectives.objective import NothingFiniteError, TrainingError
from gradus_learner.train.before_update import Known, known_before, own_advantages
from gradus_learner.train.critic import CriticOptions
from gradus_learner.train.mfu import step_flops
from gradus_learner.train.micro_batch import make_micro_batch, state_logprobs, states, token_logprobs
from gradus_learner.train.mini_batches import mini_batches
from gradus_learner.train.out_of_memory import in_micro_batches
from gradus_learner.train.sample import Sample
from gradus_learner.train.step_sums import Mismatch, Sums, all_mismatches, all_sums
from gradus_learner.train.trainer import Trainer, set_adamw


@dataclass(frozen=True)
class RolloutTokens:
    """Model tokens of a micro-batch: log-probabilities at the step's temperature, all (N,)."""

    # With the gradient; before the step's first update; as the engine reported them; of the reference policy.
    new_N: Tensor
    old_N: Tensor
    rollout_N: Tensor
    reference_N: Tensor | None
    # Of the distribution that each token was drawn from; with a gradient where the options ask for it.
    entropy_N: Tensor
    advantages_N: Tensor
    # Which sequence a token is of, from 0.
    row_N: Tensor


@dataclass(frozen=True)
class TokenLoss:
    """Per token, (N,): the loss, and what the metrics count."""

    loss_N: Tensor
    ratio_N: Tensor
    # Where the upper or lower clip took over, and where the dual clip did.
    clipped_N: Tensor
    clipped_low_N: Tensor
    kl_N: Tensor | None = None


class RolloutOptions(Protocol):
    """What the options of any loss on rollouts have; `loss` is the pure function that they are of."""

    @property
    def aggregation(self) -> Aggregation: ...
    @property
    def horizon_tokens(self) -> int: ...
    @property
    def epochs(self) -> int: ...
    @property
    def updates_per_epoch(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def max_grad_norm(self) -> float: ...
    @property
    def mask_truncated(self) -> bool: ...
    @property
    def needs_reference(self) -> bool: ...
    @property
    def entropy_gradient(self) -> bool: ...
    @property
    def critic(self) -> CriticOptions | None:
        """None where the advantages are those of the samples."""
        ...

    def loss(self, tokens: RolloutTokens) -> TokenLoss: ...


def train_on_rollouts(
    trainer: Trainer, samples: Sequence[Sample], options: RolloutOptions, temperature: float
) -> dict[str, float]:
    """Apply all updates of one step. Raises TrainingError with nothing applied."""
    mismatched = sum(not sample.digest_matches for sample in samples)
    if mismatched == len(samples):
        raise TrainingError(f"all {len(samples)} samples have tokens that the engine did not see (digest differs)")
    if options.needs_reference and trainer.reference is None:
        raise TrainingError("kl_coefficient is above 0 without a reference; send set_reference with this step")
    used = [
        sample
        for sample in samples
        if sample.digest_matches
        and len(sample.model_positions) > 0
        and not (options.mask_truncated and sample.truncated)
    ]
    set_adamw(trainer.optimizer, options.learning_rate, options.weight_decay)
    mismatch = Mismatch()
    passes = [mini_batches(used, options.updates_per_epoch, epoch) for epoch in range(options.epochs)]
    looks_first = options.critic is not None or options.epochs * options.updates_per_epoch > 1
    if looks_first:
        known, metrics_before = known_before(trainer, used, passes[0], options.critic, temperature, mismatch)
    else:
        known, metrics_before = [Known(own_advantages(trainer, sample)) for sample in used], {}
    sums, norms, skipped = Sums(), list[float](), 0
    for parts in passes:
        for part in parts:
            chosen, chosen_known = [used[index] for index in part], [known[index] for index in part]
            norm = update(trainer, chosen, chosen_known, options, temperature, sums, mismatch)
            if math.isfinite(norm):
                norms.append(norm)
            else:
                skipped += 1
    sums = all_sums(trainer.ranks.gather(sums))
    mismatch = all_mismatches(trainer.ranks.gather(mismatch))
    tokens = max(1.0, sums.tokens)
    flops = step_flops(
        trainer.policy,
        ((sample.length, len(sample.model_positions)) for sample in used),
        options.epochs,
        int(looks_first) + options.epochs * int(options.needs_reference),
    )
    made = max(1, len(norms) + skipped)
    metrics = {
        "loss": sums.loss / made,
        "grad_norm": sum(norms) / max(1, len(norms)),
        "entropy": sums.entropy / tokens,
        "ratio_mean": sums.ratio / tokens,
        "clip_fraction": sums.clipped / tokens,
        "clip_fraction_low": sums.clipped_low / tokens,
        "ppo_kl": sums.ppo_kl / tokens,
        "reference_kl": sums.reference_kl / tokens,
        "mismatch_mean": mismatch.total / max(1, mismatch.tokens),
        "mismatch_max": mismatch.largest,
        "mismatch_k3": mismatch.k3 / max(1, mismatch.tokens),
        "learning_rate": options.learning_rate,
        "tokens": float(sum(sample.length for sample in samples)),
        "model_tokens": float(sum(len(sample.model_positions) for sample in used)),
        "samples_trained": float(len(used)),
        "token_mismatches": float(mismatched),
        "updates": float(len(norms)),
        "updates_skipped": float(skipped),
        **({} if flops is None else {"flops": flops}),
        **metrics_before,
    }
    if options.critic is not None:
        metrics["value_loss"] = sums.value_loss / made
        metrics["value_clip_fraction"] = sums.value_clipped / tokens
        metrics["value_learning_rate"] = options.critic.value_learning_rate
    if skipped > 0 and not norms:
        raise NothingFiniteError(metrics)
    return metrics


def update(
    trainer: Trainer,
    samples: Sequence[Sample],
    known: Sequence[Known],
    options: RolloutOptions,
    temperature: float,
    sums: Sums,
    mismatch: Mismatch,
) -> float:
    """One optimiser update; the gradient norm before clipping. An update that is not finite is left out."""
    lengths_S = torch.tensor([len(sample.model_positions) for sample in samples])
    weights_S = token_weights(lengths_S, options.aggregation, options.horizon_tokens)
    weights_S = weights_S.to(trainer.device)
    critic = None if options.critic is None else trainer.own_critic()

    def begin() -> tuple[Sums, Mismatch]:
        trainer.zero_gradients()
        return replace(sums), replace(mismatch)

    def add(result: tuple[Sums, Mismatch], part: Sequence[int]) -> None:
        counted, distance = result
        batch = make_micro_batch(samples, part, trainer.device)
        weights_N = weights_S[torch.tensor(batch.samples, device=trainer.device)[batch.row_N]]
        own = [known[index] for index in batch.samples]
        hidden_ND = states(trainer.policy, batch, trainer.passes)
        new_N, entropy_N = state_logprobs(trainer.policy, hidden_ND, batch, temperature, options.entropy_gradient)
        old_N = joined(each.old_N for each in own)
        if old_N is None:
            old_N = new_N.detach()
            distance.add(old_N, batch.rollout_N)
        reference_N = None
        if options.needs_reference and trainer.reference is not None:
            with torch.no_grad():
                reference_N, _ = token_logprobs(trainer.reference, batch, temperature, trainer.passes)
        token_loss = options.loss(
            RolloutTokens(
                new_N,
                old_N,
                batch.rollout_N,
                reference_N,
                entropy_N,
                torch.cat([each.advantages_N for each in own]),
                batch.row_N,
            )
        )
        if token_loss.kl_N is not None:
            counted.reference_kl += float(token_loss.kl_N.detach().sum())
        loss = (token_loss.loss_N * weights_N).sum()
        values_N, returns_N = joined(each.values_N for each in own), joined(each.returns_N for each in own)
        if critic is not None and options.critic is not None and values_N is not None and returns_N is not None:
            found_N = critic.values(hidden_ND, options.critic.value_trains_policy)
            lost = value_loss(found_N, values_N, returns_N, options.critic.value_clip)
            value = (lost.loss_N * weights_N).sum()
            loss = loss + options.critic.value_coefficient * value
            counted.value_loss += float(value.detach())
            counted.value_clipped += float(lost.clipped_N.sum())
        loss.backward()
        counted.tokens += len(new_N)
        counted.loss += float((token_loss.loss_N.detach().double() * weights_N).sum())
        counted.entropy += float(entropy_N.detach().sum())
        counted.ratio += float(token_loss.ratio_N.sum())
        counted.clipped += float(token_loss.clipped_N.sum())
        counted.clipped_low += float(token_loss.clipped_low_N.sum())
        counted.ppo_kl += float((old_N - new_N.detach()).sum())

    counted, distance = in_micro_batches(trainer, samples, begin, add)
    vars(sums).update(vars(counted))
    vars(mismatch).update(vars(distance))
    return trainer.apply_gradients(options.max_grad_norm, critic)


def joined(parts: Iterable[Tensor | None]) -> Tensor | None:
    """Of the samples of a micro-batch; all of them have one, or none has."""
    there = [part for part in parts if part is not None]
    return torch.cat(there) if there else None
