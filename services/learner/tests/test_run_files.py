"""What the learner wrote is what it reads, and damage is named."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import grpc
import torch
from safetensors.torch import load_file
from tiny_learner import (
    SHAPES,
    TRAJECTORIES,
    LearnerClient,
    flip_a_bit,
    model_directory,
    refused,
    scenario,
)

from gradus_learner.files.manifest import read_manifest, verify, weights_digest

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
        await client.written()
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
        await client.written()
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
