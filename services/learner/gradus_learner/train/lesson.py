"""What every rank of a learner does in a step, and has when a run is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradus_learner.objectives.objective import Objective
from gradus_learner.train.trainer import Trainer


@dataclass(frozen=True)
class Lesson:
    objective: Objective
    samples: Sequence[Any]
    temperature: float
    set_reference: bool


def take_lesson(trainer: Trainer, lesson: Lesson) -> dict[str, float]:
    """The updates of one step, on every rank at once; its metrics. Raises what `Objective.train` raises."""
    if lesson.set_reference:
        trainer.ranks.together(trainer.set_reference)
    return lesson.objective.train(trainer, lesson.samples, lesson.temperature)
