"""Directories and models that are not the run's own are refused, and stay as they are."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from tiny_learner import (
    TRAJECTORIES,
    LearnerClient,
    flip_a_bit,
    model_directory,
    refused,
    scenario,
)

from gradus.learner.v1 import learner_pb2

FAILED, INVALID = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_resume_refuses_a_model_that_is_not_the_one_it_began_with(tmp_path: Path, name: str) -> None:
    model = model_directory(tmp_path / "model")
    (model / "tokenizer.json").write_text("{}   ")
    run = tmp_path / "run"
    kept = (model / name).read_bytes()

    async def second(client: LearnerClient) -> None:
        text = f"{model / name}: expected SHA-256 {hashlib.sha256(kept).hexdigest()}, found SHA-256 "
        await refused(client.open(run, model, resume=True), FAILED, text)
        # Accepted by a word that the ledger has.
        now = {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in model.iterdir()}
        if name == "model.safetensors":
            ledger = {**now, "generation_config.json": "0" * 64}
            assert (await client.open(run, model, resume=True, model_digests=ledger)).step == 0
            (run / "learner.json").write_bytes(mark)
            client.service.run = None
        await refused(
            client.open(run, model, resume=True, model_digests={**now, name: "0" * 64}), FAILED, "0000, found"
        )
        (model / name).unlink()
        await refused(client.open(run, model, resume=True), FAILED, "found no such file")
        (model / name).write_bytes(kept)
        moved = shutil.copytree(model, model.parent / "elsewhere")
        assert (await client.open(run, Path(moved), resume=True)).step == 0

    scenario(lambda client: opens(client, run, model))
    mark = (run / "learner.json").read_bytes()
    if name == "model.safetensors":
        flip_a_bit(model / name)
    else:
        (model / name).write_bytes(kept + b"\n")
    scenario(second)


async def opens(client: LearnerClient, run: Path, model: Path) -> None:
    await client.open(run, model)


def test_a_model_that_was_a_version_is_what_its_run_wrote(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        answer = await client.step(1, TRAJECTORIES)
        branch = tmp_path / "run" / "branches" / "1"
        shutil.copytree(answer.weights_path, branch / "model")
        (branch / "model" / "tokenizer.json").write_text("{}")
        assert (await client.open(branch, branch / "model")).weights_digest == answer.weights_digest
        other = shutil.copytree(branch / "model", tmp_path / "other")
        flip_a_bit(Path(other) / "model.safetensors")
        await refused(client.open(tmp_path / "third", Path(other)), INVALID, "by manifest.json, found")

    scenario(body)


def test_directories_that_no_learner_of_the_run_made_stay_as_they_are(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")
    anything = tmp_path / "any"
    precious = anything / "versions" / "000123" / "thesis.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("precious")

    async def body(client: LearnerClient) -> None:
        text = "versions is there, but no learner.json says that run 'r' made it; choose another directory"
        await refused(client.open(anything, model, resume=True), FAILED, text)
        await refused(client.open(anything, model), FAILED, text)
        assert precious.read_text() == "precious"
        assert sorted(path.name for path in anything.iterdir()) == ["versions"]

    scenario(body)


def test_a_runs_directory_is_not_opened_for_another_run_and_what_is_not_its_own_stays(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")
    run = tmp_path / "run"

    async def body(client: LearnerClient) -> None:
        await client.open(run, model)
        await client.step(1, TRAJECTORIES)
        for name in ("000009", "000002"):
            (run / "versions" / name).mkdir()
            (run / "versions" / name / "thesis.txt").write_text("precious")
        other = learner_pb2.OpenRunRequest(run_id="x", directory=str(run), model_path=str(model), resume=True)
        await refused(client.open_run(other), FAILED, "is of run 'r', not of 'x'; choose another")
        text = "000002 is there, and run 'r' did not write it; move it elsewhere"
        await refused(client.step(2, TRAJECTORIES), FAILED, text)
        (run / "versions" / "000002").rename(tmp_path / "moved")
        assert not (await client.step(2, TRAJECTORIES)).applied
        client.service.run = None
        assert (await client.open(run, model, resume=True)).step == 0
        assert [path.name for path in (run / "versions").iterdir()] == ["000009"]
        (run / "learner.json").write_text("{")
        client.service.run = None
        await refused(client.open(run, model, resume=True), FAILED, "does not say whose directory this is")

    scenario(body)


def test_old_versions_go_but_those_that_a_step_keeps_and_a_restart_removes_none(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")
    run = tmp_path / "run"

    def versions() -> list[int]:
        return sorted(int(path.name) for path in (run / "versions").iterdir())

    async def body(client: LearnerClient) -> None:
        await client.open(run, model)
        for step in range(1, 6):
            await client.step(step, TRAJECTORIES, checkpoint=step == 5, keep_versions=[1, 2] if step < 5 else [2])
        assert versions() == [2, 3, 4, 5]
        client.service.run = None
        assert (await client.open(run, model, resume=True)).step == 5
        assert versions() == [2, 3, 4, 5]
        await client.step(6, TRAJECTORIES, keep_versions=[2, 77])
        assert versions() == [2, 4, 5, 6]
        await client.step(7, TRAJECTORIES)
        assert versions() == [5, 6, 7]

    scenario(body)


def test_paths_outside_of_the_roots_are_refused(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "models" / "tiny")
    home = tmp_path / "home"
    home.mkdir()
    (home / "link").symlink_to(tmp_path)
    denied = grpc.StatusCode.PERMISSION_DENIED

    async def body(client: LearnerClient) -> None:
        for directory in (tmp_path / "elsewhere", home / ".." / "elsewhere", home / "link" / "elsewhere"):
            await refused(client.open(directory, model), denied, "lies outside of")
        await refused(client.open(home / "run", tmp_path / "other"), denied, "model_path is")
        assert not (tmp_path / "elsewhere").exists()
        assert (await client.open(home / "run", model)).step == 0

    scenario(body, roots=f"{home},{tmp_path / 'models'}")


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")
    (model / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 50}}}))

    async def body(client: LearnerClient) -> None:
        text = "tokenizer.json has 51 tokens, but config.json says vocab_size 50"
        await refused(client.open(tmp_path / "run", model), INVALID, text)

    scenario(body)


def test_beyond_loopback_the_directories_must_be_said() -> None:
    command = ["-m", "gradus_learner.serve", "--grpc", "127.0.0.1:0", "--insecure-remote", "true"]
    process = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert "roots is empty and this service is for other machines" in process.stderr
