from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import torch
from test_checkpoint import full_disk
from tiny_learner import (
    SHAPES,
    TRAJECTORIES,
    LearnerClient,
    model_directory,
    packed,
    policy_gradient,
    random_policy,
    refused,
    scenario,
    trajectory,
)

from gradus.learner.v1 import learner_pb2
from gradus_learner.models.load import load_policy


def same_weights(left: str | Path, right: str | Path) -> bool:
    pairs = zip(load_policy(left).parameters(), load_policy(right).parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_run_opens_trains_and_leaves_versions_and_checkpoints(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")
    (model / "tokenizer.json").write_text("{}")
    digest = hashlib.sha256(b"{}").hexdigest()
    data = [
        packed(trajectory(shape, seed, random_policy(), tokenizer_hash=digest)) for seed, shape in enumerate(SHAPES)
    ]

    async def body(client: LearnerClient) -> None:
        run = tmp_path / "run"
        opened = await client.open(run, model)
        assert (opened.step, opened.version, opened.weights_path) == (0, 0, str(model))
        assert opened.tokenizer_hash == digest
        for step in range(1, 6):
            answer = await client.step(step, data, checkpoint=step % 2 == 0)
            assert (answer.step, answer.version, answer.applied) == (step, step, True)
            assert answer.weights_path == str(run / "versions" / f"{step:06d}")
            assert answer.metrics["mismatch_max"] < 1e-4 or step > 1
            assert answer.metrics["token_mismatches"] == 0
            assert bool(answer.checkpoint_path) == (step % 2 == 0)
        assert sorted(path.name for path in (run / "versions").iterdir()) == ["000003", "000004", "000005"]
        await client.written()
        assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["step-000002", "step-000004"]
        assert not same_weights(model, run / "versions" / "000005")
        described = await client.describe(learner_pb2.DescribeRequest())
        assert (described.run_id, described.step, described.device) == ("r", 5, "cpu")

    scenario(body)


def test_p1_a_step_sent_twice_is_applied_once(tmp_path: Path) -> None:
    """P1: none counts twice."""
    model = model_directory(tmp_path / "model")

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        first = await client.step(1, TRAJECTORIES)
        again = await client.step(1, TRAJECTORIES)
        assert first.applied
        assert not again.applied
        assert again.metrics == first.metrics
        assert again.weights_path == first.weights_path
        both = await asyncio.gather(client.step(2, TRAJECTORIES), client.step(2, TRAJECTORIES))
        assert sorted(answer.applied for answer in both) == [False, True]
        assert client.registry.get_sample_value("gradus_learner_steps_total", {"outcome": "applied"}) == 2

    scenario(body)


def test_p1_a_learner_that_was_killed_resumes_from_its_checkpoint_to_the_same_weights(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")
    run, other = tmp_path / "run", tmp_path / "other"

    async def first(client: LearnerClient) -> None:
        await client.open(run, model)
        for step in (1, 2, 3):
            await client.step(step, TRAJECTORIES, checkpoint=step == 2)

    async def second(client: LearnerClient) -> None:
        (run / "checkpoints" / ".step-000003.partial").mkdir()
        opened = await client.open(run, model, resume=True)
        assert (opened.step, opened.weights_path) == (2, str(run / "versions" / "000002"))
        assert not (run / "versions" / "000003").exists()
        repeated = await client.step(2, TRAJECTORIES)
        assert not repeated.applied
        assert repeated.metrics["loss"] != 0
        assert (await client.step(3, TRAJECTORIES)).applied

    async def uninterrupted(client: LearnerClient) -> None:
        await client.open(other, model)
        for step in (1, 2, 3):
            await client.step(step, TRAJECTORIES)

    scenario(first)
    scenario(second)
    scenario(uninterrupted)
    assert same_weights(run / "versions" / "000003", other / "versions" / "000003")


def test_opening_the_same_run_again_goes_on_where_the_process_is(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        await client.step(1, TRAJECTORIES)
        opened = await client.open(tmp_path / "run", model, resume=True)
        assert opened.step == 1
        shutil.rmtree(opened.weights_path)
        opened = await client.open(tmp_path / "run", model, resume=True)
        assert (Path(opened.weights_path) / "model.safetensors").is_file()

    scenario(body)


def test_a_full_disk_refuses_the_answer_and_the_same_step_sent_again_finishes_it(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")

    async def body(client: LearnerClient) -> None:
        run = tmp_path / "run"
        await client.open(run, model)
        await client.step(1, TRAJECTORIES, checkpoint=True)
        await client.written()
        with full_disk():
            await refused(
                client.step(2, TRAJECTORIES, checkpoint=True), grpc.StatusCode.RESOURCE_EXHAUSTED, "free disk space"
            )
        assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-000001"]
        answer = await client.step(2, TRAJECTORIES, checkpoint=True)
        assert not answer.applied
        assert Path(answer.checkpoint_path).name == "step-000002"
        assert (await client.step(3, TRAJECTORIES)).applied
        assert client.registry.get_sample_value("gradus_learner_steps_total", {"outcome": "applied"}) == 3

    scenario(body)


def test_p4_tokens_that_the_engine_did_not_see_are_counted_and_left_out(tmp_path: Path) -> None:
    """P4: token in, token out."""
    model = model_directory(tmp_path / "model")
    wrong = trajectory(SHAPES[0], 0, random_policy())
    wrong.segments[1].token_ids[0] = (wrong.segments[1].token_ids[0] + 1) % 50

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        answer = await client.step(1, [packed(wrong), *TRAJECTORIES[1:]])
        assert answer.metrics["token_mismatches"] == 1
        assert answer.metrics["samples_trained"] == 3
        assert client.registry.get_sample_value("gradus_token_mismatches_total") == 1
        await refused(client.step(2, [packed(wrong)]), grpc.StatusCode.INVALID_ARGUMENT, "digest differs")

    scenario(body)


def test_the_reference_of_the_kl_term_survives_a_restart(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")
    algorithm = policy_gradient(learning_rate=1e-2, clip_low=0.2, clip_high=0.28, kl_coefficient=0.5)

    async def first(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        await refused(
            client.step(1, TRAJECTORIES, objective=algorithm), grpc.StatusCode.INVALID_ARGUMENT, "set_reference"
        )
        await client.step(1, TRAJECTORIES, objective=algorithm, set_reference=True, checkpoint=True)

    async def second(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model, resume=True)
        answer = await client.step(2, TRAJECTORIES, objective=algorithm)
        assert answer.metrics["reference_kl"] > 0

    scenario(first)
    scenario(second)


def test_the_process_prints_one_ready_line_and_drains_on_sigterm() -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "gradus_learner.serve", "--grpc", "127.0.0.1:0", "--threads", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        text=True,
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    assert set(ready) == {"service", "grpc", "metrics"}
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out == ""
