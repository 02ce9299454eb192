"""What the learner wrote is what it reads: damage is named, and directories that are not its own stay as they are."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
import torch
from safetensors.torch import load_file
from test_learner_service import same_weights
from tiny_learner import (
    SHAPES,
    TRAJECTORIES,
    LearnerClient,
    flip_a_bit,
    model_directory,
    policy_gradient,
    refused,
    scenario,
)

from gradus.learner.v1 import learner_pb2
from gradus_learner.files.manifest import read_manifest, verify, weights_digest
from gradus_learner.models.qwen3 import Qwen3

FAILED, INVALID = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT


def test_versions_have_manifests_and_the_answers_their_digest(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")

    async def body(client: LearnerClient) -> None:
        opened = await client.open(tmp_path / "run", model)
        assert opened.weights_digest == printed(model)
        answer = await client.step(1, TRAJECTORIES)
        version = Path(answer.weights_path)
        manifest = read_manifest(version)
        assert (manifest.kind, manifest.run_id, manifest.step) == ("version", "r", 1)
        assert verify(version, manifest) == []
        assert answer.weights_digest == weights_digest(manifest.files) == printed(version)
        again = await client.step(1, TRAJECTORIES)
        assert again.weights_digest == answer.weights_digest
        assert (await client.open(tmp_path / "run", model, resume=True)).weights_digest == answer.weights_digest

    scenario(body)


def printed(directory: Path) -> str:
    command = ["sh", "-c", "sha256sum model*.safetensors | sha256sum"]
    return subprocess.run(command, cwd=directory, capture_output=True, check=True, text=True).stdout.split()[0]


def test_a_damaged_checkpoint_is_reported_and_an_older_whole_one_is_used(tmp_path: Path) -> None:
    """P9: nothing is silent."""
    model = model_directory(tmp_path / "model")
    run = tmp_path / "run"
    flipped = run / "checkpoints" / "step-000004" / "model.safetensors"

    async def first(client: LearnerClient) -> None:
        await client.open(run, model)
        for step in range(1, 5):
            await client.step(step, TRAJECTORIES, checkpoint=step % 2 == 0)
        flip_a_bit(flipped)

    async def second(client: LearnerClient) -> None:
        opened = await client.open(run, model, resume=True)
        assert opened.step == 2
        (damage,) = opened.damaged
        assert damage.startswith(f"{flipped}: expected SHA-256 ")
        assert client.registry.get_sample_value("gradus_learner_damaged_files_total") == 1
        # The ledger's replay makes the steps since again, and writes the damaged one anew.
        await client.step(3, TRAJECTORIES)
        await client.step(4, TRAJECTORIES, checkpoint=True)
        assert verify(flipped.parent, read_manifest(flipped.parent)) == []

    scenario(first)
    scenario(second)


def test_weights_that_are_not_finite_in_a_checkpoint_are_not_resumed_from_whatever_its_digests_say(
    tmp_path: Path,
) -> None:
    model = model_directory(tmp_path / "model")
    run = tmp_path / "run"

    async def first(client: LearnerClient) -> None:
        await client.open(run, model)
        await client.step(1, TRAJECTORIES, checkpoint=True)

    async def second(client: LearnerClient) -> None:
        text = "holds 16 of 16 values that are not finite; the weights are damaged"
        await refused(client.open(run, model, resume=True), grpc.StatusCode.DATA_LOSS, text)

    scenario(first)
    put_nan(run / "checkpoints" / "step-000001")
    scenario(second)


def put_nan(directory: Path) -> None:
    """As a learner of another make might write it: with a manifest that agrees."""
    from safetensors.torch import save_file

    from gradus_learner.files.manifest import digest_files

    file = directory / "model.safetensors"
    save_file({**load_file(file), "model.norm.weight": torch.full((16,), float("nan"))}, file)
    manifest = read_manifest(directory)
    values = json.loads((directory / "manifest.json").read_text())
    for name, digest in digest_files(directory, manifest.files).items():
        values["files"][name] = {"sizeBytes": digest.size_bytes, "sha256": digest.sha256}
    (directory / "manifest.json").write_text(json.dumps(values))


def test_a_damaged_version_is_written_again_when_its_run_is_opened_again(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        answer = await client.step(1, TRAJECTORIES)
        flip_a_bit(Path(answer.weights_path) / "model.safetensors")
        opened = await client.open(tmp_path / "run", model, resume=True)
        assert "expected SHA-256" in opened.damaged[0]
        assert opened.weights_digest == answer.weights_digest == printed(Path(answer.weights_path))

    scenario(body)


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


def test_a_step_that_leaves_weights_that_are_not_finite_is_refused_and_never_written(tmp_path: Path) -> None:
    """P9: nothing is silent."""
    model = model_directory(tmp_path / "model")
    run, other = tmp_path / "run", tmp_path / "other"

    async def body(client: LearnerClient) -> None:
        await client.open(run, model)
        await client.step(1, TRAJECTORIES, checkpoint=True)
        policy = client.service.run.policy if client.service.run else None
        assert isinstance(policy, Qwen3)
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
        algorithm = policy_gradient(learning_rate=1e-3, clip_low=0.2, clip_high=0.28)
        answer = await client.step(1, TRAJECTORIES, objective=algorithm, checkpoint=True)
        assert answer.applied
        assert dict(answer.absent_metrics) == {"loss": "nan"}
        assert "loss" not in answer.metrics
        assert answer.metrics["updates_skipped"] == 1
        assert client.registry.get_sample_value("gradus_learner_skipped_updates_total") == 1
        assert same_weights(model, answer.weights_path)
        json.loads((Path(answer.checkpoint_path) / "state.json").read_text(), parse_constant=pytest.fail)

    from gradus_learner.objectives.policy_gradient import policy_loss
    from gradus_learner.train.rollouts import TokenLoss

    def not_a_number(*arguments: object) -> TokenLoss:
        result = policy_loss(*arguments)  # pyright: ignore[reportArgumentType]
        return type(result)(**{**vars(result), "loss_N": result.loss_N * float("nan")})

    monkeypatch.setattr("gradus_learner.objectives.policy_gradient.policy_loss", not_a_number)
    scenario(body)


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


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")
    (model / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 50}}}))

    async def body(client: LearnerClient) -> None:
        text = "tokenizer.json has 51 tokens, but config.json says vocab_size 50"
        await refused(client.open(tmp_path / "run", model), INVALID, text)

    scenario(body)


def test_an_epoch_that_cannot_be_is_refused(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")

    async def body(client: LearnerClient) -> None:
        await refused(client.open(tmp_path / "run", model, epoch=2**53), INVALID, "must be at most 2^53 - 1")
        await client.open(tmp_path / "run", model, epoch=5)
        await refused(client.open(tmp_path / "run", model, resume=True), FAILED, "epoch is 0, but a coordinator of")

    scenario(body)


def test_what_the_process_writes_is_for_its_owner_only(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")
    process = subprocess.Popen(
        [sys.executable, "-m", "gradus_learner.serve", "--grpc", "127.0.0.1:0", "--threads", "1"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        umask=0o022,
        text=True,
    )
    assert process.stdout is not None
    address = json.loads(process.stdout.readline())["grpc"]

    async def main() -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            with grpc.insecure_channel(address) as blocking:
                client = LearnerClient(channel, blocking, None, None)  # pyright: ignore[reportArgumentType]
                await client.open(tmp_path / "run", model)
                await client.step(1, TRAJECTORIES, checkpoint=True)

    try:
        asyncio.run(main())
    finally:
        process.terminate()
        process.wait(120)
    paths = [tmp_path / "run", *(tmp_path / "run").rglob("*")]
    assert len(paths) > len(SHAPES)
    for path in paths:
        assert path.stat().st_mode & 0o077 == 0, path


def test_beyond_loopback_the_directories_must_be_said() -> None:
    command = ["-m", "gradus_learner.serve", "--grpc", "127.0.0.1:0", "--allow-remote", "true"]
    process = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert "roots is empty with allow_remote" in process.stderr
