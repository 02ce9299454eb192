"""What every rank of a learner does in a step, and has when a run is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradus_learner.errors import ExchangeError, RankLostError
from gradus_learner.objectives.objective import Objective, TrainingError
from gradus_learner.train.ranks import Ranks
from gradus_learner.train.trainer import Trainer


@dataclass(frozen=True)
class SharedStep:
    objective: Objective
    samples: Sequence[Any]
    temperature: float
    set_reference: bool


def train_on_all_ranks(trainer: Trainer, step: SharedStep) -> dict[str, float]:
    """Of rank 0: all ranks take it. Raises RankLostError where rank 0 alone fails, and the others wait for it."""
    ranks = trainer.ranks
    ranks.call(step)
    try:
        return train_step(trainer, step)
    except (ExchangeError, TrainingError):
        raise
    except Exception as error:
        if ranks.group is None or is_shared(ranks, error):
            raise
        raise RankLostError(f"rank 0 failed alone: {type(error).__name__}: {error}") from error


def is_shared(ranks: Ranks, error: BaseException) -> bool:
    """Did every rank raise it? What follows from the samples alone is the same on all, as they have the same."""
    return ranks.is_agreed(error) or isinstance(error, TrainingError)


def train_step(trainer: Trainer, step: SharedStep) -> dict[str, float]:
    """The updates of one step, on every rank at once; its metrics. Raises what `Objective.train` raises."""
    if step.set_reference:
        trainer.ranks.together(trainer.set_reference)
    return step.objective.train(trainer, step.samples, step.temperature)
