"""A training step on pairs of answers, whatever the loss of a pair: answers in, updated weights and metrics out.

A loss of a pair is a function of the log-probabilities of two whole answers, which may lie in two micro-batches, or
with two ranks. So an update takes two passes. The first, without a gradient, gives the sums of log-probabilities of
every answer, under the policy and under the reference. The loss, and its derivative by each of the policy's sums,
follow from these. The second pass has the gradient of the sums, each times its derivative: by the chain rule that is
the gradient of the loss, whatever the micro-batches.

Shapes: T tokens of a micro-batch, D hidden, N its tokens that the model writes, A answers, P pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from gradus_learner.models.decoder import Decoder
from gradus_learner.models.packed_row import pack
from gradus_learner.models.passes import Passes
from gradus_learner.models.token_scores import token_scores
from gradus_learner.objectives.objective import Intake, NothingFiniteError, Packed, TrainingError
from gradus_learner.train.example import Example, decode_example
from gradus_learner.train.mfu import step_flops
from gradus_learner.train.out_of_memory import in_micro_batches
from gradus_learner.train.sample import SampleError
from gradus_learner.train.trainer import Trainer, set_adamw


@dataclass(frozen=True)
class Answer:
    """A prompt with one of the two answers of a pair; the other one has the same `pair`."""

    example: Example
    pair: int
    is_chosen: bool

    @property
    def task_id(self) -> str:
        return self.example.task_id

    @property
    def length(self) -> int:
        return self.example.length

    @property
    def written(self) -> int:
        """Tokens that the model writes, which the log-probability is of."""
        return int(np.count_nonzero(self.example.weights))


@dataclass(frozen=True)
class PairLogprobs:
    """Sums over the tokens of an answer, and how many there are; all (P,), float64."""

    chosen_P: Tensor
    rejected_P: Tensor
    reference_chosen_P: Tensor
    reference_rejected_P: Tensor
    chosen_tokens_P: Tensor
    rejected_tokens_P: Tensor


class PairOptions(Protocol):
    """What the options of any loss on pairs have; `loss` is the pure function that they are of."""

    @property
    def beta(self) -> float: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def max_grad_norm(self) -> float: ...
    @property
    def beta2(self) -> float: ...
    @property
    def max_tokens(self) -> int: ...
    def loss(self, pairs: PairLogprobs) -> Tensor: ...


def decode_answer(packed: Packed, intake: Intake) -> Answer:
    """An advantage above 0 says that the answer is the chosen one of its group, below 0 the rejected one."""
    if packed.group is None:
        raise SampleError("group is missing; an answer has the number of its pair")
    if not abs(packed.advantage) > 0:
        raise SampleError(f"advantage is {packed.advantage}; it must be above 0 for a chosen answer, else below")
    return Answer(decode_example(packed, intake), packed.group, packed.advantage > 0)


def pairs_of(answers: Sequence[Answer]) -> list[tuple[Answer, Answer]]:
    """The chosen and the rejected answer of each pair, in the order in which pairs came. Raises TrainingError."""
    chosen: dict[int, list[Answer]] = {answer.pair: [] for answer in answers}
    rejected: dict[int, list[Answer]] = {pair: [] for pair in chosen}
    for answer in answers:
        (chosen if answer.is_chosen else rejected)[answer.pair].append(answer)
    problems = [
        f"pair {pair} has {len(chosen[pair])} chosen and {len(rejected[pair])} rejected answers; it has one of each"
        for pair in chosen
        if (len(chosen[pair]), len(rejected[pair])) != (1, 1)
    ]
    if problems:
        raise TrainingError("; ".join(problems))
    return [(chosen[pair][0], rejected[pair][0]) for pair in chosen]


def train_on_pairs(trainer: Trainer, received: Sequence[Answer], options: PairOptions) -> dict[str, float]:
    """One update. Raises TrainingError with nothing applied."""
    if trainer.reference is None:
        raise TrainingError("a loss on pairs needs a reference; send set_reference with the first step of the stage")
    limit = options.max_tokens
    pairs = [pair for pair in pairs_of(received) if limit == 0 or max(answer.length for answer in pair) <= limit]
    if not pairs:
        raise TrainingError(
            f"all {len(received) // 2} pairs have an answer of more than {limit} tokens, with its prompt; raise "
            "max_tokens or shorten the rows"
        )
    answers = [answer for pair in pairs for answer in pair]
    set_adamw(trainer.optimizer, options.learning_rate, options.weight_decay, options.beta2)
    sums_A, reference_A = logprob_sums(trainer, trainer.reference, answers)
    sums_A.requires_grad_()
    tokens_A = torch.tensor([answer.written for answer in answers], dtype=torch.float64)
    logprobs = PairLogprobs(
        sums_A[0::2], sums_A[1::2], reference_A[0::2], reference_A[1::2], tokens_A[0::2], tokens_A[1::2]
    )
    loss = options.loss(logprobs)
    (derivatives_A,) = torch.autograd.grad(loss, sums_A)
    add_gradients(trainer, answers, derivatives_A)
    norm = trainer.apply_gradients(options.max_grad_norm)
    finite = math.isfinite(norm)
    # Forward only: the first pass, and that of the reference.
    flops = step_flops(trainer.policy, ((answer.length, answer.written) for answer in answers), 1, 2)
    metrics = {
        "loss": float(loss.detach()),
        "grad_norm": norm if finite else 0.0,
        **pair_metrics(logprobs, options.beta),
        "learning_rate": options.learning_rate,
        "tokens": float(sum(answer.length for answer in answers)),
        "model_tokens": float(tokens_A.sum()),
        "samples_trained": float(len(answers)),
        "samples_too_long": float(len(received) - len(answers)),
        "updates": float(finite),
        "updates_skipped": float(not finite),
        **({} if flops is None else {"flops": flops}),
    }
    if not finite:
        raise NothingFiniteError(metrics)
    return metrics


@torch.no_grad()
def pair_metrics(pairs: PairLogprobs, beta: float) -> dict[str, float]:
    """Before the update. The reward of an answer is beta times the log-ratio of policy and reference, summed over its
    tokens, also where the loss takes means (arXiv 2305.18290, section 5.1)."""
    chosen_P = beta * (pairs.chosen_P - pairs.reference_chosen_P)
    rejected_P = beta * (pairs.rejected_P - pairs.reference_rejected_P)
    return {
        "rewards_chosen": float(chosen_P.mean()),
        "rewards_rejected": float(rejected_P.mean()),
        "rewards_margin": float((chosen_P - rejected_P).mean()),
        "rewards_accuracy": float((chosen_P > rejected_P).double().mean()),
        "logps_chosen": float(pairs.chosen_P.mean()),
        "logps_rejected": float(pairs.rejected_P.mean()),
    }


@torch.no_grad()
def logprob_sums(trainer: Trainer, reference: Decoder, answers: Sequence[Answer]) -> tuple[Tensor, Tensor]:
    """Of every answer under policy and reference, (A,) each, float64 on the CPU; the same on all ranks."""

    def add(found: dict[int, tuple[float, float]], part: Sequence[int]) -> None:
        chosen = [answers[index] for index in part]
        row_N = rows_of(chosen, trainer.device)
        sums = (
            logprobs_N.new_zeros(len(chosen), dtype=torch.float64).index_add(0, row_N, logprobs_N.double()).tolist()
            for logprobs_N in (
                written_logprobs(policy, chosen, trainer.passes, trainer.device)
                for policy in (trainer.policy, reference)
            )
        )
        found.update(zip(part, zip(*sums, strict=True), strict=True))

    found: dict[int, tuple[float, float]] = {}
    for each in trainer.ranks.gather(in_micro_batches(trainer, answers, dict[int, tuple[float, float]], add)):
        found.update(each)
    table_A2 = torch.tensor([found[index] for index in range(len(answers))], dtype=torch.float64)
    return table_A2[:, 0].clone(), table_A2[:, 1].clone()


def add_gradients(trainer: Trainer, answers: Sequence[Answer], derivatives_A: Tensor) -> None:
    """The gradient of this rank's share: that of each answer's sum, times its derivative."""
    weights_A = derivatives_A.to(trainer.device, torch.float32)

    def begin() -> None:
        trainer.optimizer.zero_grad(set_to_none=True)

    def add(_: None, part: Sequence[int]) -> None:
        chosen = [answers[index] for index in part]
        weights_N = weights_A[torch.tensor(part, device=trainer.device)][rows_of(chosen, trainer.device)]
        logprobs_N = written_logprobs(trainer.policy, chosen, trainer.passes, trainer.device)
        (logprobs_N * weights_N).sum().backward()

    in_micro_batches(trainer, answers, begin, add)


def rows_of(answers: Sequence[Answer], device: torch.device) -> Tensor:
    """Of which of them each written token is, (N,)."""
    counts = [answer.written for answer in answers]
    return torch.from_numpy(np.repeat(np.arange(len(answers)), counts)).to(device)


def written_logprobs(policy: Decoder, answers: Sequence[Answer], passes: Passes, device: torch.device) -> Tensor:
    """Of the tokens that the model writes, (N,); only their positions pay for the vocabulary."""
    row = pack([answer.example.ids for answer in answers], device)
    weights_T = torch.from_numpy(np.concatenate([answer.example.weights for answer in answers])).to(device)
    at_N = weights_T.nonzero().squeeze(1)
    hidden_ND = policy.hidden(row, passes).index_select(0, at_N - 1)
    return token_scores(hidden_ND, policy.output_weight_VD, row.ids_T[at_N]).logprobs_N
