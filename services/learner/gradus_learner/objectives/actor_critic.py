"""The policy gradient of policy_gradient.py with a critic: an advantage for each token (GAE), PPO's (1707.06347).

The `advantage` of a sample is its reward: no baseline was taken off it. The critic is a linear layer on the policy's
last hidden states, and is trained in the same updates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from gradus_learner.objectives.objective import Between, OptionsError
from gradus_learner.objectives.policy_gradient import PolicyGradient


@dataclass(frozen=True)
class ActorCritic(PolicyGradient):
    name: ClassVar[str] = "actor_critic"

    # Discount of each token, and the share of the next token's advantage.
    gamma: Annotated[float, Between(0, 1)] = 1.0
    gae_lambda: Annotated[float, Between(0, 1)] = 1.0
    # How far a value moves in a step before it loses its gradient; 0 is off.
    value_clip: Annotated[float, Between(0, 1000)] = 0.2
    # Of the value loss, next to the policy's.
    value_coefficient: Annotated[float, Between(0, 1000, above=True)] = 0.5
    # Of the critic alone, constant.
    value_learning_rate: Annotated[float, Between(0, 1, above=True)] = 1e-4
    # Whether the value loss also trains the layers that policy and critic share.
    value_trains_policy: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.policy_loss == "gspo":
            raise OptionsError(
                "actor_critic.policy_loss is gspo; its ratio is one of a whole sequence, and the critic's advantages "
                "are of single tokens: take clip or cispo"
            )

    @property
    def critic(self) -> ActorCritic:
        return self
