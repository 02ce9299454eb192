"""Processes that make an update together: each has all samples and all weights, and takes its share of micro-batches.

The number of exchanges depends on the step's options and on passes that begin again, which all ranks agree on: never
on what a rank has found in its share. What a rank does between two exchanges and may fail at runs in `together`, so
that all fail where one does. A rank that fails anywhere else, or ends, breaks the group: the next exchange of the
others raises ExchangeError.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed
from torch.nn import Parameter

from gradus_learner.errors import ExchangeError, GradusError
from gradus_learner.models.memory import is_out_of_memory

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)


class RankFailedError(RuntimeError):
    """Work of a rank failed, in a way that has no class of its own, and every rank knows."""


@dataclass(frozen=True)
class Failure:
    """As it is sent to the other ranks."""

    kind: type[Exception]
    message: str


class Ranks:
    """`group` is None for a process that is alone: it exchanges nothing. `wake` makes the others receive a call."""

    def __init__(self, group: distributed.ProcessGroup | None = None, wake: Callable[[], None] = lambda: None) -> None:
        self.group = group
        self.rank = 0 if group is None else distributed.get_rank(group)
        self.size = 1 if group is None else distributed.get_world_size(group)
        self._wake = wake
        # Exchanges begun: one that is behind is who the others wait for.
        self.exchanges = 0
        self._agreed: BaseException | None = None

    def share(self, parts: Sequence[T]) -> Sequence[T]:
        """In turns: parts are sorted by length. May be empty."""
        return parts[self.rank :: self.size]

    @contextmanager
    def _exchange(self) -> Generator[None]:
        self.exchanges += 1
        try:
            yield
        except RuntimeError as error:
            raise ExchangeError(f"exchange {self.exchanges} of rank {self.rank}: {error}") from error

    def gather(self, value: T) -> list[T]:
        """Of every rank, by rank; tensors on the CPU."""
        if self.group is None:
            return [value]
        found: list[Any] = [None] * self.size
        with self._exchange():
            distributed.all_gather_object(found, value, group=self.group)
        return found

    def together(self, work: Callable[[], T]) -> T:
        """What `work` gives, which exchanges nothing. Raises on every rank where it raises on any."""
        if self.group is None:
            return work()
        failure: Failure | None = None
        result: Any = None
        try:
            result = work()
        except Exception as error:
            failure = failure_of(error)
        for rank, found in enumerate(self.gather(failure)):
            if found is not None:
                # Some classes are made of other things than their message.
                error = found.kind.__new__(found.kind)
                error.args = (f"rank {rank}: {found.message}",)
                raise self.raised_by_all(error)
        return result

    def raised_by_all(self, error: E) -> E:
        """All ranks raise it now, and go on together."""
        self._agreed = error
        return error

    def is_agreed(self, error: BaseException) -> bool:
        """Did all ranks raise it, or what it was made from?"""
        cause: BaseException | None = error
        while cause is not None and cause is not self._agreed:
            cause = cause.__cause__
        return cause is not None

    def call(self, value: object) -> None:
        """Of rank 0: the others `receive` it, and every rank does what it says."""
        if self.group is None:
            return
        self._wake()
        with self._exchange():
            distributed.broadcast_object_list([value], 0, group=self.group)

    def receive(self) -> Any:
        found: list[Any] = [None]
        with self._exchange():
            distributed.broadcast_object_list(found, 0, group=self.group)
        return found[0]

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Those of rank 0 into the same ones of the others."""
        if self.group is None:
            return
        for tensor in tensors:
            with self._exchange(), torch.no_grad():
                distributed.broadcast(tensor, 0, group=self.group)

    def sum_gradients(self, parameters: Iterable[Parameter]) -> None:
        """Sums, not means: each rank's loss is divided by the denominator of all ranks."""
        if self.group is None:
            return
        trained = [parameter for parameter in parameters if parameter.requires_grad]

        def gradients() -> list[Tensor]:
            for parameter in trained:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
            return [parameter.grad for parameter in trained if parameter.grad is not None]

        for gradient in self.together(gradients):
            with self._exchange():
                distributed.all_reduce(gradient, group=self.group)


ALONE = Ranks()


def failure_of(error: Exception) -> Failure:
    """Raises ExchangeError again: who has that can agree on nothing."""
    if isinstance(error, ExchangeError):
        raise error
    if isinstance(error, GradusError):
        return Failure(type(error), str(error))
    if is_out_of_memory(error):
        return Failure(torch.OutOfMemoryError, str(error))
    return Failure(RankFailedError, f"{type(error).__name__}: {error}")
