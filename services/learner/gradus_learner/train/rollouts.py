"""A training step on rollouts, whatever the loss of a token: samples in, updated weights and metrics out.

Shapes: T tokens of a micro-batch, D hidden, V vocabulary, N its model tokens, S samples of an update.

Denominators are counted over all samples of an update before any micro-batch runs, so the size of micro-batches
changes memory and speed, not the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from gradus_learner.models.decoder import Decoder
from gradus_learner.models.packed_row import PackedRow, pack, starts
from gradus_learner.models.passes import PLAIN, Passes
from gradus_learner.models.token_scores import Entropy, token_scores
from gradus_learner.objectives.formulas import Aggregation, token_weights
from gradus_learner.objectives.objective import NothingFiniteError, TrainingError
from gradus_learner.train.mfu import step_flops
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
    def loss(self, tokens: RolloutTokens) -> TokenLoss: ...


@dataclass(frozen=True)
class MicroBatch:
    row: PackedRow
    # Positions in the row whose next token was sampled by the policy, that token, its sample's place in the row.
    positions_N: Tensor
    targets_N: Tensor
    row_N: Tensor
    rollout_N: Tensor
    # Indices of the samples in their order in the row.
    samples: tuple[int, ...]


def make_micro_batch(samples: Sequence[Sample], indices: Sequence[int], device: torch.device) -> MicroBatch:
    chosen = [samples[index] for index in indices]
    row = pack([sample.ids for sample in chosen], device)
    counts = [len(sample.model_positions) for sample in chosen]
    row_N = np.repeat(np.arange(len(chosen)), counts)
    first_N = np.repeat(starts(row.lengths), counts)
    before_N = first_N + np.concatenate([sample.model_positions for sample in chosen]) - 1
    rollout_N = np.concatenate([sample.rollout_logprobs for sample in chosen])
    positions_N, rows_N, rollouts_N = (torch.from_numpy(array).to(device) for array in (before_N, row_N, rollout_N))
    return MicroBatch(row, positions_N, row.ids_T[positions_N + 1], rows_N, rollouts_N, tuple(indices))


def token_logprobs(
    policy: Decoder, batch: MicroBatch, temperature: float, passes: Passes = PLAIN, entropy_gradient: bool = False
) -> tuple[Tensor, Tensor]:
    """Logprobs at `temperature` of the sampled tokens, and the entropy where they were sampled, both (N,)."""
    hidden_ND = policy.hidden(batch.row, passes).index_select(0, batch.positions_N)
    entropy: Entropy = "gradient" if entropy_gradient else "value"
    scores = token_scores(hidden_ND, policy.output_weight_VD, batch.targets_N, temperature, entropy)
    return scores.logprobs_N, scores.entropy_N


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
    several = options.epochs * options.updates_per_epoch > 1
    passes = [mini_batches(used, options.updates_per_epoch, epoch) for epoch in range(options.epochs)]
    old: dict[int, Tensor] = {}
    for part in passes[0] if several else ():
        # In the micro-batches of its update: others round otherwise, and a ratio begins at 1 to the last bit.
        found = old_logprobs(trainer, [used[index] for index in part], temperature, mismatch)
        old.update(zip(part, found, strict=True))
    sums, norms, skipped = Sums(), list[float](), 0
    for parts in passes:
        for part in parts:
            chosen = [used[index] for index in part]
            chosen_old = [old[index] for index in part] if several else None
            norm = update(trainer, chosen, chosen_old, options, temperature, sums, mismatch)
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
        int(several) + options.epochs * int(options.needs_reference),
    )
    metrics = {
        "loss": sums.loss / max(1, len(norms) + skipped),
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
    }
    if skipped > 0 and not norms:
        raise NothingFiniteError(metrics)
    return metrics


@torch.no_grad()
def old_logprobs(trainer: Trainer, samples: Sequence[Sample], temperature: float, mismatch: Mismatch) -> list[Tensor]:
    """Logprobs under the weights before the first update, per sample."""

    def add(result: tuple[dict[int, Tensor], Mismatch], part: Sequence[int]) -> None:
        found, distance = result
        batch = make_micro_batch(samples, part, trainer.device)
        logprobs_N, _ = token_logprobs(trainer.policy, batch, temperature, trainer.passes)
        distance.add(logprobs_N, batch.rollout_N)
        counts = [len(samples[index].model_positions) for index in part]
        found.update(zip(part, logprobs_N.split(counts), strict=True))

    found, distance = in_micro_batches(trainer, samples, lambda: (dict[int, Tensor](), replace(mismatch)), add)
    vars(mismatch).update(vars(distance))
    if trainer.ranks.size > 1:
        # An update with smaller micro-batches may give a rank other samples.
        for other in trainer.ranks.gather({index: value.cpu() for index, value in found.items()}):
            found.update((index, value.to(trainer.device)) for index, value in other.items())
    return [found[index] for index in range(len(samples))]


def update(
    trainer: Trainer,
    samples: Sequence[Sample],
    old: Sequence[Tensor] | None,
    options: RolloutOptions,
    temperature: float,
    sums: Sums,
    mismatch: Mismatch,
) -> float:
    """One optimiser update; the gradient norm before clipping. An update that is not finite is left out."""
    lengths_S = torch.tensor([len(sample.model_positions) for sample in samples])
    weights_S = token_weights(lengths_S, options.aggregation, options.horizon_tokens)
    weights_S = weights_S.to(trainer.device)
    advantages_S = torch.tensor([sample.advantage for sample in samples], device=trainer.device)

    def begin() -> tuple[Sums, Mismatch]:
        trainer.optimizer.zero_grad(set_to_none=True)
        return replace(sums), replace(mismatch)

    def add(result: tuple[Sums, Mismatch], part: Sequence[int]) -> None:
        counted, distance = result
        batch = make_micro_batch(samples, part, trainer.device)
        sample_N = torch.tensor(batch.samples, device=trainer.device)[batch.row_N]
        advantages_N, weights_N = advantages_S[sample_N], weights_S[sample_N]
        new_N, entropy_N = token_logprobs(trainer.policy, batch, temperature, trainer.passes, options.entropy_gradient)
        if old is None:
            old_N = new_N.detach()
            distance.add(old_N, batch.rollout_N)
        else:
            old_N = torch.cat([old[index] for index in batch.samples])
        reference_N = None
        if options.needs_reference and trainer.reference is not None:
            with torch.no_grad():
                reference_N, _ = token_logprobs(trainer.reference, batch, temperature, trainer.passes)
        token_loss = options.loss(
            RolloutTokens(new_N, old_N, batch.rollout_N, reference_N, entropy_N, advantages_N, batch.row_N)
        )
        if token_loss.kl_N is not None:
            counted.reference_kl += float(token_loss.kl_N.detach().sum())
        loss = (token_loss.loss_N * weights_N).sum()
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
    return trainer.apply_gradients(options.max_grad_norm)
