from __future__ import annotations

import resource
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from tiny_learner import PLAIN, random_policy, samples

from gradus_learner.checkpoint import (
    newest_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    whole_checkpoints,
    write_checkpoint,
)
from gradus_learner.model import load_weights, weights_of
from gradus_learner.model_files import DiskFullError
from gradus_learner.trainer import Trainer


@contextmanager
def full_disk(room_bytes: int = 1000) -> Generator[None]:
    """No file may grow past `room_bytes`: the same error path as a disk without room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def write(root: Path, step: int, trainer: Trainer, keep: int = 9) -> Path:
    tensors = {"model": weights_of(trainer.policy), "optimizer": optimizer_tensors(trainer.policy, trainer.optimizer)}
    return write_checkpoint(root, step, tensors, {"note": "x"}, keep)


def test_training_goes_on_from_a_checkpoint_exactly_as_without_the_interruption(tmp_path: Path) -> None:
    first = Trainer(random_policy(), 1000)
    first.train(samples(), PLAIN, 1.0, 1)
    directory = write(tmp_path, 1, first)
    second = Trainer(random_policy(seed=9), 1000)
    load_weights(second.policy, directory)
    restore_optimizer(second.policy, second.optimizer, directory)
    first.train(samples(), PLAIN, 1.0, 2)
    second.train(samples(), PLAIN, 1.0, 2)
    for left, right in zip(first.policy.parameters(), second.policy.parameters(), strict=True):
        assert torch.equal(left, right)


def test_the_newest_whole_checkpoint_is_found_and_half_written_ones_are_not(tmp_path: Path) -> None:
    trainer = Trainer(random_policy(), 1000)
    for step in (2, 4, 6, 8):
        write(tmp_path, step, trainer)
    (tmp_path / "step-000008" / "state.json").unlink()
    cut = tmp_path / "step-000006" / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-1])
    (tmp_path / ".step-000009.partial").mkdir()
    (tmp_path / "step-000010").mkdir()
    newest = newest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.step == 4
    assert newest.state["note"] == "x"


def test_only_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    trainer = Trainer(random_policy(), 1000)
    for step in (1, 2, 3):
        write(tmp_path, step, trainer, keep=2)
    assert [checkpoint.step for checkpoint in whole_checkpoints(tmp_path)] == [2, 3]


def test_a_full_disk_leaves_the_older_checkpoint_and_no_trace(tmp_path: Path) -> None:
    trainer = Trainer(random_policy(), 1000)
    write(tmp_path, 1, trainer)
    with full_disk(), pytest.raises(DiskFullError, match="free disk space"):
        write(tmp_path, 2, trainer)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]
    write(tmp_path, 2, trainer)
    assert [checkpoint.step for checkpoint in whole_checkpoints(tmp_path)] == [1, 2]


def test_a_checkpoint_of_the_same_step_replaces_the_older_one(tmp_path: Path) -> None:
    write(tmp_path, 1, Trainer(random_policy(), 1000))
    write(tmp_path, 1, Trainer(random_policy(seed=4), 1000))
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]


def test_a_directory_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "absent") is None
