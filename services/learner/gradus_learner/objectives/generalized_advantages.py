"""Advantages of single tokens from a critic's values, and the loss of those values. Pure functions.

GAE: arXiv 1506.02438, equations 11 to 16. The clipped value loss is that of PPO (arXiv 1707.06347) as its authors'
code has it. N tokens of the policy, those of S sequences laid end to end; V(t) is the value of what stands before
token t. Text of the environment between two of them is no action: it makes no step of the recursion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Doubles = NDArray[np.float64]
# Added to the variance, so that equal advantages become 0 and not noise.
EPSILON = 1e-8


def generalized_advantages(
    values_N: Doubles, lengths_S: NDArray[np.int64], rewards_S: Doubles, gamma: float, gae_lambda: float
) -> Doubles:
    """A(t) = d(t) + gamma lambda A(t + 1), where d(t) = r(t) + gamma V(t + 1) - V(t); (N,).

    Each sequence has its reward at its last token, and ends there: nothing is worth anything behind it. All
    `lengths_S` are at least 1.
    """
    order = np.argsort(-lengths_S, kind="stable")
    lengths_S, last_S = lengths_S[order], (np.cumsum(lengths_S) - 1)[order]
    advantages_N = np.empty_like(values_N)
    next_value_S, next_advantage_S = np.zeros_like(rewards_S), np.zeros_like(rewards_S)
    # From the last token of all sequences backwards; those that are over are the end of the order.
    for back in range(int(lengths_S.max(initial=0))):
        running = int(np.searchsorted(-lengths_S, -back, side="left"))
        at_S = last_S[:running] - back
        reward_S = rewards_S[order] if back == 0 else 0.0
        value_S = values_N[at_S]
        difference_S = reward_S + gamma * next_value_S[:running] - value_S
        advantages_N[at_S] = next_advantage_S = difference_S + gamma * gae_lambda * next_advantage_S[:running]
        next_value_S = value_S
    return advantages_N


def whitened(values_N: Doubles) -> Doubles:
    """With mean 0 and an unbiased variance of 1; a single one is 0."""
    if len(values_N) < 2:
        return np.zeros_like(values_N)
    return (values_N - values_N.mean()) / np.sqrt(values_N.var(ddof=1) + EPSILON)


def explained_variance(values_N: Doubles, returns_N: Doubles) -> float | None:
    """1 - var(returns - values) / var(returns): 1 of a critic that knows them, 0 of a constant.

    None where no two returns differ: there is nothing to explain.
    """
    variance = float(returns_N.var()) if len(returns_N) > 0 else 0.0
    return None if variance == 0 else 1 - float((returns_N - values_N).var()) / variance


@dataclass(frozen=True)
class ValueLoss:
    """Both (N,)."""

    loss_N: Tensor
    # Where the clip took over: such a token has no gradient.
    clipped_N: Tensor


def value_loss(new_N: Tensor, old_N: Tensor, returns_N: Tensor, clip: float) -> ValueLoss:
    """Half of the squared error, at least that of a value within `clip` of the old one; 0 is no clip."""
    plain_N = (new_N - returns_N).square()
    if clip == 0:
        return ValueLoss(0.5 * plain_N, torch.zeros_like(plain_N, dtype=torch.bool))
    within_N = (old_N + (new_N - old_N).clamp(-clip, clip) - returns_N).square()
    return ValueLoss(0.5 * torch.maximum(plain_N, within_N), (within_N > plain_N).detach())
