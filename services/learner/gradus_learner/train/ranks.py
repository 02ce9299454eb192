"""Processes that make an update together: each has all samples and all weights, and takes its share of micro-batches.

The number of collectives depends on the step's options and on passes that begin again, which all ranks agree on: never
on what a rank has found in its share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed
from torch.nn import Parameter

T = TypeVar("T")


class Ranks:
    """`group` is None for a process that is alone: then nothing is exchanged."""

    def __init__(self, group: distributed.ProcessGroup | None = None) -> None:
        self.group = group
        self.rank = 0 if group is None else distributed.get_rank(group)
        self.size = 1 if group is None else distributed.get_world_size(group)

    def share(self, parts: Sequence[T]) -> Sequence[T]:
        """In turns: parts are sorted by length. May be empty."""
        return parts[self.rank :: self.size]

    def gather(self, value: T) -> list[T]:
        """Of every rank, by rank; tensors on the CPU."""
        if self.group is None:
            return [value]
        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, value, group=self.group)
        return found

    def sum_gradients(self, parameters: Iterable[Parameter]) -> None:
        """Sums, not means: each rank's loss is divided by the denominator of all ranks."""
        if self.group is None:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradient: Tensor = parameter.grad
            distributed.all_reduce(gradient, group=self.group)


ALONE = Ranks()
