"""Supervised learning on sequences that somebody wrote, or that a policy sampled and a stage chose.

Loss of an update: sum over tokens of weight x cross-entropy, divided by the sum of the weights. Tokens of model
segments weigh 1, those of prompts and environment `context_weight`; the first token of a sequence has nothing before it
and weighs 0. Sequences longer than `max_tokens` are left out, and counted.

Shapes: T tokens of a micro-batch, D hidden, N tokens that carry loss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch

from gradus_learner.models.packed_row import pack
from gradus_learner.models.token_scores import token_scores
from gradus_learner.objectives.objective import (
    Between,
    Intake,
    NothingFiniteError,
    Packed,
    TrainingError,
    check_options,
)
from gradus_learner.train.example import Example, decode_example
from gradus_learner.train.mfu import step_flops
from gradus_learner.train.out_of_memory import in_micro_batches
from gradus_learner.train.trainer import BETA2, Trainer, set_adamw


@dataclass(frozen=True)
class Supervised:
    """The names are those of an `sft` stage of a recipe."""

    name: ClassVar[str] = "supervised"

    # Of this step; a schedule is the caller's.
    learning_rate: Annotated[float, Between(0, 1, above=True)] = 1e-5
    weight_decay: Annotated[float, Between(0, 1)] = 0.0
    max_grad_norm: Annotated[float, Between(0, 1e6, above=True)] = 1.0
    # Of prompt and environment tokens in the mean; 0 trains on model segments alone.
    context_weight: Annotated[float, Between(0, 1)] = 0.0
    # Decay of AdamW's second moment.
    beta2: Annotated[float, Between(0, 1, above=True, below=True)] = BETA2
    # Longer samples are left out of the step, and counted; 0 takes sequences of any length.
    max_tokens: Annotated[int, Between(0, 2**32 - 1)] = 0
    # Of the passes, in the place of the learner's; weights and moments stay as they are.
    precision: Literal["learner", "float32", "bfloat16"] = "learner"

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def needs_reference(self) -> bool:
        return False

    def decode(self, packed: Packed, intake: Intake) -> Example:
        return decode_example(packed, intake, self.context_weight)

    def train(self, trainer: Trainer, samples: Sequence[Example], _temperature: float) -> dict[str, float]:
        return train_supervised(trainer, samples, self)


@dataclass
class Learnt:
    """Sums over the micro-batches of an update."""

    loss: float = 0.0
    # Tokens of the model that were the likeliest, and all of them.
    right: int = 0
    written: int = 0


def train_supervised(trainer: Trainer, examples: Sequence[Example], objective: Supervised) -> dict[str, float]:
    """One update. Micro-batches change memory and speed, not the gradient."""
    policy, optimizer, device = trainer.policy, trainer.optimizer, trainer.device
    passes = trainer.passes
    if objective.precision != "learner":
        passes = replace(passes, precision=objective.precision)
    received = len(examples)
    examples = [example for example in examples if objective.max_tokens == 0 or example.length <= objective.max_tokens]
    if not examples:
        raise TrainingError(
            f"all {received} samples have more than {objective.max_tokens} tokens; raise max_tokens or shorten the rows"
        )
    set_adamw(optimizer, objective.learning_rate, objective.weight_decay, objective.beta2)
    total = float(sum(float(example.weights.sum()) for example in examples))

    def begin() -> Learnt:
        optimizer.zero_grad(set_to_none=True)
        return Learnt()

    def add(learnt: Learnt, part: Sequence[int]) -> None:
        chosen = [examples[index] for index in part]
        row = pack([example.ids for example in chosen], device)
        weights_T, is_model_T = (
            torch.from_numpy(np.concatenate(values)).to(device)
            for values in ([each.weights for each in chosen], [each.is_model for each in chosen])
        )
        # Only the positions that carry loss pay for the vocabulary.
        at_N = weights_T.nonzero().squeeze(1)
        weights_N = weights_T[at_N]
        hidden_ND = policy.hidden(row, passes).index_select(0, at_N - 1)
        scores = token_scores(hidden_ND, policy.output_weight_VD, row.ids_T[at_N], best=True)
        loss = -(scores.logprobs_N * weights_N).sum() / total
        loss.backward()
        learnt.loss += float(loss.detach())
        of_model_N = is_model_T[at_N]
        learnt.right += int((scores.is_best_N & of_model_N).sum())
        learnt.written += int(of_model_N.sum())

    learnt = in_micro_batches(trainer, examples, begin, add)
    every = trainer.ranks.gather(learnt)
    learnt = Learnt(
        sum(each.loss for each in every), sum(each.right for each in every), sum(each.written for each in every)
    )
    norm = trainer.apply_gradients(objective.max_grad_norm)
    finite = math.isfinite(norm)
    flops = step_flops(policy, ((each.length, int(np.count_nonzero(each.weights))) for each in examples), 1, 0)
    metrics = {
        "loss": learnt.loss,
        "grad_norm": norm if finite else 0.0,
        "token_accuracy": learnt.right / max(1, learnt.written),
        "learning_rate": objective.learning_rate,
        "tokens": float(sum(example.length for example in examples)),
        "model_tokens": float(learnt.written),
        "samples_trained": float(len(examples)),
        "samples_too_long": float(received - len(examples)),
        "updates": float(finite),
        "updates_skipped": float(not finite),
        **({} if flops is None else {"flops": flops}),
    }
    if not finite:
        raise NothingFiniteError(metrics)
    return metrics
