"""The learner's one open run: weights, steps applied, what lies on the disk.

A step moves through: decoded -> applied (weights in memory, `step` counted) -> written (its version; a checkpoint, when
asked, is copied) -> answered. A step that is refused changes nothing. One that breaks off between its updates, say for
want of memory, leaves weights that belong to no step: the run is torn and must be opened again, from its checkpoint. A
failure while writing, say of a full disk, keeps the step applied: the same step sent again only finishes the writing
and is answered from its record. A checkpoint is written beside the steps that follow (checkpoint_writer.py): where that
fails, the next step is refused before anything of it is applied. Weights that are not finite after a step are never
written: the run is torn by it, too. A step none of whose updates is finite is skipped: counted and written, with the
weights and moments of the one before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from gradus_learner.errors import DivergedError, NoRoomError, OutOfMemoryError, StateError
from gradus_learner.files.atomic import DiskFullError, write_directory
from gradus_learner.files.manifest import (
    FileDigest,
    Manifest,
    ManifestError,
    read_manifest,
    verify,
    weights_digest,
)
from gradus_learner.models.decoder import Decoder
from gradus_learner.models.finite import first_not_finite, split_metrics
from gradus_learner.models.load import load_weights, weights_of
from gradus_learner.models.lora import (
    LORA_NAME,
    REFERENCE_LORA_NAME,
    base_parameters,
    load_lora,
    lora_writer,
)
from gradus_learner.models.memory import is_out_of_memory
from gradus_learner.objectives.objective import Intake, NothingFiniteError, Objective, TrainingError
from gradus_learner.train.checkpoint import (
    Checkpoint,
    checkpoint_directory,
    checkpoint_files,
    optimizer_tensors,
    restore_optimizer,
    write_checkpoint,
)
from gradus_learner.train.checkpoint_writer import CheckpointWriter, has_room_for_copy, host_copy
from gradus_learner.train.lesson import Lesson, give_lesson
from gradus_learner.train.mfu import TERA
from gradus_learner.train.out_of_memory import does_not_fit
from gradus_learner.train.run_directory import RunDirectory
from gradus_learner.train.trainer import Trainer
from gradus_learner.train.weights_probe import PROBE_NAME, probe_json

KEEP_VERSIONS = 3
KEEP_RECORDS = 8


@dataclass
class StepRecord:
    """What a step answered, so that it can answer again."""

    step: int
    metrics: dict[str, float]
    # Metrics that were not finite, by name, with the value.
    absent_metrics: dict[str, str] = field(default_factory=dict[str, str])
    weights_path: str = ""
    weights_digest: str = ""
    checkpoint_path: str = ""


@dataclass(frozen=True)
class StepOptions:
    step: int
    objective: Objective
    temperature: float
    checkpoint: bool
    set_reference: bool
    # Versions that stay, however old they are.
    keep_versions: frozenset[int] = frozenset()


@dataclass
class LearnerRun:
    run_id: str
    directory: RunDirectory
    model_path: Path
    model: Mapping[str, FileDigest]
    keep_checkpoints: int
    trainer: Trainer
    # A second's, of the device; without it steps have no MFU.
    peak_flops: float | None = None
    # Tokenizer, chat template and so on, which versions and checkpoints have copies of: by name, what they hold.
    beside: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    # Files that were found damaged when the run was opened last.
    damaged: list[str] = field(default_factory=list[str])
    # As the newest step said it; None before one: then nothing is removed.
    keep_versions: frozenset[int] | None = None
    step: int = 0
    torn: bool = False
    records: dict[int, StepRecord] = field(default_factory=dict[int, StepRecord])
    # Outlives the run where its owner opens another.
    checkpoints: CheckpointWriter = field(default_factory=CheckpointWriter)
    # Made when the first text is to be trained on.
    tokenizer: Any = None

    @property
    def policy(self) -> Decoder:
        return self.trainer.policy

    @property
    def parameters(self) -> int:
        """Of the model, without adapters."""
        return sum(parameter.numel() for _, parameter in base_parameters(self.policy))

    @property
    def trained_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.policy.parameters() if parameter.requires_grad)

    @property
    def tokenizer_hash(self) -> str:
        tokenizer = self.model.get("tokenizer.json")
        return "" if tokenizer is None else tokenizer.sha256

    def encode(self, text: str) -> list[int]:
        """Tokens of a text that is trained on as it stands; no special token is added."""
        if self.tokenizer is None:
            from tokenizers import Tokenizer

            self.tokenizer = Tokenizer.from_file(str(self.model_path / "tokenizer.json"))
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def intake(self, temperature: float) -> Intake:
        """What samples of a step must fit."""
        config = self.policy.config
        return Intake(config.vocab_size, self.tokenizer_hash, config.eos_token_ids[0], temperature, self.encode)

    def current_weights(self) -> tuple[str, str]:
        """Directory and digest of the current weights; written again if they went missing or were damaged."""
        if self.step == 0:
            return str(self.model_path), weights_digest(self.model)
        record = self.records[self.step]
        if record.weights_path:
            self.damaged = self._damage(self.step)
            record.weights_path = "" if self.damaged else record.weights_path
        self._write(record, checkpoint=False)
        return record.weights_path, record.weights_digest

    def _damage(self, version: int) -> list[str]:
        directory = self.directory.version(version)
        try:
            return verify(directory, read_manifest(directory))
        except (ManifestError, OSError) as error:
            return [str(error)]

    def apply(self, options: StepOptions, samples: Sequence[Any]) -> tuple[StepRecord, bool]:
        """The step's record, and whether it was applied now."""
        self.keep_versions = options.keep_versions
        done = self.answered(options)
        if done is not None:
            self.finish_checkpoint()
            return done, False
        try:
            self.checkpoints.check()
        except DiskFullError as error:
            raise NoRoomError(f"{error.strerror}; step {options.step} is not begun, send it again") from error
        objective = options.objective
        started = time.monotonic()
        splits = self.trainer.micro_batch_splits
        lesson = Lesson(objective, samples, options.temperature, options.set_reference and objective.needs_reference)
        try:
            metrics = give_lesson(self.trainer, lesson)
        except NothingFiniteError as error:
            # Its batch is used up: the version of this step has the weights of the one before.
            metrics = error.metrics
        except TrainingError:
            # Nothing was applied.
            raise
        except BaseException as error:
            self.torn = True
            if not is_out_of_memory(error):
                raise
            # Outside of micro-batches: AdamW's moments, or the gradients' norm.
            raise OutOfMemoryError(
                f"step {options.step}: {does_not_fit(self.trainer, str(error))}. Take a smaller model or a device with "
                "more memory"
            ) from error
        bad = first_not_finite(self.policy.named_parameters())
        if bad is not None:
            self.torn = True
            raise DivergedError(
                f"step {options.step} gave weights that are not finite: {bad}; nothing of it is written, and the run "
                "ends. Resume it to train the step once more; where it ends so again, start a new run with a lower "
                f"learning_rate ({objective.learning_rate:g}) or max_grad_norm "
                f"({objective.max_grad_norm:g})",
            )
        seconds = time.monotonic() - started
        metrics = {
            **metrics,
            "micro_batch_tokens": float(self.trainer.micro_batch_tokens),
            "micro_batch_splits": float(self.trainer.micro_batch_splits - splits),
        }
        finite, others = split_metrics({**self.with_utilisation(metrics, seconds), "seconds": seconds})
        record = StepRecord(options.step, finite, {name: f"{value}" for name, value in others.items()})
        self.step = options.step
        self.records[options.step] = record
        self.records.pop(options.step - KEEP_RECORDS, None)
        self._write(record, options.checkpoint)
        return record, True

    def with_utilisation(self, metrics: Mapping[str, float], seconds: float) -> dict[str, float]:
        """FLOPs as a rate, and as a share of the peak where that is known."""
        kept = dict(metrics)
        flops = kept.pop("flops", None)
        if flops is None or seconds <= 0:
            return kept
        kept["tflops_per_second"] = flops / seconds / TERA
        if self.peak_flops is not None:
            kept["mfu"] = flops / seconds / self.peak_flops
        return kept

    def answered(self, options: StepOptions) -> StepRecord | None:
        """The record of a step that was applied before; None when it is the next. Else StateError."""
        if self.torn:
            raise StateError(f"step {self.step + 1} of run {self.run_id} broke off; open the run again")
        if options.step == self.step + 1:
            return None
        record = self.records.get(options.step)
        if record is None:
            raise StateError(
                f"step is {options.step}, the learner of run {self.run_id} is at {self.step}; send {self.step + 1}",
            )
        if record.step == self.step:
            self._write(record, options.checkpoint)
        return record

    def _write(self, record: StepRecord, checkpoint: bool) -> None:
        try:
            if not record.weights_path:
                record.weights_path, record.weights_digest = self._write_version()
            if checkpoint and not record.checkpoint_path:
                self._begin_checkpoint(record)
                record.checkpoint_path = str(checkpoint_directory(self.directory.checkpoints, self.step))
        except DiskFullError as error:
            raise not_written(record.step, error) from error

    def finish_checkpoint(self) -> None:
        """Waits until the newest checkpoint is written."""
        try:
            self.checkpoints.finish()
        except DiskFullError as error:
            raise not_written(self.step, error) from error

    def _model_files(self, dtype: str) -> dict[str, Callable[[Path], object]]:
        """All of a model directory but its weights, which are in this number format."""
        config = self.policy.config.to_json(dtype).encode()
        contents = {"config.json": config, **self.beside}
        return {name: partial(write_bytes, content) for name, content in contents.items()}

    def _write_version(self) -> tuple[str, str]:
        passes = self.trainer.passes
        # What passes compute with; the checkpoint has all digits.
        dtype = passes.dtype(next(self.policy.parameters()).dtype)
        weights, probe = weights_of(self.policy, dtype), probe_json(self.policy, passes)
        self.directory.check_free(self.step)
        target = self.directory.version(self.step)
        files: dict[str, Callable[[Path], object]] = {
            **self._model_files(passes.precision),
            **self._lora_files(None),
            "model.safetensors": lambda path: save_file(weights, str(path), {"format": "pt"}),
            PROBE_NAME: lambda path: path.write_text(probe, encoding="utf-8"),
        }
        # Not waited for: after a power cut the version is made again from the checkpoint.
        manifest = write_directory(target, files, Manifest("version", self.run_id, self.step, {}), durable=False)
        kept = self.keep_versions
        if kept is not None:
            self.directory.forget_versions(lambda version: version <= self.step - KEEP_VERSIONS and version not in kept)
        return str(target), weights_digest(manifest.files)

    def _lora_files(self, reference: Decoder | None) -> dict[str, Callable[[Path], object]]:
        lora = self.trainer.lora
        if lora is None:
            return {}
        policies = {LORA_NAME: self.policy, REFERENCE_LORA_NAME: reference}
        base = str(self.model_path)
        return {name: lora_writer(each, lora, base) for name, each in policies.items() if each is not None}

    def _begin_checkpoint(self, record: StepRecord) -> None:
        reference = self.trainer.reference
        tensors = {
            # With adapters added in one matrix at a time: a device has no room for all of them once more.
            "model": dict(self.policy.named_parameters())
            if self.trainer.lora is None
            else weights_of(self.policy, torch.float32),
            "optimizer": optimizer_tensors(self.policy, self.trainer.optimizer),
        }
        if reference is not None and self.trainer.lora is None:
            tensors["reference"] = dict(reference.named_parameters())
        # There is one copy at most, that of the one before is gone.
        self.checkpoints.finish()
        beside = has_room_for_copy(each for part in tensors.values() for each in part.values())
        if beside:
            tensors = {name: {key: host_copy(value) for key, value in part.items()} for name, part in tensors.items()}
        # The path is the directory that is being written; it moves with the run.
        kept = {**asdict(record), "weights_path": "", "weights_digest": "", "checkpoint_path": ""}
        others = {**self._model_files("float32"), **self._lora_files(reference)}
        files = checkpoint_files(self.step, tensors, {"record": kept}, others)
        write = partial(
            write_checkpoint, self.directory.checkpoints, self.run_id, self.step, files, self.keep_checkpoints
        )
        if beside:
            self.checkpoints.start(write)
        else:
            write()

    def restore(self, checkpoint: Checkpoint) -> None:
        if checkpoint.state.get("runId") != self.run_id:
            raise StateError(
                f"{checkpoint.directory} is of run {checkpoint.state.get('runId')!r}, not of {self.run_id!r}",
            )
        lora, names = self.trainer.lora, (LORA_NAME, REFERENCE_LORA_NAME)
        if lora is None and (checkpoint.directory / LORA_NAME).is_file():
            raise StateError(f"{checkpoint.directory} has adapters, and run {self.run_id!r} is opened without lora")
        if lora is None:
            names = ("model.safetensors", "reference.safetensors")

        def load(policy: Decoder, name: str) -> None:
            if lora is None:
                load_weights(policy, checkpoint.directory, name)
            else:
                load_lora(policy, lora, checkpoint.directory / name)

        load(self.policy, names[0])
        restore_optimizer(self.policy, self.trainer.optimizer, checkpoint.directory)
        if (checkpoint.directory / names[1]).is_file():
            self.trainer.set_reference()
            if self.trainer.reference is not None:
                load(self.trainer.reference, names[1])
        self.step = checkpoint.step
        record = StepRecord(**checkpoint.state["record"])
        record.checkpoint_path = str(checkpoint.directory)
        self.records = {self.step: record}


def not_written(step: int, error: DiskFullError) -> NoRoomError:
    return NoRoomError(f"{error.strerror}; step {step} is applied, send it again to write it")


def write_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)
