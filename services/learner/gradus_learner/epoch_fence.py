"""Leaders of the past are not heard.

Each leader of a run sends its epoch, which is higher than that of every leader before it. A process that was frozen,
and wakes up when another one leads, is told so instead of being obeyed. Not written down: a receiver that was restarted
learns the epoch from the next call, and the ledger refuses what a late leader makes of an answer.
"""

from __future__ import annotations

from gradus_learner.grpc_server import ServiceError


class EpochFence:
    def __init__(self) -> None:
        self._highest = 0

    def admit(self, epoch: int) -> None:
        """FAILED_PRECONDITION for an epoch below the highest so far; 0 is not checked."""
        if 0 < epoch < self._highest:
            raise ServiceError(
                "failed_precondition",
                f"epoch is {epoch}, but a coordinator of epoch {self._highest} leads; "
                "restart this service if the ledger was begun anew",
            )
        self._highest = max(self._highest, epoch)
