"""Turns that wait for a row: greater priority first, then in order of arrival; a turn that lost its row goes first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from gradus_learner.engine.batch import Turn
from gradus_learner.engine.request import MAX_PRIORITY


class WaitingLine:
    """Not thread-safe: the scheduler's lock guards it."""

    def __init__(self) -> None:
        # The greatest priority first. Never changes, so that its length may be asked without the lock.
        self._ranks = tuple(deque[Turn]() for _ in range(MAX_PRIORITY + 1))

    def __len__(self) -> int:
        return sum(len(rank) for rank in self._ranks)

    def __iter__(self) -> Iterator[Turn]:
        for rank in self._ranks:
            yield from rank

    def append(self, turn: Turn) -> None:
        self._rank(turn).append(turn)

    def put_back(self, turn: Turn) -> None:
        self._rank(turn).appendleft(turn)

    def first(self) -> Turn | None:
        return next(iter(self), None)

    def remove(self, turn: Turn) -> None:
        rank = self._rank(turn)
        if rank[0] is turn:
            rank.popleft()
        else:
            rank.remove(turn)

    def _rank(self, turn: Turn) -> deque[Turn]:
        return self._ranks[MAX_PRIORITY - turn.request.priority]
