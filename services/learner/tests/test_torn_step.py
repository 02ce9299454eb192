from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import grpc
import pytest
from test_learner_service import TRAJECTORIES, refused, same_weights, scenario
from tiny_learner import LearnerClient, model_directory

from gradus_learner.models import memory
from gradus_learner.objectives.surrogates import surrogate_loss


def test_p1_a_step_that_breaks_off_between_its_updates_is_never_built_upon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P1: no rollout counts twice."""
    model = model_directory(tmp_path / "model")
    run, other = tmp_path / "run", tmp_path / "other"
    calls = 0

    def breaks_once(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        # Two updates a step, one micro-batch each.
        if calls == 4:
            raise MemoryError("no memory for the second update of the second step")
        return surrogate_loss(*arguments)

    async def broken(client: LearnerClient) -> None:
        await client.open(run, model)
        await client.step(1, TRAJECTORIES, checkpoint=True)
        await refused(client.step(2, TRAJECTORIES), grpc.StatusCode.INTERNAL, "MemoryError: no memory")
        for step in (1, 2):
            again = client.step(step, TRAJECTORIES, checkpoint=True)
            await refused(again, grpc.StatusCode.FAILED_PRECONDITION, "step 2 of run r broke off; open the run again")
        assert (await client.open(run, model, resume=True)).step == 1
        assert (await client.step(2, TRAJECTORIES)).applied

    async def whole(client: LearnerClient) -> None:
        await client.open(other, model)
        for step in (1, 2):
            await client.step(step, TRAJECTORIES)

    monkeypatch.setattr("gradus_learner.objectives.policy_gradient.surrogate_loss", breaks_once)
    scenario(broken)
    scenario(whole)
    assert same_weights(run / "versions" / "000002", other / "versions" / "000002")


def test_p10_a_run_that_is_opened_anew_has_the_memory_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P10: two policies with their training state need not fit side by side."""
    model = model_directory(tmp_path / "model")

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        await client.step(1, TRAJECTORIES, checkpoint=True)
        assert client.run is not None
        before = weakref.ref(client.run.trainer.policy)
        monkeypatch.setattr(memory, "available_bytes", lambda _device: 2**40 if before() is None else 2**10)
        # Refused for another reason, it still has its run.
        await refused(
            client.open(tmp_path / "run", model), grpc.StatusCode.FAILED_PRECONDITION, "already has checkpoint"
        )
        assert (await client.step(2, TRAJECTORIES)).applied
        assert (await client.open(tmp_path / "next", model)).step == 0

    scenario(body)
