"""Numbers that cannot be are refused or named, wherever they enter or leave."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest
import torch
from test_learner_service import same_weights
from tiny_learner import (
    SHAPES,
    TRAJECTORIES,
    LearnerClient,
    model_directory,
    packed,
    policy_gradient,
    refused,
    scenario,
    trajectory,
)

from gradus.learner.v1 import learner_pb2
from gradus_learner.models.dense import Dense

FAILED, INVALID = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT


def test_a_step_that_leaves_weights_that_are_not_finite_is_refused_and_never_written(tmp_path: Path) -> None:
    """P9: nothing is silent."""
    model = model_directory(tmp_path / "model")
    run, other = tmp_path / "run", tmp_path / "other"

    async def body(client: LearnerClient) -> None:
        await client.open(run, model)
        await client.step(1, TRAJECTORIES, checkpoint=True)
        policy = client.run.policy if client.run else None
        assert isinstance(policy, Dense)
        handle = policy.model.norm.register_forward_hook(spoil)
        with pytest.raises(grpc.RpcError, match=r"the run ends\. Resume it to train the step once more") as raised:
            await client.step(2, TRAJECTORIES)
        assert raised.value.code() == INVALID
        assert "step 2 gave weights that are not finite: model.norm.weight" in (raised.value.details() or "")
        handle.remove()
        assert sorted(path.name for path in (run / "versions").iterdir()) == ["000001"]
        await refused(client.step(2, TRAJECTORIES), FAILED, "open the run again")
        assert (await client.open(run, model, resume=True)).step == 1
        assert (await client.step(2, TRAJECTORIES)).applied
        await client.open(other, model)
        for step in (1, 2):
            await client.step(step, TRAJECTORIES)
        assert same_weights(run / "versions" / "000002", other / "versions" / "000002")

    scenario(body)


def spoil(module: torch.nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
    """The gradient is finite, one weight is not: as after an update beyond what a float32 holds."""
    with torch.no_grad():
        module.get_parameter("weight")[3] = float("inf")
    return torch.nan_to_num(output, nan=0.0, posinf=1.0, neginf=-1.0).detach() * module.get_parameter("weight")[0]


def test_metrics_that_are_not_finite_are_absent_with_what_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_directory(tmp_path / "model")

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        algorithm = policy_gradient(learning_rate=1e-3, clip_low=0.2, clip_high=0.28, epochs=2)
        answer = await client.step(1, TRAJECTORIES, objective=algorithm, checkpoint=True)
        assert answer.applied
        assert dict(answer.absent_metrics) == {"loss": "nan"}
        assert "loss" not in answer.metrics
        assert (answer.metrics["updates"], answer.metrics["updates_skipped"]) == (1, 1)
        assert client.registry.get_sample_value("gradus_learner_skipped_updates_total") == 1
        assert not same_weights(model, answer.weights_path)
        await client.written()
        json.loads((Path(answer.checkpoint_path) / "state.json").read_text(), parse_constant=pytest.fail)

    from gradus_learner.objectives.surrogates import surrogate_loss
    from gradus_learner.train.rollouts import TokenLoss

    factors = [float("nan"), 1.0]

    def not_a_number_at_first(*arguments: object) -> TokenLoss:
        result = surrogate_loss(*arguments)  # pyright: ignore[reportArgumentType]
        return type(result)(**{**vars(result), "loss_N": result.loss_N * factors.pop(0)})

    monkeypatch.setattr("gradus_learner.objectives.policy_gradient.surrogate_loss", not_a_number_at_first)
    scenario(body)


def test_a_step_without_a_finite_update_is_skipped_and_the_next_goes_on_from_the_weights_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P9: nothing is silent."""
    model = model_directory(tmp_path / "model")
    run, other = tmp_path / "run", tmp_path / "other"
    factor = 1.0

    async def skipping(client: LearnerClient) -> None:
        nonlocal factor
        await client.open(run, model)
        good = await client.step(1, TRAJECTORIES)
        for step, bad in ((2, float("nan")), (3, float("inf"))):
            factor = bad
            answer = await client.step(step, TRAJECTORIES, checkpoint=True)
            assert (answer.applied, answer.weights_digest) == (True, good.weights_digest)
            assert (answer.metrics["updates"], answer.metrics["updates_skipped"]) == (0, 2)
            assert answer.metrics["grad_norm"] == 0
            assert not (await client.step(step, TRAJECTORIES)).applied
        assert client.registry.get_sample_value("gradus_learner_skipped_updates_total") == 4

    async def going_on(client: LearnerClient) -> None:
        nonlocal factor
        factor = 1.0
        assert (await client.open(run, model, resume=True)).step == 3
        await client.step(4, TRAJECTORIES)
        await client.open(other, model)
        for step in (1, 2):
            await client.step(step, TRAJECTORIES)
        assert same_weights(run / "versions" / "000004", other / "versions" / "000002")

    from gradus_learner.objectives.surrogates import surrogate_loss
    from gradus_learner.train.rollouts import TokenLoss

    def scaled(*arguments: object) -> TokenLoss:
        result = surrogate_loss(*arguments)  # pyright: ignore[reportArgumentType]
        return type(result)(**{**vars(result), "loss_N": result.loss_N * factor})

    monkeypatch.setattr("gradus_learner.objectives.policy_gradient.surrogate_loss", scaled)
    scenario(skipping)
    scenario(going_on)


@pytest.mark.parametrize("advantage", [float("nan"), float("inf"), 1e39])
def test_a_sample_whose_advantage_is_not_finite_is_refused_by_name(tmp_path: Path, advantage: float) -> None:
    model = model_directory(tmp_path / "model")
    sample = learner_pb2.StepSample(trajectory=TRAJECTORIES[1], advantage=advantage)

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        header = learner_pb2.StepHeader(run_id="r", step=1, samples=1, objective=policy_gradient(learning_rate=1e-3))
        messages = [learner_pb2.TrainStepRequest(header=header), learner_pb2.TrainStepRequest(sample=sample)]
        await refused(client.send(messages), INVALID, f"sample 0: advantage of 't1' is {advantage}; it must be finite")

    scenario(body)


def test_all_samples_with_numbers_that_cannot_be_are_said_at_once_by_id_and_field(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")
    bad = trajectory(SHAPES[0], 0)
    bad.segments[1].logprobs[2] = float("nan")
    bad.segments[3].logprobs[0] = float("inf")
    header = learner_pb2.StepHeader(run_id="r", step=1, samples=3, objective=policy_gradient(learning_rate=1e-3))
    sent = [
        learner_pb2.StepSample(trajectory=packed(bad), advantage=float("-inf")),
        learner_pb2.StepSample(trajectory=TRAJECTORIES[1], advantage=1.0),
        learner_pb2.StepSample(trajectory=TRAJECTORIES[2], advantage=float("nan")),
    ]
    messages = [
        learner_pb2.TrainStepRequest(header=header),
        *(learner_pb2.TrainStepRequest(sample=sample) for sample in sent),
    ]
    not_one = "a value that is not a log-probability (finite, at most 0)"

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        text = (
            "2 of 3 samples cannot be trained on: sample 0: advantage of 't0' is -inf; it must be finite as a 32-bit "
            f"number; segments[1].logprobs hold {not_one}: nan at 2, 1 of 5 in 't0'; segments[3].logprobs hold "
            f"{not_one}: inf at 0, 1 of 3 in 't0'; sample 2: advantage of 't2' is nan"
        )
        await refused(client.send(messages), INVALID, text)
        assert (await client.step(1, TRAJECTORIES)).applied

    scenario(body)


def test_a_batch_whose_samples_are_all_masked_learns_nothing_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """P9: nothing is silent."""
    # Tests of logging leave levels behind.
    caplog.set_level("INFO", logger="gradus")
    model = model_directory(tmp_path / "model")
    header = learner_pb2.StepHeader(run_id="r", step=1, samples=1, objective=policy_gradient(mask_truncated=True))
    sample = learner_pb2.StepSample(trajectory=TRAJECTORIES[1], advantage=1.0, truncated=True)
    messages = [learner_pb2.TrainStepRequest(header=header), learner_pb2.TrainStepRequest(sample=sample)]

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        answer = await client.send(messages)
        assert same_weights(model, answer.weights_path)
        assert (answer.metrics["updates"], answer.metrics["samples_trained"]) == (0, 0)
        assert answer.metrics["grad_norm"] == 0

    scenario(body)
    assert any("nothing was learned: no sample of the step carries loss" in line for line in caplog.messages)


def test_the_numbers_of_an_algorithm_are_bounded_and_all_problems_are_said(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")
    bad = policy_gradient(
        learning_rate=float("nan"), clip_low=-1, clip_high=float("inf"), epochs=10**9, weight_decay=2, mismatch_cap=-3
    )

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        for text in (
            "policy_gradient.learning_rate is nan; it must be from 0 to 1",
            "policy_gradient.clip_low is -1.0; it must be from 0 to 1",
            "policy_gradient.clip_high is inf; it must be from 0 to 10",
            "policy_gradient.epochs is 1000000000; it must be from 1 to 100",
            "policy_gradient.weight_decay is 2.0; it must be from 0 to 1",
            "policy_gradient.mismatch_cap is -3.0; it must be from 0 to 1000",
        ):
            await refused(client.step(1, TRAJECTORIES, objective=bad), INVALID, text)

    scenario(body)


def test_an_epoch_that_cannot_be_is_refused(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")

    async def body(client: LearnerClient) -> None:
        await refused(client.open(tmp_path / "run", model, epoch=2**53), INVALID, "must be at most 2^53 - 1")
        await client.open(tmp_path / "run", model, epoch=5)
        await refused(client.open(tmp_path / "run", model, resume=True), FAILED, "epoch is 0, but a coordinator of")

    scenario(body)
