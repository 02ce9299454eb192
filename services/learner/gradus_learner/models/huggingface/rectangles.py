"""A packed row as rectangles, for models that take no packed rows. B sequences, T tokens of the longest, D hidden.

What stands behind a sequence has no influence on it: attention is causal, and no mask is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gradus_learner.models.packed_row import PackedRow

# Of the tokens that are computed, what nobody wrote is at most this. Neighbours of a micro-batch are alike in length.
MOST_PADDING = 0.25


def spans(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """First and one past the last sequence of each rectangle."""
    bounds = [0]
    longest, total = 0, 0
    for index, length in enumerate(lengths):
        longest, total = max(longest, length), total + length
        cells = longest * (index + 1 - bounds[-1])
        if cells - total > MOST_PADDING * cells:
            bounds.append(index)
            longest, total = length, length
    return list(pairwise([*bounds, len(lengths)]))


def rectangles(row: PackedRow) -> list[tuple[Tensor, tuple[int, ...]]]:
    """Ids (B, T), filled up at the end of each sequence, and the lengths of their sequences."""
    sequences = list(row.ids_T.split(list(row.lengths)))
    return [
        (pad_sequence(sequences[first:end], batch_first=True), row.lengths[first:end])
        for first, end in spans(row.lengths)
    ]


def without_padding(hidden_BTD: Tensor, lengths: Sequence[int]) -> Tensor:
    return torch.cat([each[:length] for each, length in zip(hidden_BTD, lengths, strict=True)])
