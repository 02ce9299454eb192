"""Formulas that losses and their metrics share, as pure functions.

Shapes: N model tokens, S sequences. KL estimators: Schulman, "Approximating KL divergence".
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Aggregation = Literal["token_mean", "token_sum", "seq_mean_token_sum", "seq_mean_token_mean", "seq_mean_token_sum_norm"]
KlEstimator = Literal["k2", "k3", "ratio_k3"]

# Beyond this a ratio says that the policies have nothing in common; keeps exp finite.
LOG_RATIO_BOUND = 20.0


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


def k3(log_ratio_N: Tensor) -> Tensor:
    """Per-token estimate of KL(p || q) from samples of p, never below 0; `log_ratio_N` is log p - log q."""
    log_ratio_N = log_ratio_N.clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)
    # exp(-x) - 1 + x without its cancellation: in float32 that is noise, also below 0, for |x| < 3e-4.
    return torch.expm1(-log_ratio_N) + log_ratio_N


def kl_loss(new_N: Tensor, old_N: Tensor, reference_N: Tensor, estimator: KlEstimator) -> Tensor:
    """Per-token loss whose gradient pulls the policy to the reference, from samples of the policy before the step.

    In expectation over those samples the gradient of `ratio_k3` is that of KL(policy || reference), and so is that of
    `k2` while new = old. That of `k3` (GRPO, arXiv 2402.03300) is biased. k1, the log ratio, has none: it is no choice.
    """
    log_ratio_N = new_N - reference_N
    match estimator:
        case "k2":
            return 0.5 * log_ratio_N.clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND).square()
        case "k3":
            return k3(log_ratio_N)
        case "ratio_k3":
            return torch.exp((new_N - old_N).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)) * k3(log_ratio_N)
