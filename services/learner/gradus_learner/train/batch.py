"""Micro-batches with little padding: sequences of similar length side by side, under a budget of padded tokens."""

from __future__ import annotations

from collections.abc import Sequence


def micro_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices grouped by length, longest first, so that memory's peak comes at once.

    A group's count times its longest length stays within `budget`; a sequence that is longer stands alone.
    """
    groups: list[list[int]] = []
    longest = 0
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        if groups and longest * (len(groups[-1]) + 1) <= budget:
            groups[-1].append(index)
        else:
            groups.append([index])
            longest = lengths[index]
    return groups
