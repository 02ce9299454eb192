"""Cosine and sine of rotary position embeddings. Shape: E head width."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gradus_learner.models.rope import Rope


def rotary_tables(rope: Rope, head_dim: int, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """cos and sin, each (…, E) at positions (…), the attention factor in both; halves repeat, as rotate-half wants."""
    inverse = inverse_frequencies(rope, head_dim, positions.device)
    angle = positions.float().unsqueeze(-1) * inverse
    angle = torch.cat((angle, angle), dim=-1)
    return (angle.cos() * rope.attention_factor).to(dtype), (angle.sin() * rope.attention_factor).to(dtype)


def inverse_frequencies(rope: Rope, head_dim: int, device: torch.device) -> Tensor:
    """Radians a token, (E / 2) in float32, the fastest first."""
    pair = torch.arange(0, head_dim, 2, device=device, dtype=torch.float32)
    inverse = 1.0 / rope.theta ** (pair / head_dim)
    if rope.rope_type == "linear":
        return inverse / rope.factor
    if rope.rope_type == "llama3":
        return _llama3(rope, inverse)
    if rope.rope_type == "yarn":
        return _yarn(rope, head_dim, inverse)
    return inverse


def _llama3(rope: Rope, inverse: Tensor) -> Tensor:
    """Waves longer than the first texts are stretched by the factor, short ones not, between them a blend."""
    turns = rope.original_positions * inverse / (2 * math.pi)
    low, high = rope.low_freq_factor, rope.high_freq_factor
    kept = ((turns - low) / (high - low)).clamp(0.0, 1.0)
    return inverse * kept + inverse / rope.factor * (1.0 - kept)


def _yarn(rope: Rope, head_dim: int, inverse: Tensor) -> Tensor:
    """Pairs that turn `beta_fast` times or more within the first texts are kept, below `beta_slow` stretched."""

    def pair_that_turns(times: float) -> float:
        return head_dim * math.log(rope.original_positions / (times * 2 * math.pi)) / (2 * math.log(rope.theta))

    first = max(math.floor(pair_that_turns(rope.beta_fast)), 0)
    last = min(math.ceil(pair_that_turns(rope.beta_slow)), head_dim - 1)
    index = torch.arange(head_dim // 2, device=inverse.device, dtype=torch.float32)
    stretched = ((index - first) / (last - first if last != first else 1e-3)).clamp(0.0, 1.0)
    return inverse / rope.factor * stretched + inverse * (1.0 - stretched)
