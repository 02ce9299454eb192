"""What the learner does not take: malformed samples, steps out of order, leaders of the past."""

from __future__ import annotations

import gzip
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest
from tiny_learner import (
    MODEL,
    PROMPT,
    SHAPES,
    TRAJECTORIES,
    LearnerClient,
    model_directory,
    packed,
    policy_gradient,
    refused,
    scenario,
    step_messages,
    trajectory,
)

from gradus.learner.v1 import learner_pb2
from gradus.trajectory.v1 import trajectory_pb2


def broken(change: Callable[[trajectory_pb2.Trajectory], None]) -> bytes:
    message = trajectory(SHAPES[0], 0)
    change(message)
    return packed(message)


def drop_logprob(message: trajectory_pb2.Trajectory) -> None:
    del message.segments[1].logprobs[0]


def not_a_number(message: trajectory_pb2.Trajectory) -> None:
    message.segments[1].logprobs[0] = float("nan")


def unknown_kind(message: trajectory_pb2.Trajectory) -> None:
    message.segments[0].kind = trajectory_pb2.SEGMENT_KIND_UNSPECIFIED


def no_prompt(message: trajectory_pb2.Trajectory) -> None:
    del message.segments[0]


def other_temperature(message: trajectory_pb2.Trajectory) -> None:
    message.segments[1].sampling.temperature = 0.5


def nucleus(message: trajectory_pb2.Trajectory) -> None:
    message.segments[1].sampling.top_p = 0.5


def likeliest(message: trajectory_pb2.Trajectory) -> None:
    message.segments[1].sampling.top_k = 3


def beyond(message: trajectory_pb2.Trajectory) -> None:
    message.segments[0].token_ids[0] = 5000


def no_segments(message: trajectory_pb2.Trajectory) -> None:
    del message.segments[:]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain", "sample 1: trajectory is not gzip"),
        (gzip.compress(b"\xff\xff\xff"), "sample 1: trajectory is not a gradus.trajectory.v1.Trajectory"),
        (TRAJECTORIES[0][:-9], "sample 1: trajectory ends early"),
        (gzip.compress(bytes(65 * 1024 * 1024)), "larger than"),
        (broken(drop_logprob), "segments[1] has 4 logprobs for 5 tokens"),
        (broken(not_a_number), "segments[1].logprobs hold a value"),
        (broken(unknown_kind), "segments[0].kind is 0"),
        (broken(no_prompt), "segments[0].kind is not PROMPT"),
        (broken(other_temperature), "sampled at temperature 0.5"),
        (broken(nucleus), "segments[1] was sampled with top_p 0.5 and top_k 0; its log-probabilities are of the whole"),
        (broken(likeliest), "top_k 3; its log-probabilities are of the whole distribution"),
        (broken(beyond), "token id 5000 is beyond the vocabulary of 50"),
        (broken(no_segments), "segments are empty"),
    ],
)
def test_a_malformed_sample_is_named_and_nothing_is_applied(tmp_path: Path, data: bytes, text: str) -> None:
    model = model_directory(tmp_path / "model")

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        await refused(client.step(1, [TRAJECTORIES[0], data]), grpc.StatusCode.INVALID_ARGUMENT, text)
        assert (await client.describe(learner_pb2.DescribeRequest())).step == 0

    scenario(body)


def test_a_step_out_of_order_or_of_another_run_or_miscounted_is_refused(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")
    failed, invalid = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT

    async def body(client: LearnerClient) -> None:
        await refused(client.step(1, TRAJECTORIES), failed, "call OpenRun first")
        await client.open(tmp_path / "run", model)
        await refused(client.step(2, TRAJECTORIES), failed, "send 1")
        await refused(client.step(0, TRAJECTORIES), failed, "send 1")
        await refused(client.step(1, TRAJECTORIES, run_id="x"), failed, "run_id is 'x'")
        await refused(client.step(1, TRAJECTORIES, samples=5), invalid, "4 samples came, the header says 5")
        await refused(client.step(1, TRAJECTORIES, samples=3), invalid, "more samples came")
        await refused(client.step(1, [], samples=0), invalid, "samples is 0")
        await refused(client.send([]), invalid, "the stream is empty")
        await refused(client.send(step_messages(1, TRAJECTORIES)[1:]), invalid, "must be the header")
        bad = policy_gradient(learning_rate=1e-3, aggregation="mean")
        await refused(client.step(1, TRAJECTORIES, objective=bad), invalid, "policy_gradient.aggregation is mean")

    scenario(body)


def test_a_run_cannot_be_opened_over_another_or_from_a_bad_model(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")
    invalid = grpc.StatusCode.INVALID_ARGUMENT

    async def body(client: LearnerClient) -> None:
        await refused(client.open(Path("run"), model), invalid, "directory is 'run'; it must be an absolute path")
        await refused(client.open(tmp_path / "run", tmp_path / "no"), invalid, "config.json: not found")
        await client.open(tmp_path / "run", model)
        await client.step(1, TRAJECTORIES, checkpoint=True)
        await refused(
            client.open(tmp_path / "run", model), grpc.StatusCode.FAILED_PRECONDITION, "already has checkpoint"
        )

    scenario(body)


def test_samples_beyond_the_memory_bound_are_refused(tmp_path: Path) -> None:
    """P6: bounded memory."""
    model = model_directory(tmp_path / "model")
    big = trajectory(((PROMPT, 4), (MODEL, 3)), 1)
    big.segments[0].text = os.urandom(700_000).hex()

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        await refused(client.step(1, [packed(big)] * 3), grpc.StatusCode.INVALID_ARGUMENT, "max-step-mebibytes")

    scenario(body, max_step_mebibytes=1)


def test_p1_a_leader_of_the_past_opens_nothing_and_trains_nothing(tmp_path: Path) -> None:
    """P1: a coordinator that was frozen wakes up when the next one leads."""
    model = model_directory(tmp_path / "model")
    failed = grpc.StatusCode.FAILED_PRECONDITION
    text = "epoch is 7, but a coordinator of epoch 9 leads"

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model, epoch=7)
        assert (await client.step(1, TRAJECTORIES, epoch=7)).applied
        await client.open(tmp_path / "run", model, resume=True, epoch=9)
        await refused(client.step(2, TRAJECTORIES, epoch=7), failed, text)
        await refused(client.step(1, TRAJECTORIES, epoch=7), failed, text)
        await refused(client.open(tmp_path / "other", model, epoch=7), failed, text)
        described = await client.describe(learner_pb2.DescribeRequest())
        assert (described.run_id, described.step) == ("r", 1)
        assert not (await client.step(1, TRAJECTORIES, epoch=9)).applied
        assert (await client.step(2, TRAJECTORIES, epoch=9)).applied
        await refused(client.step(3, TRAJECTORIES), failed, "epoch is 0, but a coordinator of epoch 9 leads")

    scenario(body)


def test_p1_a_step_whose_samples_were_still_coming_in_when_the_next_leader_came_is_not_applied(tmp_path: Path) -> None:
    """P1: none counts twice."""
    model = model_directory(tmp_path / "model")

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model, epoch=7)
        messages = step_messages(1, TRAJECTORIES, epoch=7)

        async def slow() -> AsyncIterator[learner_pb2.TrainStepRequest]:
            for message in messages[:-1]:
                yield message
            await client.open(tmp_path / "run", model, resume=True, epoch=9)
            yield messages[-1]

        await refused(client.send_slowly(slow()), grpc.StatusCode.FAILED_PRECONDITION, "epoch 9 leads")
        assert (await client.describe(learner_pb2.DescribeRequest())).step == 0

    scenario(body)
