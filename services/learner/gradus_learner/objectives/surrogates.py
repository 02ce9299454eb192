"""What a policy loss is of a token, by the ratio of the new policy to the old one. Pure functions; N model tokens.

`clip`: PPO's, with a separate upper range (DAPO, arXiv 2503.14476) and a bound for A < 0 (dual clip, 1912.09729).
`gspo`: the same with the ratio of the whole sequence, a geometric mean over its tokens (2507.18071).
`cispo`: the log-probability, weighted by a constant ratio that is cut above; no token loses its gradient (2506.13585).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor

from gradus_learner.objectives.formulas import LOG_RATIO_BOUND
from gradus_learner.train.rollouts import RolloutTokens, TokenLoss

Surrogate = Literal["clip", "gspo", "cispo"]


def surrogate_loss(
    tokens: RolloutTokens, surrogate: Surrogate, clip_low: float, clip_high: float, dual_clip: float
) -> TokenLoss:
    """`dual_clip` of 0 is off; `cispo` has neither it nor a lower clip."""
    return _SURROGATES[surrogate](tokens, clip_low, clip_high, dual_clip)


def _clip(tokens: RolloutTokens, clip_low: float, clip_high: float, dual_clip: float) -> TokenLoss:
    return _clipped(_ratio(tokens.new_N - tokens.old_N), tokens.advantages_N, clip_low, clip_high, dual_clip)


def _gspo(tokens: RolloutTokens, clip_low: float, clip_high: float, dual_clip: float) -> TokenLoss:
    log_ratio_N = mean_of_rows(tokens.new_N - tokens.old_N, tokens.row_N)
    return _clipped(_ratio(log_ratio_N), tokens.advantages_N, clip_low, clip_high, dual_clip)


def _cispo(tokens: RolloutTokens, _clip_low: float, clip_high: float, _dual_clip: float) -> TokenLoss:
    ratio_N = _ratio(tokens.new_N - tokens.old_N).detach()
    cut_N = ratio_N > 1 + clip_high
    loss_N = -tokens.advantages_N * ratio_N.clamp(max=1 + clip_high) * tokens.new_N
    return TokenLoss(loss_N, ratio_N, cut_N, torch.zeros_like(cut_N))


def _clipped(ratio_N: Tensor, advantages_N: Tensor, clip_low: float, clip_high: float, dual_clip: float) -> TokenLoss:
    plain_N = -advantages_N * ratio_N
    clipped_N = -advantages_N * ratio_N.clamp(1 - clip_low, 1 + clip_high)
    loss_N = torch.maximum(plain_N, clipped_N)
    low_N = torch.zeros_like(loss_N, dtype=torch.bool)
    if dual_clip > 0:
        bound_N = -advantages_N * dual_clip
        low_N = (advantages_N < 0) & (loss_N > bound_N)
        loss_N = torch.where(advantages_N < 0, torch.minimum(bound_N, loss_N), loss_N)
    return TokenLoss(loss_N, ratio_N.detach(), (clipped_N > plain_N).detach(), low_N.detach())


def _ratio(log_ratio_N: Tensor) -> Tensor:
    return torch.exp(log_ratio_N.clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND))


def sum_of_rows(values_N: Tensor, row_N: Tensor) -> Tensor:
    """Each token's value replaced by the sum over its sequence; `row_N` says which that is, from 0."""
    rows = int(row_N.max()) + 1 if len(row_N) > 0 else 0
    return values_N.new_zeros(rows).index_add(0, row_N, values_N)[row_N]


def mean_of_rows(values_N: Tensor, row_N: Tensor) -> Tensor:
    return sum_of_rows(values_N, row_N) / sum_of_rows(torch.ones_like(values_N), row_N)


_SURROGATES: Mapping[Surrogate, Callable[[RolloutTokens, float, float, float], TokenLoss]] = {
    "clip": _clip,
    "gspo": _gspo,
    "cispo": _cispo,
}
