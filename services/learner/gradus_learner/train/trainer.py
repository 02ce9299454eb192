"""What a run trains: a policy and its AdamW, which outlive the objectives that use them in turn."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from itertools import chain

import torch

from gradus_learner.models.decoder import Decoder
from gradus_learner.models.lora import copy_as_reference
from gradus_learner.models.lora_config import Lora
from gradus_learner.models.passes import Passes, Precision
from gradus_learner.train.critic import Critic
from gradus_learner.train.ranks import ALONE, Ranks

BETA1, BETA2 = 0.9, 0.999


def make_optimizer(policy: Decoder) -> torch.optim.AdamW:
    """Of what is not frozen. Weight decay is for matrices only."""
    trained = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in trained if parameter.dim() > 1]
    vectors = [parameter for parameter in trained if parameter.dim() == 1]
    groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=1e-6, betas=(BETA1, BETA2), fused=True)


def set_adamw(optimizer: torch.optim.Optimizer, rate: float, weight_decay: float, beta2: float = BETA2) -> None:
    """Of one step, whatever the objective before it set."""
    for group, decay in zip(optimizer.param_groups, (weight_decay, 0.0), strict=True):
        group["lr"], group["weight_decay"], group["betas"] = rate, decay, (BETA1, beta2)


class Trainer:
    """`reference` is the policy that entered the stage, and `critic` knows its values, where an objective has asked."""

    def __init__(
        self,
        policy: Decoder,
        micro_batch_tokens: int,
        precision: Precision = "float32",
        activation_checkpointing: bool = False,
        ranks: Ranks = ALONE,
        lora: Lora | None = None,
    ) -> None:
        """`lora`: what `add_lora` was called with, if `policy` has adapters."""
        self.lora = lora
        self.ranks = ranks
        self.policy = policy
        self.passes = Passes(precision, activation_checkpointing)
        self.micro_batch_tokens = micro_batch_tokens
        # How often that was made smaller because memory was short.
        self.micro_batch_splits = 0
        self.device = next(policy.parameters()).device
        self.optimizer = make_optimizer(policy)
        self.reference: Decoder | None = None
        self.critic: Critic | None = None

    def named_parameters(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """Of the policy, and of the critic where there is one."""
        yield from self.policy.named_parameters()
        if self.critic is not None:
            yield from self.critic.head.named_parameters("critic")

    def zero_gradients(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        if self.critic is not None:
            self.critic.optimizer.zero_grad(set_to_none=True)

    def apply_gradients(self, max_norm: float, critic: Critic | None = None) -> float:
        """One optimiser update with the gradients of all ranks; their norm before clipping.

        `critic` is updated with it, its gradients scaled down by themselves. Left out, on every rank, where a norm is
        not finite on any: then that is returned.
        """
        trained = [list(self.policy.parameters())]
        optimizers: list[torch.optim.Optimizer] = [self.optimizer]
        if critic is not None:
            trained.append(list(critic.head.parameters()))
            optimizers.append(critic.optimizer)
        self.ranks.sum_gradients(chain.from_iterable(trained))

        def clip() -> list[float]:
            return [float(torch.nn.utils.clip_grad_norm_(each, max_norm)) for each in trained]

        def step() -> None:
            for optimizer in optimizers:
                optimizer.step()

        norms = list(chain.from_iterable(self.ranks.gather(self.ranks.together(clip))))
        norm = next((each for each in norms if not math.isfinite(each)), norms[0])
        if math.isfinite(norm):
            self.ranks.together(step)
        return norm

    def own_critic(self) -> Critic:
        """Made where there is none yet: every rank's is the same."""
        if self.critic is None:
            self.critic = self.ranks.together(lambda: Critic(self.policy))
        return self.critic

    def set_reference(self) -> None:
        if self.lora is not None:
            self.reference = copy_as_reference(self.policy)
            return
        reference = copy.deepcopy(self.policy).requires_grad_(False)
        # Its passes would round its weights each time.
        dtype = self.passes.dtype(next(reference.parameters()).dtype)
        self.reference = reference.to(dtype)
