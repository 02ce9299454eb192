from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradus_client
import grpc
import pytest
import torch
from coordinator import Coordinator, coordinator
from gradus_client import Client, GradusError, Run, Step
from tiny_learner import SHAPES, TRAJECTORIES, model_directory, packed, random_policy, trajectory
from transformers import AutoModelForCausalLM

from gradus_learner.models.load import load_policy
from gradus_learner.serve.config import ConfigError

PAD = 0


@dataclass
class Place:
    client: Client
    coordinator: Coordinator
    model: Path
    run: Path

    def open(self, **more: Any) -> Run:
        self.coordinator.open(self.run, self.model, **more)
        return self.client.run()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with gradus_client.listen() as client, coordinator(client.address) as calls:
        yield Place(client, calls, model_directory(tmp_path / "model"), tmp_path / "run")


def logprobs_of(model: Any, step: Step) -> torch.Tensor:
    """(B, R) of the responses, at temperature 1."""
    batch = step.as_tensors(PAD)
    mask = batch.attention_mask_BT
    places = (mask.cumsum(1) - 1).clamp(min=0)
    logits = model(input_ids=batch.input_ids_BT, attention_mask=mask, position_ids=places).logits
    first = batch.prompts_BP.shape[1]
    table = torch.log_softmax(logits[:, first - 1 : -1].float(), -1)
    return table.gather(-1, batch.responses_BR[:, :, None])[:, :, 0]


def train(model: Any, optimizer: torch.optim.Optimizer, step: Step) -> dict[str, float]:
    batch = step.as_tensors(PAD)
    optimizer.zero_grad()
    logprobs_BR = logprobs_of(model, step)
    loss = -(logprobs_BR * batch.advantages_B[:, None] * batch.loss_mask_BR).sum() / batch.loss_mask_BR.sum()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), step.objective.max_grad_norm)
    optimizer.step()
    return {"loss": float(loss.detach()), "grad_norm": float(norm)}


def taken(run: Run) -> Step:
    step = run.next_step()
    assert step is not None
    return step


def code_of(call: Future[Any]) -> tuple[grpc.StatusCode, str]:
    error: Any = call.exception()
    assert isinstance(error, grpc.RpcError), error
    return error.code(), error.details() or ""


def test_a_loop_in_torch_trains_a_run_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    model_path, home = model_directory(tmp_path / "model"), tmp_path / "run"
    with gradus_client.listen() as client, coordinator(client.address) as calls:
        opened = calls.open(home, model_path)
        assert (opened.step, opened.weights_path) == (0, str(model_path))
        run = client.run()
        assert (run.step, run.weights, run.optimizer_state()) == (0, model_path, None)
        model = AutoModelForCausalLM.from_pretrained(run.weights)
        model.train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        asked = calls.step(1, TRAJECTORIES)
        step = taken(run)
        batch = step.as_tensors(PAD)
        # The engine's log-probabilities are those of these weights.
        mask = batch.loss_mask_BR.bool()
        torch.testing.assert_close(logprobs_of(model, step)[mask], batch.rollout_logprobs_BR[mask])
        metrics = train(model, optimizer, step)
        step.done(model, metrics, optimizer=optimizer)
        first = asked.result()
        assert (first.step, first.applied) == (1, True)
        assert first.metrics["loss"] == pytest.approx(metrics["loss"])
        assert (first.metrics["samples_trained"], first.metrics["token_mismatches"]) == (4, 0)
        probe = json.loads((Path(first.weights_path) / "probe.json").read_text())
        assert len(probe["logprobs"]) == len(probe["tokenIds"]) - 1
        assert model.training
        # Sent twice, it is answered from its record (P1).
        again = calls.step(1, TRAJECTORIES).result()
        assert (again.applied, again.weights_digest) == (False, first.weights_digest)

        asked = calls.step(2, TRAJECTORIES, checkpoint=True)
        step = taken(run)
        step.done(model, train(model, optimizer, step), optimizer=optimizer)
        answer = asked.result()
        version = Path(answer.weights_path)
        written = dict(load_policy(version).named_parameters())
        for name, value in model.named_parameters():
            torch.testing.assert_close(value, written[name])
        assert Path(answer.checkpoint_path).name == "step-000002"

    with gradus_client.listen() as client, coordinator(client.address) as calls:
        opened = calls.open(home, model_path, resume=True)
        assert (opened.step, opened.weights_digest) == (2, answer.weights_digest)
        assert Path(opened.weights_path) == version
        run = client.run()
        resumed = AutoModelForCausalLM.from_pretrained(run.weights)
        for name, value in resumed.named_parameters():
            torch.testing.assert_close(value, written[name])
        moments = run.optimizer_state()["state"][0]["exp_avg"]
        torch.testing.assert_close(moments, optimizer.state_dict()["state"][0]["exp_avg"])


def test_samples_that_are_not_trained_on_are_left_out_and_counted(place: Place) -> None:
    odd = trajectory(SHAPES[0], 9, random_policy())
    odd.sequence_digest = b"0" * 32
    run = place.open()
    asked = place.coordinator.step(1, [*TRAJECTORIES, packed(odd)])
    step = taken(run)
    assert [len(step.samples), [each.task_id for each in step.left_out], len(step.groups)] == [4, ["t9"], 4]
    step.done(AutoModelForCausalLM.from_pretrained(run.weights).state_dict())
    assert asked.result().metrics["token_mismatches"] == 1


def test_weights_that_are_not_the_model_s_are_refused_on_both_sides(place: Place) -> None:
    run = place.open()
    asked = place.coordinator.step(1, TRAJECTORIES)
    state = AutoModelForCausalLM.from_pretrained(run.weights).state_dict()
    del state["model.norm.weight"]
    state["extra"] = torch.zeros(2)
    state["model.embed_tokens.weight"] = torch.zeros(3, 16)
    step = taken(run)
    with pytest.raises(GradusError, match=r"missing tensors: model\.norm\.weight; unknown tensors: extra; shapes: m"):
        step.done(state)
    code, text = code_of(asked)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "unknown tensors: extra" in text
    assert not (place.run / "versions").exists()
    with pytest.raises(GradusError, match="step 1 has its answer already"):
        step.done(state)


def test_weights_that_are_not_finite_are_never_written(place: Place) -> None:
    run = place.open()
    asked = place.coordinator.step(1, TRAJECTORIES)
    state = AutoModelForCausalLM.from_pretrained(run.weights).state_dict()
    state["model.norm.weight"][0] = float("nan")
    with pytest.raises(GradusError, match=r"not finite: model\.norm\.weight holds 1 of 16"):
        taken(run).done(state)
    assert code_of(asked)[0] == grpc.StatusCode.INVALID_ARGUMENT
    assert not (place.run / "versions").exists()
    # Opened again it is another run, from where the last version or checkpoint was.
    again = place.open(resume=True)
    assert (again is run, again.step, run.ended) == (False, 0, True)
    assert list(run.steps()) == []


def test_metrics_that_are_no_numbers_are_refused_and_those_that_are_not_finite_are_named(place: Place) -> None:
    run = place.open()
    state = AutoModelForCausalLM.from_pretrained(run.weights).state_dict()
    asked = place.coordinator.step(1, TRAJECTORIES)
    with pytest.raises(GradusError, match="metrics must be numbers: loss is 'low'"):
        taken(run).done(state, {"loss": "low"})
    assert code_of(asked)[0] == grpc.StatusCode.INVALID_ARGUMENT
    asked = place.coordinator.step(1, TRAJECTORIES)
    taken(run).done(state, {"loss": float("inf"), "grad_norm": torch.tensor(2.0)})
    answer = asked.result()
    assert (dict(answer.absent_metrics), answer.metrics["grad_norm"]) == ({"loss": "inf"}, 2.0)


def test_a_step_that_the_trainer_refuses_ends_with_its_reason(place: Place) -> None:
    run = place.open()
    asked = place.coordinator.step(1, TRAJECTORIES)
    taken(run).refuse("its prompts are too long")
    assert code_of(asked) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "the trainer refuses step 1: its prompts are too long",
    )


def test_p1_a_step_that_the_trainer_left_is_taken_by_the_next_one_who_asks(place: Place) -> None:
    run = place.open()
    asked = place.coordinator.step(1, TRAJECTORIES)
    for _ in run.steps():
        break
    assert code_of(asked) == (grpc.StatusCode.UNAVAILABLE, "the trainer left step 1 of run r without an answer")
    asked = place.coordinator.step(1, TRAJECTORIES)
    for step in run.steps():
        step.done(AutoModelForCausalLM.from_pretrained(run.weights))
        break
    assert asked.result().applied
    assert list(run.steps(idle_seconds=0.01)) == []


def test_a_client_that_closes_fails_the_step_at_hand_at_once(place: Place) -> None:
    run = place.open()
    asked = place.coordinator.step(1, TRAJECTORIES)
    step = taken(run)
    place.client.close()
    assert code_of(asked) == (grpc.StatusCode.UNAVAILABLE, "the trainer has ended")
    assert list(run.steps()) == []
    assert list(place.client.runs()) == []
    with pytest.raises(GradusError, match="has its answer already"):
        step.done({})


def test_another_run_ends_the_steps_of_the_one_before(place: Place, tmp_path: Path) -> None:
    first = place.open()
    place.coordinator.open(tmp_path / "other", place.model, run_id="other")
    assert list(first.steps()) == []
    assert place.client.run().run_id == "other"


def test_p1_an_old_leader_is_refused(place: Place) -> None:
    place.open(epoch=5)
    code, text = code_of(place.coordinator.step(1, TRAJECTORIES, epoch=4))
    assert (code, "epoch" in text) == (grpc.StatusCode.FAILED_PRECONDITION, True)


def test_what_a_trainer_cannot_do_is_refused_with_what_to_do(place: Place) -> None:
    with pytest.raises(grpc.RpcError, match=r"model\.lora is of Gradus's own learner; leave it out"):
        place.open(lora={"rank": 4, "alpha": 8})
    with pytest.raises(ConfigError, match="root is no setting; did you mean roots"):
        gradus_client.listen(root=("/",))
    with pytest.raises(ConfigError, match=r"grpc is '127\.0\.0\.1:\d+': the port is in use"):
        gradus_client.listen(place.client.address)
