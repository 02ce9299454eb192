"""What rank 0 has read of a run, as the other ranks get it: they read no file."""

from __future__ import annotations

import gc
import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradus_learner.errors import InputError
from gradus_learner.models.config import ModelError
from gradus_learner.models.lora import add_lora
from gradus_learner.models.lora_config import Lora
from gradus_learner.models.memory import check_memory
from gradus_learner.models.passes import Passes
from gradus_learner.models.registry import Model
from gradus_learner.train.critic import Critic
from gradus_learner.train.ranks import Ranks
from gradus_learner.train.trainer import Trainer

TRAINING: Mapping[str, int] = {"weights": 4, "gradients": 4, "two moments of AdamW": 8}


# Of each parameter, what its optimiser holds: shape by key.
MomentShapes = Mapping[str, Mapping[str, tuple[int, ...]]]


@dataclass(frozen=True)
class SharedRun:
    model: Model
    seed: int
    passes: Passes
    micro_batch_tokens: int
    # Of the policy's parameters.
    moments: MomentShapes
    has_reference: bool
    # Of those of the critic; None without one.
    critic_moments: MomentShapes | None
    lora: Lora | None


@dataclass(frozen=True)
class CloseRun:
    """The run before is let go, so that there is room for the next."""

    def free(self) -> None:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def held_as(lora: Lora | None, passes: Passes) -> torch.dtype:
    """Weights that are trained are float32; frozen ones are as passes want them."""
    return torch.float32 if lora is None else passes.dtype(torch.float32)


def bytes_each(lora: Lora | None, dtype: torch.dtype) -> Mapping[str, int]:
    """Memory that each parameter of the model takes while it is trained, or lies frozen next to adapters."""
    return TRAINING if lora is None else {"frozen weights": dtype.itemsize}


def broadcast_run(trainer: Trainer, model: Model, seed: int) -> None:
    """Of rank 0, once a run is open: every rank has the same from here on. Raises InputError where one has no room."""
    if trainer.ranks.group is None:
        return
    critic = trainer.critic
    run = SharedRun(
        model,
        seed,
        trainer.passes,
        trainer.micro_batch_tokens,
        moment_shapes(trainer.policy, trainer.optimizer),
        trainer.reference is not None,
        None if critic is None else moment_shapes(critic.head, critic.optimizer),
        trainer.lora,
    )
    trainer.ranks.call(run)
    trainer.ranks.together(lambda: None)
    trainer.ranks.broadcast(tensors_of(trainer))


def receive_run(run: SharedRun, device: torch.device, ranks: Ranks) -> Trainer:
    """Of another rank."""
    trainer = ranks.together(lambda: build(run, device, ranks))
    ranks.broadcast(tensors_of(trainer))
    return trainer


def build(run: SharedRun, device: torch.device, ranks: Ranks) -> Trainer:
    """With everything in place, and no values yet."""
    model = run.model
    parameters = sum(math.prod(shape) for shape in model.tensor_shapes.values())
    try:
        dtype = held_as(run.lora, run.passes)
        check_memory("model_path", parameters, bytes_each(run.lora, dtype), device)
        policy = model.build().to(device=device, dtype=dtype)
        if run.lora is not None:
            add_lora(policy, run.lora, run.seed)
    except ModelError as error:
        raise InputError(str(error)) from None
    torch.manual_seed(run.seed)
    trainer = Trainer(
        policy,
        run.micro_batch_tokens,
        run.passes.precision,
        run.passes.activation_checkpointing,
        ranks,
        run.lora,
    )
    add_moments(policy, trainer.optimizer, run.moments)
    if run.has_reference:
        trainer.set_reference()
    if run.critic_moments is not None:
        trainer.critic = Critic(policy)
        add_moments(trainer.critic.head, trainer.critic.optimizer, run.critic_moments)
    return trainer


def moment_shapes(module: nn.Module, optimizer: torch.optim.Optimizer) -> MomentShapes:
    return {
        name: {key: tuple(value.shape) for key, value in optimizer.state.get(parameter, {}).items()}
        for name, parameter in module.named_parameters()
    }


def add_moments(module: nn.Module, optimizer: torch.optim.Optimizer, shapes: MomentShapes) -> None:
    """In place, and no values yet."""
    for name, parameter in module.named_parameters():
        if shapes[name]:
            optimizer.state[parameter] = {
                key: torch.zeros(shape, dtype=torch.float32, device=parameter.device)
                for key, shape in shapes[name].items()
            }


def tensors_of(trainer: Trainer) -> Generator[Tensor]:
    """In the same order on every rank."""
    trained: list[tuple[nn.Module, torch.optim.Optimizer]] = [(trainer.policy, trainer.optimizer)]
    if trainer.critic is not None:
        trained.append((trainer.critic.head, trainer.critic.optimizer))
    for module, optimizer in trained:
        yield from module.parameters()
        for parameter in module.parameters():
            state = optimizer.state.get(parameter, {})
            yield from (state[key] for key in sorted(state))
    if trainer.reference is not None:
        yield from trainer.reference.parameters()
