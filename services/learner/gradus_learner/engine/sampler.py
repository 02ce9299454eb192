"""Drawing one token per row, each row with its own settings and its own random stream.

Shapes: B rows, V vocabulary.

The stream is counter-based: the number drawn for the token at position p of a request is a function of (seed, p)
alone, so a request draws the same tokens whatever shares its batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The output function of SplitMix64 (Steele, Lea, Flood 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def stream_keys(seeds: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread seeds, which callers number consecutively, over all 64 bits."""
    return _mix(seeds + _GOLDEN)


def uniforms(keys: NDArray[np.uint64], positions: NDArray[np.int64]) -> NDArray[np.float64]:
    """One number in [0, 1) per row, of 53 bits."""
    counters = positions.astype(np.uint64) + np.uint64(1)
    return (_mix(keys + counters * _GOLDEN) >> np.uint64(11)).astype(np.float64) * 2.0**-53


@dataclass(frozen=True)
class Draw:
    """Settings of a batch, one entry per row. Greedy rows have inverse temperature 1."""

    inverse_temperature: NDArray[np.float32]
    greedy: NDArray[np.bool_]
    top_k: NDArray[np.int64]
    top_p: NDArray[np.float64]
    uniform: NDArray[np.float64]


def _pick(cumulative_BV: Tensor, uniform_B: Tensor) -> Tensor:
    """Inverse of a cumulative distribution in float64, which need not end at 1; entries of no mass are never picked.

    In float32 the sums over a vocabulary of 150,000 round away 1e-3 of the mass.
    """
    total = cumulative_BV[:, -1:]
    # The product may round up to the total itself, which no entry exceeds.
    target = torch.minimum(uniform_B.unsqueeze(1) * total, torch.nextafter(total, torch.zeros_like(total)))
    # Beyond the last entry only if the total is not a number; the log-probability shows it.
    return torch.searchsorted(cumulative_BV, target, right=True).squeeze(1).clamp_max_(cumulative_BV.shape[1] - 1)


def _pick_truncated(p_BV: Tensor, top_k_B: Tensor, top_p_B: Tensor, uniform_B: Tensor) -> Tensor:
    ordered, order = torch.sort(p_BV, dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1, dtype=torch.float64) - ordered
    rank = torch.arange(p_BV.shape[1], device=p_BV.device)
    # The likeliest token always stays: nothing lies before it.
    keep = (before < top_p_B.unsqueeze(1)) & (rank < top_k_B.unsqueeze(1))
    chosen = _pick(torch.where(keep, ordered, 0.0).cumsum(-1, dtype=torch.float64), uniform_B)
    return order.gather(1, chosen.unsqueeze(1)).squeeze(1)


def sample(logits_BV: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Tokens (B) and their log-probabilities (B) after temperature, before top-k and top-p. Overwrites the logits."""
    device = logits_BV.device
    if (draw.inverse_temperature != 1.0).any():
        logits_BV.mul_(torch.from_numpy(draw.inverse_temperature).to(device).unsqueeze(1))
    p_BV = torch.softmax(logits_BV, dim=-1, dtype=torch.float32)
    if draw.greedy.all():
        tokens = p_BV.argmax(-1)
    else:
        uniform = torch.from_numpy(draw.uniform).to(device)
        tokens = _pick(p_BV.cumsum(-1, dtype=torch.float64), uniform)
        truncated = np.flatnonzero(((draw.top_k > 0) | (draw.top_p < 1.0)) & ~draw.greedy)
        if truncated.size:
            index = torch.from_numpy(truncated).to(device)
            vocabulary = p_BV.shape[1]
            top_k = np.where(draw.top_k[truncated] > 0, draw.top_k[truncated], vocabulary)
            tokens[index] = _pick_truncated(
                p_BV[index],
                torch.from_numpy(top_k).to(device),
                torch.from_numpy(draw.top_p[truncated]).to(device),
                uniform[index],
            )
        if draw.greedy.any():
            tokens = torch.where(torch.from_numpy(draw.greedy).to(device), p_BV.argmax(-1), tokens)
    return tokens, p_BV.gather(1, tokens.unsqueeze(1)).squeeze(1).log()
