"""Formulas that losses and their metrics share, as pure functions.

Shapes: N model tokens, S sequences. KL estimators: Schulman, "Approximating KL divergence".
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Aggregation = Literal["token_mean", "token_sum", "seq_mean_token_sum", "seq_mean_token_mean", "seq_mean_token_sum_norm"]
KlEstimator = Literal["k1", "k2", "k3"]

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
