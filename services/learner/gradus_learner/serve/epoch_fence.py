"""Leaders of the past are not heard.

Each leader of a run sends its epoch, which is higher than that of every leader before it. A process that was frozen,
and wakes up when another one leads, is informed instead of being obeyed. Not written down: a receiver that was
restarted learns the epoch from the next call, and the ledger refuses what a late leader makes of an answer.
"""

from __future__ import annotations

from gradus_learner.errors import InputError, StateError

# What JavaScript counts exactly; an epoch beyond would lock every later leader out.
MAX_EXACT = 2**53 - 1


class EpochFence:
    def __init__(self) -> None:
        # The highest that was admitted; 0 before any.
        self.highest = 0

    def admit(self, epoch: int) -> None:
        """StateError for an epoch below the highest so far, InputError for one that cannot be."""
        if epoch > MAX_EXACT:
            raise InputError(f"epoch is {epoch}; it must be at most 2^53 - 1")
        if epoch < self.highest:
            raise StateError(
                f"epoch is {epoch}, but a coordinator of epoch {self.highest} leads; "
                "restart this service if the ledger was begun anew",
            )
        self.highest = epoch
