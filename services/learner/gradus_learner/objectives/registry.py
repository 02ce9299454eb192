"""Objectives: one loss a file, found by the name that a step gives it. A new one is a file here and a line below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradus_learner.objectives.actor_critic import ActorCritic
from gradus_learner.objectives.objective import Objective, OptionsError, options_from
from gradus_learner.objectives.policy_gradient import PolicyGradient
from gradus_learner.objectives.preference import Preference
from gradus_learner.objectives.supervised import Supervised

OBJECTIVES: Mapping[str, type[Objective]] = {
    each.name: each for each in (PolicyGradient, ActorCritic, Supervised, Preference)
}


def objective_of(name: str, options: Mapping[str, Any]) -> Objective:
    """Numbers of `options` are floats, as in JSON. Raises OptionsError that names what is wrong."""
    kind = OBJECTIVES.get(name)
    if kind is None:
        raise OptionsError(f"objective.name is {name!r}; this learner has {', '.join(OBJECTIVES)}")
    return options_from(kind, options)
