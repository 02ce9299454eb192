from __future__ import annotations

import hashlib
import json
import resource
import signal
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_learner import PLAIN, flip_a_bit, random_policy, samples

from gradus_learner.files.atomic import DiskFullError
from gradus_learner.files.manifest import read_manifest, weights_digest
from gradus_learner.models.config import ModelError
from gradus_learner.models.load import load_weights, weights_of
from gradus_learner.train.checkpoint import (
    Found,
    checkpoint_files,
    find_checkpoint,
    optimizer_tensors,
    own_checkpoints,
    restore_optimizer,
    write_checkpoint,
)
from gradus_learner.train.rollouts import train_on_rollouts
from gradus_learner.train.trainer import Trainer


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
    return write_checkpoint(root, "r", step, checkpoint_files(step, tensors, {"note": "x"}, {}), keep)


def test_training_goes_on_from_a_checkpoint_exactly_as_without_the_interruption(tmp_path: Path) -> None:
    first = Trainer(random_policy(), 1000)
    train_on_rollouts(first, samples(), PLAIN, 1.0)
    directory = write(tmp_path, 1, first)
    second = Trainer(random_policy(seed=9), 1000)
    load_weights(second.policy, directory)
    restore_optimizer(second.policy, second.optimizer, directory)
    train_on_rollouts(first, samples(), PLAIN, 1.0)
    train_on_rollouts(second, samples(), PLAIN, 1.0)
    for left, right in zip(first.policy.parameters(), second.policy.parameters(), strict=True):
        assert torch.equal(left, right)


def test_the_newest_whole_checkpoint_is_found_and_what_is_wrong_with_newer_ones_is_named(tmp_path: Path) -> None:
    trainer = Trainer(random_policy(), 1000)
    for step in (2, 4, 6, 8, 11):
        write(tmp_path, step, trainer)
    (tmp_path / "step-000008" / "state.json").unlink()
    cut = tmp_path / "step-000006" / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-1])
    flipped = tmp_path / "step-000011" / "optimizer.safetensors"
    flip_a_bit(flipped)
    (tmp_path / ".step-000009.partial").mkdir()
    (tmp_path / "step-000010").mkdir()
    found = find_checkpoint(tmp_path)
    assert found.checkpoint is not None
    assert (found.checkpoint.step, found.checkpoint.state["note"]) == (4, "x")
    flip, absent, missing, short = found.damaged
    assert str(flipped) in flip
    assert "expected SHA-256" in flip
    assert "found" in flip
    assert "step-000010/manifest.json cannot be read: No such file" in absent
    assert "step-000008/state.json: No such file" in missing
    assert short == f"{cut}: expected {cut.stat().st_size + 1} bytes, found {cut.stat().st_size}"


def test_a_manifest_is_what_other_languages_check(tmp_path: Path) -> None:
    directory = write(tmp_path, 3, Trainer(random_policy(), 1000))
    values = json.loads((directory / "manifest.json").read_text())
    assert (values["format"], values["kind"], values["runId"], values["step"]) == (
        "gradus-manifest-1", "checkpoint", "r", 3,
    )  # fmt: skip
    assert sorted(values["files"]) == ["model.safetensors", "optimizer.safetensors", "state.json"]
    for name, said in values["files"].items():
        data = (directory / name).read_bytes()
        assert said == {"sizeBytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    printed = subprocess.run(
        ["sh", "-c", "sha256sum model*.safetensors | sha256sum"], cwd=directory, capture_output=True, check=True
    ).stdout.decode()
    assert printed.split()[0] == weights_digest(read_manifest(directory).files)


def test_what_is_not_finite_is_never_written_as_a_checkpoint(tmp_path: Path) -> None:
    trainer = Trainer(random_policy(), 1000)
    write(tmp_path, 1, trainer)
    with torch.no_grad():
        next(trainer.policy.parameters())[0, 0] = float("inf")
    with pytest.raises(ModelError, match=r"step 2 is not written: model.embed_tokens.weight holds 1 of 800 values"):
        write(tmp_path, 2, trainer)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]


def drop_moment(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["exp_avg.model.norm.weight"]


def misshape(tensors: dict[str, torch.Tensor]) -> None:
    tensors["exp_avg_sq.model.norm.weight"] = torch.zeros(3)


def not_a_number(tensors: dict[str, torch.Tensor]) -> None:
    tensors["exp_avg.model.norm.weight"] = torch.full((16,), float("nan"))


def negative(tensors: dict[str, torch.Tensor]) -> None:
    tensors["step.model.norm.weight"] = torch.tensor(-1.0)


def stranger(tensors: dict[str, torch.Tensor]) -> None:
    tensors["exp_avg.other"] = torch.zeros(1)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (drop_moment, "model.norm.weight has only exp_avg_sq, step of exp_avg, exp_avg_sq, step"),
        (misshape, r"exp_avg_sq.model.norm.weight has shape \(3,\), the parameter wants \(16,\)"),
        (not_a_number, "exp_avg.model.norm.weight holds 16 of 16 values that are not finite"),
        (negative, "step.model.norm.weight has a value below 0"),
        (stranger, "exp_avg.other is of no parameter"),
    ],
)
def test_an_optimiser_state_that_cannot_be_is_refused_by_name(
    tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], None], text: str
) -> None:
    trainer = Trainer(random_policy(), 1000)
    train_on_rollouts(trainer, samples(), PLAIN, 1.0)
    tensors = optimizer_tensors(trainer.policy, trainer.optimizer)
    change(tensors)
    save_file(tensors, str(tmp_path / "optimizer.safetensors"))
    with pytest.raises(ModelError, match=text):
        restore_optimizer(trainer.policy, trainer.optimizer, tmp_path)


def test_only_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    trainer = Trainer(random_policy(), 1000)
    for step in (1, 2, 3):
        write(tmp_path, step, trainer, keep=2)
    assert [path.name for path in own_checkpoints(tmp_path, "r")] == ["step-000002", "step-000003"]


def test_a_checkpoint_that_another_run_wrote_is_not_forgotten(tmp_path: Path) -> None:
    trainer = Trainer(random_policy(), 1000)
    files = checkpoint_files(1, {"model": weights_of(trainer.policy)}, {}, {})
    write_checkpoint(tmp_path, "other", 1, files, keep=1)
    (tmp_path / "step-000002").mkdir()
    (tmp_path / "step-000002" / "thesis.txt").write_text("precious")
    for step in (3, 4):
        write(tmp_path, step, trainer, keep=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000001", "step-000002", "step-000004"]


def test_a_full_disk_leaves_the_older_checkpoint_and_no_trace(tmp_path: Path) -> None:
    trainer = Trainer(random_policy(), 1000)
    write(tmp_path, 1, trainer)
    with full_disk(), pytest.raises(DiskFullError, match="free disk space"):
        write(tmp_path, 2, trainer)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]
    write(tmp_path, 2, trainer)
    assert [path.name for path in own_checkpoints(tmp_path, "r")] == ["step-000001", "step-000002"]


def test_a_checkpoint_of_the_same_step_replaces_the_older_one(tmp_path: Path) -> None:
    write(tmp_path, 1, Trainer(random_policy(), 1000))
    write(tmp_path, 1, Trainer(random_policy(seed=4), 1000))
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]


def test_a_directory_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert find_checkpoint(tmp_path / "absent") == Found(None, [])
