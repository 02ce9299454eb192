"""What the service needs of a run: Gradus's own (`LearnerRun`), or one that a trainer of the user's goes through
(clients/python)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from gradus_learner.objectives.objective import Intake
from gradus_learner.train.run import StepOptions, StepRecord


class OpenedRun(Protocol):
    # Applied so far.
    step: int
    # It has to be opened again.
    torn: bool
    damaged: list[str]
    records: dict[int, StepRecord]

    @property
    def run_id(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def parameters(self) -> int: ...
    @property
    def trained_parameters(self) -> int: ...
    @property
    def tokenizer_hash(self) -> str: ...
    def current_weights(self) -> tuple[str, str]:
        """Directory and digest."""
        ...

    def intake(self, temperature: float) -> Intake: ...
    def apply(self, options: StepOptions, samples: Sequence[Any]) -> tuple[StepRecord, bool]:
        """The step's record, and whether it was applied now."""
        ...

    def finish_checkpoint(self) -> None:
        """Waits until the newest checkpoint is written."""
        ...
