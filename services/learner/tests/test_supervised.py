"""Supervised steps: whose tokens carry loss, the gradient, and steps over real gRPC."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import cast

import grpc
import numpy as np
import pytest
import torch
from tiny_learner import (
    CONFIG,
    ENVIRONMENT,
    MODEL,
    PROMPT,
    TRAJECTORIES,
    LearnerClient,
    intake,
    model_directory,
    objective,
    random_policy,
    refused,
    samples,
    scenario,
)
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.nn import functional as F

from gradus.trajectory.v1 import trajectory_pb2
from gradus_learner.objectives.objective import OptionsError, Packed, TrainingError
from gradus_learner.objectives.policy_gradient import PolicyGradient
from gradus_learner.objectives.registry import objective_of
from gradus_learner.objectives.supervised import Supervised, train_supervised
from gradus_learner.train.example import Example
from gradus_learner.train.sample import SampleError
from gradus_learner.train.trainer import Trainer

WORDS = {"what": 7, "is": 8, "it": 9, "blue": 10, "page": 11}


def words(text: str) -> list[int]:
    return [WORDS[word] for word in text.split()]


def row(*segments: tuple[int, str], end: bool = True) -> bytes:
    trajectory = trajectory_pb2.Trajectory(task_id="row")
    for kind, text in segments:
        segment = trajectory.segments.add(text=text)
        segment.kind = cast("trajectory_pb2.SegmentKind", kind)
        if end and kind == MODEL:
            segment.finish_reason = trajectory_pb2.FINISH_REASON_STOP
    return gzip.compress(trajectory.SerializeToString())


def decoded(data: bytes, objective: Supervised, tokenizer_hash: str = "") -> Example:
    taken = intake(tokenizer_hash=tokenizer_hash, encode=words)
    return objective.decode(Packed(data), taken)


PLAIN = Supervised(learning_rate=1e-2)


def test_only_what_the_model_writes_carries_loss_and_its_end_is_learnt() -> None:
    example = decoded(row((PROMPT, "what is it"), (MODEL, "blue"), (ENVIRONMENT, "page"), (MODEL, "it is")), PLAIN)
    assert example.ids.tolist() == [7, 8, 9, 10, 3, 11, 9, 8, 3]
    assert example.weights.tolist() == [0, 0, 0, 1, 1, 0, 1, 1, 1]
    weighed = decoded(row((PROMPT, "what is it"), (MODEL, "blue")), Supervised(1e-2, context_weight=0.25))
    assert weighed.weights.tolist() == [0, 0.25, 0.25, 1, 1]
    # Plain text has nothing before its first token.
    assert decoded(row((MODEL, "what is it"), end=False), PLAIN).weights.tolist() == [0, 1, 1]


def test_p4_tokens_that_a_policy_sampled_are_trained_on_as_they_are() -> None:
    example = decoded(TRAJECTORIES[0], PLAIN)
    trajectory = trajectory_pb2.Trajectory()
    trajectory.ParseFromString(gzip.decompress(TRAJECTORIES[0]))
    ids = [token for segment in trajectory.segments for token in segment.token_ids]
    assert example.ids.tolist() == ids
    assert example.is_model.sum() == sum(len(s.token_ids) for s in trajectory.segments if s.kind == MODEL)
    trajectory.segments[0].token_ids[0] += 1
    with pytest.raises(SampleError, match="digest differs"):
        decoded(gzip.compress(trajectory.SerializeToString()), PLAIN)


@pytest.mark.parametrize(
    ("segments", "text"),
    [
        (((PROMPT, "what is it"),), "no token that is trained on"),
        (((MODEL, ""),), "has 1 tokens"),
        (((0, "what"),), r"segments\[0\].kind is 0"),
    ],
)
def test_a_row_without_anything_to_learn_is_refused(segments: tuple[tuple[int, str], ...], text: str) -> None:
    with pytest.raises(SampleError, match=text):
        decoded(row(*segments), PLAIN)


def test_options_are_bounded_and_all_problems_are_said() -> None:
    with pytest.raises(OptionsError, match=r"supervised.learning_rate is 0; .*; supervised.weight_decay is 2; "):
        Supervised(0, weight_decay=2)
    with pytest.raises(
        OptionsError,
        match=r"supervised.beta2 is 1.0; .*; supervised.precision is half; it must be one of learner, float32, ",
    ):
        objective_of("supervised", {"learning_rate": 1.0, "beta2": 1.0, "precision": "half"})
    assert objective_of("supervised", {"learning_rate": 1.0}) == Supervised(1)


def test_the_gradient_is_that_of_the_mean_cross_entropy_whatever_the_micro_batches() -> None:
    rows = [row((PROMPT, "what is it"), (MODEL, "blue")), row((PROMPT, "page"), (MODEL, "it is blue page it is"))]
    examples = [decoded(data, PLAIN) for data in rows]
    policy = random_policy()
    losses = []
    for example in examples:
        logits = policy(torch.from_numpy(example.ids)[None])[0]
        at = np.flatnonzero(example.weights)
        losses.append(F.cross_entropy(logits[at - 1], torch.from_numpy(example.ids[at]), reduction="none"))
    expected = torch.cat(losses).mean()
    expected.backward()
    gradients = {
        name: parameter.grad.clone() for name, parameter in policy.named_parameters() if parameter.grad is not None
    }
    for budget in (4, 1000):
        again = random_policy()
        metrics = train_supervised(Trainer(again, budget), examples, Supervised(1e-9, max_grad_norm=1e6))
        assert metrics["loss"] == pytest.approx(float(expected), rel=1e-5)
        assert metrics["model_tokens"] == 9
        for name, parameter in again.named_parameters():
            assert parameter.grad is not None
            torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-4, atol=1e-6)


def test_sequences_that_are_too_long_are_left_out_and_counted_and_a_step_of_nothing_else_is_refused() -> None:
    short, long = (decoded(row((PROMPT, "what"), (MODEL, text)), PLAIN) for text in ("blue", "it is blue page it is"))
    limited = Supervised(1e-3, max_tokens=4)
    alone, both = random_policy(), random_policy()
    expected = train_supervised(Trainer(alone, 1000), [short], PLAIN)
    metrics = train_supervised(Trainer(both, 1000), [long, short], limited)
    assert (metrics["samples_trained"], metrics["samples_too_long"], metrics["tokens"]) == (1, 1, 3)
    assert metrics["loss"] == expected["loss"]
    with pytest.raises(TrainingError, match="all 1 samples have more than 4 tokens; raise max_tokens"):
        train_supervised(Trainer(both, 1000), [long], limited)


def test_the_second_step_of_adamw_is_that_of_its_formula_with_the_beta2_of_the_step() -> None:
    """Kingma and Ba 2015, algorithm 1; a policy gradient afterwards has its own again."""
    examples = [decoded(row((PROMPT, "what is it"), (MODEL, "blue")), PLAIN)]
    policy = random_policy()
    trainer = Trainer(policy, 1000)
    rate, beta1, beta2, parameter = 1e-3, 0.9, 0.5, policy.model.norm.weight
    first, second = torch.zeros_like(parameter), torch.zeros_like(parameter)
    for step in (1, 2):
        before = parameter.detach().clone()
        train_supervised(trainer, examples, Supervised(rate, max_grad_norm=1e6, beta2=beta2))
        assert parameter.grad is not None
        first = beta1 * first + (1 - beta1) * parameter.grad
        second = beta2 * second + (1 - beta2) * parameter.grad**2
        moved = rate * (first / (1 - beta1**step)) / ((second / (1 - beta2**step)).sqrt() + 1e-8)
        torch.testing.assert_close(parameter.detach(), before - moved, rtol=1e-5, atol=1e-7)
    PolicyGradient().train(trainer, samples(), 1.0)
    assert {group["betas"] for group in trainer.optimizer.param_groups} == {(0.9, 0.999)}


def test_passes_in_bfloat16_lose_digits_and_leave_weights_in_float32() -> None:
    examples = [decoded(row((PROMPT, "what is it"), (MODEL, "blue page")), PLAIN)]
    losses: list[float] = []
    for options in (PLAIN, Supervised(1e-2, precision="bfloat16")):
        policy = random_policy()
        losses.append(train_supervised(Trainer(policy, 1000), examples, options)["loss"])
        assert {parameter.dtype for parameter in policy.parameters()} == {torch.float32}
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=2e-2)


def tokenized_model(directory: Path) -> Path:
    model = model_directory(directory)
    vocabulary = {f"t{index}": index for index in range(CONFIG.vocab_size) if index not in WORDS.values()}
    tokenizer = Tokenizer(models.WordLevel({**vocabulary, **WORDS}, unk_token="t0"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(model / "tokenizer.json"))
    return model


def test_the_learner_learns_rows_of_text_step_by_step_and_answers_a_repeated_step_from_its_record(
    tmp_path: Path,
) -> None:
    model = tokenized_model(tmp_path / "model")
    data = [row((PROMPT, "what is it"), (MODEL, "blue")), row((PROMPT, "page"), (MODEL, "it is blue"))]
    taught = objective("supervised", learning_rate=2e-2)

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        answers = [await client.step(step, data, objective=taught, checkpoint=step == 30) for step in range(1, 31)]
        losses, answer = [each.metrics["loss"] for each in answers], answers[-1]
        assert losses[-1] < 0.2 < losses[0]
        assert answer.metrics["token_accuracy"] == 1
        again = await client.step(30, data, objective=taught)
        assert not again.applied
        assert again.weights_digest == answer.weights_digest
        bad = objective("supervised", learning_rate=2)
        await refused(
            client.step(31, data, objective=bad),
            grpc.StatusCode.INVALID_ARGUMENT,
            "supervised.learning_rate is 2.0",
        )
        sampled = trajectory_pb2.Trajectory()
        sampled.ParseFromString(gzip.decompress(TRAJECTORIES[0]))
        sampled.tokenizer_hash = hashlib.sha256((model / "tokenizer.json").read_bytes()).hexdigest()
        both = [*data, gzip.compress(sampled.SerializeToString())]
        mixed = await client.step(31, both, objective=taught)
        assert mixed.applied
        assert mixed.metrics["samples_trained"] == 3

    scenario(body)
