"""Sequences laid end to end in one row, without padding: what a decoder takes. T tokens of all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class PackedRow:
    ids_T: Tensor
    # Of each sequence, in their order; all at least 1.
    lengths: tuple[int, ...]

    @cached_property
    def positions_T(self) -> Tensor:
        """Counted from 0 in each sequence."""
        positions = np.concatenate([np.arange(length) for length in self.lengths])
        return torch.from_numpy(positions).to(self.ids_T.device)

    @cached_property
    def bounds(self) -> Tensor:
        """Where each sequence begins, and the end of the last, in int32: `cu_seqlens` of attention kernels."""
        return torch.tensor([0, *accumulate(self.lengths)], dtype=torch.int32, device=self.ids_T.device)

    @cached_property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """How many neighbours have the same length, and that length."""
        return tuple((len(list(group)), length) for length, group in groupby(self.lengths))


def pack(sequences: Sequence[NDArray[np.int64]], device: torch.device) -> PackedRow:
    return PackedRow(torch.from_numpy(np.concatenate(sequences)).to(device), tuple(len(each) for each in sequences))


def starts(lengths: Sequence[int]) -> list[int]:
    return list(accumulate(lengths, initial=0))[:-1]


def rectangle(ids_BT: Tensor) -> PackedRow:
    """Sequences of equal length."""
    count, length = ids_BT.shape
    return PackedRow(ids_BT.reshape(-1), (length,) * count)
