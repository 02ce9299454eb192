"""The learner's one open run: weights, steps applied, what lies on the disk.

A step moves through: decoded -> applied (weights in memory, `step` counted) -> written (version, and a checkpoint when
asked) -> answered. A step that is refused changes nothing. One that breaks off between its updates, say for want of
memory, leaves weights that belong to no step: the run is torn and must be opened again, from its checkpoint. A failure
while writing, say of a full disk, keeps the step applied: the same step sent again only finishes the writing and is
answered from its record.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file

from gradus_learner.algorithm import Algorithm
from gradus_learner.checkpoint import (
    Checkpoint,
    newest_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    write_checkpoint,
)
from gradus_learner.grpc_server import ServiceError
from gradus_learner.model import ModelError, Policy, load_policy, load_weights, parameter_count, weights_of
from gradus_learner.model_files import DiskFullError, write_directory
from gradus_learner.sample import Sample
from gradus_learner.trainer import Trainer, TrainingError

KEEP_VERSIONS = 3
KEEP_RECORDS = 8
DISK_FULL_RETRY_MS = 5_000


@dataclass
class StepRecord:
    """What a step answered, so that it can answer again."""

    step: int
    metrics: dict[str, float]
    weights_path: str = ""
    checkpoint_path: str = ""


@dataclass(frozen=True)
class StepOptions:
    step: int
    algorithm: Algorithm
    temperature: float
    checkpoint: bool
    set_reference: bool


@dataclass
class LearnerRun:
    run_id: str
    directory: Path
    model_path: Path
    keep_checkpoints: int
    trainer: Trainer
    tokenizer_hash: str
    step: int = 0
    torn: bool = False
    records: dict[int, StepRecord] = field(default_factory=dict[int, StepRecord])

    @property
    def policy(self) -> Policy:
        return self.trainer.policy

    @property
    def parameters(self) -> int:
        return parameter_count(self.policy)

    @property
    def weights_path(self) -> str:
        """Directory of the current weights; written again if it went missing."""
        if self.step == 0:
            return str(self.model_path)
        record = self.records[self.step]
        if not (self._version_directory(self.step) / "model.safetensors").is_file():
            record.weights_path = ""
        self._write(record, checkpoint=False)
        return record.weights_path

    def apply(self, options: StepOptions, samples: Sequence[Sample]) -> tuple[StepRecord, bool]:
        """The step's record, and whether it was applied now."""
        done = self.answered(options)
        if done is not None:
            return done, False
        if options.set_reference and options.algorithm.kl_coefficient > 0:
            self.trainer.set_reference()
        try:
            metrics = self.trainer.train(samples, options.algorithm, options.temperature, options.step)
        except TrainingError as error:
            raise ServiceError("invalid_argument", str(error)) from None
        except BaseException:
            self.torn = True
            raise
        record = StepRecord(options.step, metrics)
        self.step = options.step
        self.records[options.step] = record
        self.records.pop(options.step - KEEP_RECORDS, None)
        self._write(record, options.checkpoint)
        return record, True

    def answered(self, options: StepOptions) -> StepRecord | None:
        """The record of a step that was applied before; None when it is the next. Else FAILED_PRECONDITION."""
        if self.torn:
            raise ServiceError(
                "failed_precondition", f"step {self.step + 1} of run {self.run_id} broke off; open the run again"
            )
        if options.step == self.step + 1:
            return None
        record = self.records.get(options.step)
        if record is None:
            raise ServiceError(
                "failed_precondition",
                f"step is {options.step}, the learner of run {self.run_id} is at {self.step}; send {self.step + 1}",
            )
        if record.step == self.step:
            self._write(record, options.checkpoint)
        return record

    def _write(self, record: StepRecord, checkpoint: bool) -> None:
        try:
            if not record.weights_path:
                record.weights_path = str(self._write_version())
            if checkpoint and not record.checkpoint_path:
                record.checkpoint_path = str(self._write_checkpoint(record))
        except DiskFullError as error:
            raise ServiceError(
                "resource_exhausted",
                f"{error.strerror}; step {record.step} is applied, send it again to write it",
                DISK_FULL_RETRY_MS,
            ) from error

    def _version_directory(self, version: int) -> Path:
        return self.directory / "versions" / f"{version:06d}"

    def _write_version(self) -> Path:
        weights, config = weights_of(self.policy), self.policy.config.to_json()
        target = self._version_directory(self.step)
        files: dict[str, Callable[[Path], object]] = {
            "config.json": lambda path: path.write_text(config, encoding="utf-8"),
            "model.safetensors": lambda path: save_file(weights, str(path), {"format": "pt"}),
        }
        # Not waited for: after a power cut the version is made again from the checkpoint.
        write_directory(target, files, durable=False)
        for version in self._versions()[:-KEEP_VERSIONS]:
            shutil.rmtree(self._version_directory(version), ignore_errors=True)
        return target

    def _versions(self) -> list[int]:
        root = self.directory / "versions"
        found = (path.name for path in root.iterdir()) if root.is_dir() else ()
        return sorted(int(name) for name in found if re.fullmatch(r"\d{6,}", name))

    def _write_checkpoint(self, record: StepRecord) -> Path:
        tensors = {
            "model": weights_of(self.policy),
            "optimizer": optimizer_tensors(self.policy, self.trainer.optimizer),
        }
        if self.trainer.reference is not None:
            tensors["reference"] = weights_of(self.trainer.reference)
        # The path is the directory that is being written; it moves with the run.
        state = {"runId": self.run_id, "record": {**asdict(record), "weights_path": "", "checkpoint_path": ""}}
        return write_checkpoint(self.directory / "checkpoints", self.step, tensors, state, self.keep_checkpoints)

    def restore(self, checkpoint: Checkpoint) -> None:
        if checkpoint.state.get("runId") != self.run_id:
            raise ServiceError(
                "failed_precondition",
                f"{checkpoint.directory} is of run {checkpoint.state.get('runId')!r}, not of {self.run_id!r}",
            )
        load_weights(self.policy, checkpoint.directory)
        restore_optimizer(self.policy, self.trainer.optimizer, checkpoint.directory)
        reference = checkpoint.directory / "reference.safetensors"
        if reference.is_file():
            self.trainer.set_reference()
            if self.trainer.reference is not None:
                load_weights(self.trainer.reference, checkpoint.directory, reference.name)
        self.step = checkpoint.step
        record = StepRecord(**checkpoint.state["record"])
        record.checkpoint_path = str(checkpoint.directory)
        self.records = {self.step: record}


def open_run(
    *,
    run_id: str,
    directory: Path,
    model_path: Path,
    seed: int,
    resume: bool,
    keep_checkpoints: int,
    device: str,
    micro_batch_tokens: int,
) -> LearnerRun:
    for name, path in (("directory", directory), ("model_path", model_path)):
        if not path.is_absolute():
            raise ServiceError("invalid_argument", f"{name} is {str(path)!r}; it must be an absolute path")
    if not run_id:
        raise ServiceError("invalid_argument", "run_id is empty")
    checkpoint = newest_checkpoint(directory / "checkpoints")
    if checkpoint is not None and not resume:
        raise ServiceError(
            "failed_precondition",
            f"{directory} already has checkpoint {checkpoint.directory.name}; set resume or choose another directory",
        )
    try:
        policy = load_policy(model_path, device)
    except ModelError as error:
        raise ServiceError("invalid_argument", f"model_path: {error}") from None
    torch.manual_seed(seed)
    tokenizer = model_path / "tokenizer.json"
    run = LearnerRun(
        run_id=run_id,
        directory=directory,
        model_path=model_path,
        keep_checkpoints=keep_checkpoints or 2,
        trainer=Trainer(policy, micro_batch_tokens),
        tokenizer_hash=hashlib.sha256(tokenizer.read_bytes()).hexdigest() if tokenizer.is_file() else "",
    )
    if checkpoint is not None:
        run.restore(checkpoint)
    # Versions past the checkpoint belong to steps that will be made again.
    versions = directory / "versions"
    for name in [path.name for path in versions.iterdir()] if versions.is_dir() else []:
        if name.startswith(".") or (name.isdigit() and int(name) > run.step):
            shutil.rmtree(versions / name, ignore_errors=True)
    return run
