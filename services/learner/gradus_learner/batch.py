"""Batches with little padding: sequences of similar length side by side, under a budget of padded tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def cut_by_budget(order: Sequence[int], lengths: Sequence[int] | NDArray[np.int64], budget: int) -> list[list[int]]:
    """Cut `order` into runs whose count times longest length stays within `budget`; a longer one stands alone."""
    batches: list[list[int]] = []
    current: list[int] = []
    longest = 0
    for index in order:
        grown = max(longest, int(lengths[index]))
        if current and grown * (len(current) + 1) > budget:
            batches.append(current)
            current, grown = [], int(lengths[index])
        current.append(index)
        longest = grown
    if current:
        batches.append(current)
    return batches


def micro_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices grouped by length, longest first, so that memory's peak comes at once."""
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    return cut_by_budget(order, lengths, budget)


def epoch_batches(lengths: NDArray[np.int64], budget: int, seed: int, epoch: int, pool: int = 64) -> list[list[int]]:
    """A pass over all sequences in random order, sorted by length only within pools of about `pool` batches.

    The same seed and epoch give the same batches.
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths))
    per_batch = max(1, budget // max(1, math.ceil(float(lengths.mean()))))
    batches: list[list[int]] = []
    for start in range(0, len(order), per_batch * pool):
        chunk = order[start : start + per_batch * pool]
        by_length = chunk[np.argsort(lengths[chunk], kind="stable")]
        batches += cut_by_budget(by_length.tolist(), lengths, budget)
    return [batches[index] for index in rng.permutation(len(batches))]
