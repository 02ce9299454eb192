"""Supervised learning on sequences that somebody wrote, or that a policy sampled and a stage chose.

Loss of an update: sum over tokens of weight x cross-entropy, divided by the sum of the weights. Tokens of model
segments weigh 1, those of prompts and environment `context_weight`; the first token of a sequence has nothing before it
and weighs 0. Sequences longer than `max_tokens` are left out, and counted.

Shapes: B sequences, T tokens, D hidden, N tokens that carry loss.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
import torch
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from torch.nn import functional as F

from gradus.trajectory.v1 import trajectory_pb2
from gradus_learner.models.qwen3 import Policy
from gradus_learner.objectives.algorithm import AlgorithmError, TrainingError
from gradus_learner.train.batch import micro_batches
from gradus_learner.train.optimizer import BETA2, set_adamw
from gradus_learner.train.sample import SampleError, digest_of, sequence_digest, unzip

BOUNDS: dict[str, tuple[float, float]] = {
    "learning_rate": (0, 1),
    "weight_decay": (0, 1),
    "max_grad_norm": (0, 1e6),
    "context_weight": (0, 1),
    "beta2": (0, 1),
    "max_tokens": (0, 2**32 - 1),
}

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Supervised:
    learning_rate: float
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    context_weight: float = 0.0
    beta2: float = BETA2
    # 0 takes sequences of any length.
    max_tokens: int = 0
    # Of the passes; weights stay as they are.
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        problems = [
            f"supervised.{name} is {getattr(self, name)}; it must be from {least:g} to {greatest:g}"
            for name, (least, greatest) in BOUNDS.items()
            # False for what is not a number, too.
            if not least <= getattr(self, name) <= greatest
        ]
        problems += [
            f"supervised.{name} is 0; it must be > 0"
            for name in ("learning_rate", "max_grad_norm")
            if getattr(self, name) == 0
        ]
        if self.beta2 == 1:
            problems.append("supervised.beta2 is 1; it must be < 1")
        if self.precision not in get_args(Precision):
            problems.append(f"supervised.precision is {self.precision}; it must be {' or '.join(get_args(Precision))}")
        if problems:
            raise AlgorithmError("; ".join(problems))


def supervised_from_proto(message: Any) -> Supervised:
    """Unset beta2 and precision mean their defaults."""
    return Supervised(
        learning_rate=message.learning_rate,
        weight_decay=message.weight_decay,
        max_grad_norm=message.max_grad_norm,
        context_weight=message.context_weight,
        beta2=message.beta2 or BETA2,
        max_tokens=message.max_tokens,
        precision=cast("Precision", message.precision or "float32"),
    )


@dataclass(frozen=True)
class Example:
    task_id: str
    ids: NDArray[np.int64]
    # Weight of each token in the loss.
    weights: NDArray[np.float32]
    # Written by the model.
    is_model: NDArray[np.bool_]

    @property
    def length(self) -> int:
        return len(self.ids)


def decode_example(
    data: bytes,
    objective: Supervised,
    *,
    vocabulary_size: int,
    tokenizer_hash: str,
    end_token: int,
    encode: Callable[[str], Sequence[int]],
    role: str = "",
) -> Example:
    """A gzipped Trajectory: tokens as they were sampled, or text that is tokenised here."""
    trajectory = trajectory_pb2.Trajectory()
    try:
        trajectory.ParseFromString(unzip(data))
    except DecodeError as error:
        raise SampleError(f"trajectory is not a gradus.trajectory.v1.Trajectory: {error}") from None
    digest = digest_of(trajectory, role)
    ids: list[int] = []
    is_model: list[bool] = []
    as_sampled = True
    for index, segment in enumerate(trajectory.segments):
        if segment.role != role:
            continue
        if segment.kind not in trajectory_pb2.SegmentKind.values() or segment.kind == 0:
            raise SampleError(f"segments[{index}].kind is {segment.kind}; it must be PROMPT, MODEL or ENVIRONMENT")
        tokens = list(segment.token_ids)
        written = segment.kind == trajectory_pb2.SEGMENT_KIND_MODEL
        if not tokens and segment.text:
            as_sampled = False
            tokens = list(encode(segment.text))
        if not segment.token_ids and written and segment.finish_reason == trajectory_pb2.FINISH_REASON_STOP:
            as_sampled = False
            tokens.append(end_token)
        ids += tokens
        is_model += [written] * len(tokens)
    array = np.array(ids, np.int64)
    if len(array) < 2:
        raise SampleError(f"{trajectory.task_id!r} has {len(array)} tokens; a sequence has at least 2")
    if int(array.max()) >= vocabulary_size:
        raise SampleError(f"token id {int(array.max())} is beyond the vocabulary of {vocabulary_size}")
    if as_sampled:
        # What a policy sampled stays as it was (P4).
        if tokenizer_hash and trajectory.tokenizer_hash != tokenizer_hash:
            raise SampleError(f"tokenizer_hash is {trajectory.tokenizer_hash!r}, the learner's is {tokenizer_hash!r}")
        if sequence_digest(array) != digest:
            raise SampleError(f"{trajectory.task_id!r} has tokens that the engine did not see (digest differs)")
    mask = np.array(is_model, np.bool_)
    weights = np.where(mask, 1.0, objective.context_weight).astype(np.float32)
    weights[0] = 0
    if not weights.any():
        raise SampleError(f"{trajectory.task_id!r} has no token that is trained on; it needs text of the model")
    return Example(trajectory.task_id, array, weights, mask)


def passes_in(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager[object]:
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def train_supervised(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    examples: Sequence[Example],
    objective: Supervised,
    micro_batch_tokens: int,
) -> dict[str, float]:
    """One update. Micro-batches change memory and speed, not the gradient."""
    device = next(policy.parameters()).device
    received = len(examples)
    examples = [example for example in examples if objective.max_tokens == 0 or example.length <= objective.max_tokens]
    if not examples:
        raise TrainingError(
            f"all {received} samples have more than {objective.max_tokens} tokens; raise max_tokens or shorten the rows"
        )
    set_adamw(optimizer, objective.learning_rate, objective.weight_decay, objective.beta2)
    total = float(sum(float(example.weights.sum()) for example in examples))
    optimizer.zero_grad(set_to_none=True)
    loss_sum, right, written = 0.0, 0, 0
    for part in micro_batches([example.length for example in examples], micro_batch_tokens):
        chosen = [examples[index] for index in part]
        longest = max(example.length for example in chosen)
        ids_BT = np.zeros((len(chosen), longest), np.int64)
        weights_BT = np.zeros((len(chosen), longest), np.float32)
        model_BT = np.zeros((len(chosen), longest), np.bool_)
        for row, example in enumerate(chosen):
            ids_BT[row, : example.length] = example.ids
            weights_BT[row, : example.length] = example.weights
            model_BT[row, : example.length] = example.is_model
        at_N = np.flatnonzero(weights_BT)
        # Only the positions that carry loss pay for the vocabulary.
        before_N = torch.from_numpy(at_N - 1).to(device)
        with passes_in(objective.precision, device):
            hidden_BTD = policy.hidden(torch.from_numpy(ids_BT).to(device))
            logits_NV = policy.logits(hidden_BTD.reshape(-1, hidden_BTD.shape[-1]).index_select(0, before_N)).float()
        targets_N = torch.from_numpy(ids_BT.reshape(-1)[at_N]).to(device)
        weights_N = torch.from_numpy(weights_BT.reshape(-1)[at_N]).to(device)
        loss = (F.cross_entropy(logits_NV, targets_N, reduction="none") * weights_N).sum() / total
        loss.backward()
        loss_sum += float(loss.detach())
        of_model_N = torch.from_numpy(model_BT.reshape(-1)[at_N]).to(device)
        right += int(((logits_NV.detach().argmax(-1) == targets_N) & of_model_N).sum())
        written += int(of_model_N.sum())
    norm = float(torch.nn.utils.clip_grad_norm_(policy.parameters(), objective.max_grad_norm))
    applied = math.isfinite(norm)
    if applied:
        optimizer.step()
    return {
        "loss": loss_sum,
        "grad_norm": norm if applied else 0.0,
        "token_accuracy": right / max(1, written),
        "learning_rate": objective.learning_rate,
        "tokens": float(sum(example.length for example in examples)),
        "model_tokens": float(written),
        "samples_trained": float(len(examples)),
        "samples_too_long": float(received - len(examples)),
        "updates": float(applied),
        "updates_skipped": float(not applied),
    }
