"""Micro-batches: sequences that are laid end to end in one row, under a budget of tokens."""

from __future__ import annotations

from collections.abc import Sequence


def micro_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices by length, longest first, so that memory's peak comes at once; equal lengths are neighbours.

    A group's tokens stay within `budget`; a sequence that is longer stands alone.
    """
    groups: list[list[int]] = []
    taken = 0
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        if groups and taken + lengths[index] <= budget:
            groups[-1].append(index)
            taken += lengths[index]
        else:
            groups.append([index])
            taken = lengths[index]
    return groups
