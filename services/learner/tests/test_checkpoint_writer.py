"""Checkpoints that are written beside training: what is in them, what is left by a kill, when they are waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from safetensors.torch import load_file
from test_learner_service import same_weights
from tiny_learner import TRAJECTORIES, LearnerClient, model_directory, scenario

from gradus_learner.files.atomic import DiskFullError, write_directory
from gradus_learner.files.manifest import Manifest
from gradus_learner.train import checkpoint, checkpoint_writer
from gradus_learner.train.checkpoint_writer import CheckpointWriter


def names(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def test_steps_go_on_while_a_checkpoint_is_written_and_it_is_of_its_own_step_to_the_last_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_directory(tmp_path / "model")
    run, other = tmp_path / "run", tmp_path / "other"
    gate = threading.Event()

    def gated(target: Path, files: Mapping[str, Callable[[Path], object]], about: Manifest) -> Manifest:
        assert gate.wait(120)
        return write_directory(target, files, about)

    async def beside(client: LearnerClient) -> None:
        await client.open(run, model)
        for step in (1, 2, 3):
            answer = await client.step(step, TRAJECTORIES, checkpoint=step == 1)
            assert answer.applied
            assert bool(answer.checkpoint_path) == (step == 1)
        # Versions do not wait either.
        assert not (run / "checkpoints").exists()
        gate.set()
        await client.written()
        assert names(run) == ["step-000001"]
        first = load_file(run / "checkpoints" / "step-000001" / "model.safetensors")
        version = load_file(run / "versions" / "000001" / "model.safetensors")
        assert all(first[name].equal(value) for name, value in version.items())
        assert first.keys() == version.keys()

    async def resumed(client: LearnerClient) -> None:
        assert (await client.open(run, model, resume=True)).step == 1
        for step in (2, 3):
            await client.step(step, TRAJECTORIES)
        await client.open(other, model)
        for step in (1, 2, 3):
            await client.step(step, TRAJECTORIES)

    monkeypatch.setattr(checkpoint, "write_directory", gated)
    scenario(beside)
    scenario(resumed)
    assert same_weights(run / "versions" / "000003", other / "versions" / "000003")


KILLED = """
import os, signal, sys
from pathlib import Path
from tiny_learner import TRAJECTORIES, scenario
from gradus_learner.train import checkpoint

run, model = Path(sys.argv[1]), Path(sys.argv[2])
save_file = checkpoint.save_file

def killed_in_the_middle(tensors, path, metadata):
    save_file(tensors, path, metadata)
    if "step-000003" in path and "optimizer" in path:
        os.kill(os.getpid(), signal.SIGKILL)

checkpoint.save_file = killed_in_the_middle

async def body(client):
    await client.open(run, model)
    for step in range(1, 5):
        await client.step(step, TRAJECTORIES, checkpoint=step in (1, 3))
    await client.written()

scenario(body)
"""


def test_p1_a_kill_in_the_middle_of_writing_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    """P1: the steps since it are made again, to the same weights."""
    model = model_directory(tmp_path / "model")
    run, other = tmp_path / "run", tmp_path / "other"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", KILLED, str(run), str(model)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert names(run) == [".step-000003.partial", "step-000001"]

    async def resumed(client: LearnerClient) -> None:
        opened = await client.open(run, model, resume=True)
        assert (opened.step, list(opened.damaged)) == (1, [])
        for step in (2, 3):
            await client.step(step, TRAJECTORIES, checkpoint=step == 3)
        await client.written()
        assert names(run) == ["step-000001", "step-000003"]
        await client.open(other, model)
        for step in (1, 2, 3):
            await client.step(step, TRAJECTORIES)

    scenario(resumed)
    assert same_weights(run / "versions" / "000003", other / "versions" / "000003")


def test_without_memory_for_a_copy_the_step_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P6: memory is bounded."""
    model = model_directory(tmp_path / "model")
    monkeypatch.setattr(checkpoint_writer, "available_bytes", lambda _device: 1024)
    writers: list[str] = []

    def noted(target: Path, files: Mapping[str, Callable[[Path], object]], about: Manifest) -> Manifest:
        writers.append(threading.current_thread().name)
        return write_directory(target, files, about)

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        await client.step(1, TRAJECTORIES, checkpoint=True)
        assert names(tmp_path / "run") == ["step-000001"]

    monkeypatch.setattr(checkpoint, "write_directory", noted)
    scenario(body)
    assert [name.partition("_")[0] for name in writers] == ["learner"]


def test_one_checkpoint_is_written_at_a_time_and_a_failed_one_is_written_again() -> None:
    writer, gate, written = CheckpointWriter(), threading.Event(), list[int]()
    room = False

    def first() -> None:
        assert gate.wait(120)
        if not room:
            raise DiskFullError("no room")
        written.append(1)

    writer.start(first)
    writer.check()
    gate.set()
    # Once in its thread, once when the next one is started.
    with pytest.raises(DiskFullError):
        writer.start(lambda: written.append(2))
    with pytest.raises(DiskFullError):
        writer.finish()
    room = True
    writer.start(lambda: written.append(2))
    writer.finish()
    writer.finish()
    assert written == [1, 2]
