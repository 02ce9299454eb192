"""Policy losses as pure functions over the model tokens of a batch, laid end to end.

Shapes: N model tokens, S sequences. Formulas: DAPO (arXiv 2503.14476, section 3), PPO's dual clip (arXiv 1912.09729),
KL estimators (Schulman, "Approximating KL divergence"), truncated importance sampling and IcePop for the mismatch
between rollout and trainer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Aggregation = Literal["token_mean", "token_sum", "seq_mean_token_sum", "seq_mean_token_mean", "seq_mean_token_sum_norm"]
KlEstimator = Literal["k1", "k2", "k3"]
MismatchCorrection = Literal["none", "tis", "icepop", "sequence_tis"]

# Beyond this a ratio says that the policies have nothing in common; keeps exp finite.
LOG_RATIO_BOUND = 20.0


@dataclass(frozen=True)
class PolicyLoss:
    """Per token, (N,): the loss, and what the metrics count."""

    loss_N: Tensor
    ratio_N: Tensor
    # Where the upper or lower clip took over, and where the dual clip did.
    clipped_N: Tensor
    clipped_low_N: Tensor


def policy_loss(
    new_logprobs_N: Tensor,
    old_logprobs_N: Tensor,
    advantages_N: Tensor,
    clip_low: float,
    clip_high: float,
    dual_clip: float,
) -> PolicyLoss:
    """Clipped surrogate with a separate upper range (clip-higher) and, if `dual_clip` > 1, a bound for A < 0."""
    ratio_N = torch.exp((new_logprobs_N - old_logprobs_N).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND))
    plain_N = -advantages_N * ratio_N
    clipped_N = -advantages_N * ratio_N.clamp(1 - clip_low, 1 + clip_high)
    loss_N = torch.maximum(plain_N, clipped_N)
    low_N = torch.zeros_like(loss_N, dtype=torch.bool)
    if dual_clip > 0:
        bound_N = -advantages_N * dual_clip
        low_N = (advantages_N < 0) & (loss_N > bound_N)
        loss_N = torch.where(advantages_N < 0, torch.minimum(bound_N, loss_N), loss_N)
    return PolicyLoss(loss_N, ratio_N.detach(), (clipped_N > plain_N).detach(), low_N.detach())


def token_weights(
    lengths_S: Tensor, aggregation: Aggregation, horizon_tokens: int = 0, dtype: torch.dtype = torch.float32
) -> Tensor:
    """The weight (S,) of each token of a sequence such that `sum(weight * loss)` is the aggregated loss.

    `lengths_S` are the model tokens of *all* sequences of one optimiser update, across micro-batches and ranks:
    weights made from them once make gradient accumulation exact. Sequences without model tokens do not count.
    """
    lengths_S = lengths_S.to(dtype)
    tokens = lengths_S.sum().clamp(min=1)
    sequences = (lengths_S > 0).sum().clamp(min=1).to(dtype)
    match aggregation:
        case "token_mean":
            return torch.ones_like(lengths_S) / tokens
        case "token_sum":
            return torch.ones_like(lengths_S)
        case "seq_mean_token_sum":
            return torch.ones_like(lengths_S) / sequences
        case "seq_mean_token_mean":
            return 1.0 / (sequences * lengths_S.clamp(min=1))
        case "seq_mean_token_sum_norm":
            return torch.ones_like(lengths_S) / (sequences * horizon_tokens)


def kl_estimate(logprobs_N: Tensor, reference_logprobs_N: Tensor, estimator: KlEstimator) -> Tensor:
    """Per-token estimate of KL(policy || reference) from samples of the policy."""
    log_ratio_N = (logprobs_N - reference_logprobs_N).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)
    match estimator:
        case "k1":
            return log_ratio_N
        case "k2":
            return 0.5 * log_ratio_N.square()
        case "k3":
            return torch.exp(-log_ratio_N) - 1 + log_ratio_N


def mismatch_weights(
    trainer_logprobs_N: Tensor,
    rollout_logprobs_N: Tensor,
    sequence_N: Tensor,
    correction: MismatchCorrection,
    low: float,
    cap: float,
) -> Tensor:
    """Constant factors (N,) on the loss that correct for sampling by an engine that is not quite the trainer.

    `tis`: ratio cut at `cap`; `icepop`: ratio, or 0 outside [low, cap]; `sequence_tis`: the whole sequence's ratio
    cut at `cap`. `sequence_N` says which sequence a token is of, from 0.
    """
    log_ratio_N = (trainer_logprobs_N - rollout_logprobs_N).detach()
    if correction == "sequence_tis":
        sequences = int(sequence_N.max()) + 1 if len(sequence_N) > 0 else 0
        sums_S = torch.zeros(sequences, dtype=log_ratio_N.dtype, device=log_ratio_N.device)
        log_ratio_N = sums_S.index_add(0, sequence_N, log_ratio_N)[sequence_N]
    ratio_N = torch.exp(log_ratio_N.clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND))
    match correction:
        case "none":
            return torch.ones_like(ratio_N)
        case "icepop":
            return torch.where((ratio_N >= low) & (ratio_N <= cap), ratio_N, 0.0)
        case "tis" | "sequence_tis":
            return ratio_N.clamp(max=cap)
