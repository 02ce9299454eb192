"""The critic of a run: a linear layer on the policy's last hidden states, and its AdamW.

It begins at 0 with the first step that asks for it and goes on through later stages. It is in checkpoints
(critic.safetensors) and in no version: engines know nothing of it.

Shapes: N tokens of the policy, D hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from gradus_learner.models.config import ModelError
from gradus_learner.models.decoder import Decoder
from gradus_learner.models.finite import first_not_finite
from gradus_learner.objectives.generalized_advantages import explained_variance, generalized_advantages, whitened
from gradus_learner.train.checkpoint import optimizer_tensors, restore_moments

CRITIC_NAME = "critic.safetensors"


class CriticOptions(Protocol):
    @property
    def gamma(self) -> float: ...
    @property
    def gae_lambda(self) -> float: ...
    @property
    def value_clip(self) -> float: ...
    @property
    def value_coefficient(self) -> float: ...
    @property
    def value_learning_rate(self) -> float: ...
    @property
    def value_trains_policy(self) -> bool: ...


class Critic:
    def __init__(self, policy: Decoder) -> None:
        output = policy.output_weight_VD
        self.head = nn.Linear(output.shape[1], 1, device=output.device, dtype=torch.float32)
        with torch.no_grad():
            for parameter in self.head.parameters():
                parameter.zero_()
        self.optimizer = torch.optim.AdamW(self.head.parameters(), weight_decay=0.0, fused=True)

    def values(self, hidden_ND: Tensor, trains_policy: bool = False) -> Tensor:
        """(N,), float32 whatever the hidden states are. Their gradient goes into the policy where that is asked for."""
        hidden_ND = hidden_ND if trains_policy else hidden_ND.detach()
        return F.linear(hidden_ND.float(), self.head.weight, self.head.bias).squeeze(1)

    def set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate


def critic_tensors(critic: Critic) -> dict[str, Tensor]:
    """Of a checkpoint: its weights by name, and its moments as `optimizer_tensors` names them."""
    return {**dict(critic.head.named_parameters()), **optimizer_tensors(critic.head, critic.optimizer)}


def restore_critic(critic: Critic, file: Path) -> None:
    """Raises ModelError where the file is of no critic of this policy, or has a number that is not finite."""
    tensors = load_file(str(file))
    for name, parameter in critic.head.named_parameters():
        found = tensors.pop(name, None)
        if found is None or found.shape != parameter.shape:
            shape = "no such tensor" if found is None else f"shape {tuple(found.shape)}"
            raise ModelError(f"{file}: {name} has {shape}, the critic of this model wants {tuple(parameter.shape)}")
        bad = first_not_finite([(name, found)])
        if bad is not None:
            raise ModelError(f"{file}: {bad}; the file is damaged")
        with torch.no_grad():
            parameter.copy_(found)
    restore_moments(critic.head, critic.optimizer, tensors, file)


@dataclass(frozen=True)
class Estimates:
    """Per sample, of its tokens: what the policy and what the critic learn from; and what metrics say of them."""

    advantages: Sequence[Tensor]
    returns: Sequence[Tensor]
    metrics: dict[str, float]


def estimate(
    values: Sequence[Tensor], rewards: Sequence[float], options: CriticOptions, device: torch.device
) -> Estimates:
    """Of all samples of a step, before its first update: advantages are whitened over all their tokens.

    In float64 on the CPU, from values that every rank has: the same on all, to the last bit.
    """
    lengths_S = np.array([len(each) for each in values], np.int64)
    values_N = torch.cat([each.cpu() for each in values]).double().numpy() if values else np.zeros(0)
    advantages_N = generalized_advantages(
        values_N, lengths_S, np.array(rewards, np.float64), options.gamma, options.gae_lambda
    )
    returns_N = advantages_N + values_N

    def split(array_N: np.ndarray) -> Sequence[Tensor]:
        return torch.from_numpy(array_N).to(device, torch.float32).split(lengths_S.tolist())

    tokens = max(1, len(values_N))
    explained = explained_variance(values_N, returns_N)
    metrics = {
        "value_mean": float(values_N.sum()) / tokens,
        "returns_mean": float(returns_N.sum()) / tokens,
        **({} if explained is None else {"explained_variance": explained}),
    }
    return Estimates(split(whitened(advantages_N)), split(returns_N), metrics)
