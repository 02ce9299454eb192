"""The learner's one open run: its weights, and the steps that were applied to them.

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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gradus_learner.errors import DivergedError, NoRoomError, OutOfMemoryError, StateError
from gradus_learner.files.atomic import DiskFullError
from gradus_learner.files.manifest import (
    FileDigest,
    weights_digest,
)
from gradus_learner.models.decoder import Decoder
from gradus_learner.models.finite import first_not_finite, split_metrics
from gradus_learner.models.lora import (
    base_parameters,
)
from gradus_learner.models.memory import is_out_of_memory
from gradus_learner.objectives.objective import Intake, NothingFiniteError, Objective, TrainingError
from gradus_learner.train.checkpoint import (
    Checkpoint,
    checkpoint_directory,
)
from gradus_learner.train.mfu import TERA
from gradus_learner.train.out_of_memory import does_not_fit
from gradus_learner.train.run_files import RunFiles
from gradus_learner.train.shared_step import SharedStep, train_on_all_ranks
from gradus_learner.train.trainer import Trainer

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
    files: RunFiles
    model: Mapping[str, FileDigest]
    trainer: Trainer
    # A second's, of the device; without it steps have no MFU.
    peak_flops: float | None = None
    # Files that were found damaged when the run was opened last.
    damaged: list[str] = field(default_factory=list[str])
    # As the newest step said it; None before one: then nothing is removed.
    keep_versions: frozenset[int] | None = None
    step: int = 0
    torn: bool = False
    records: dict[int, StepRecord] = field(default_factory=dict[int, StepRecord])
    # Made when the first text is to be trained on.
    tokenizer: Any = None

    @property
    def run_id(self) -> str:
        return self.files.directory.run_id

    @property
    def path(self) -> Path:
        return self.files.directory.path

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

            self.tokenizer = Tokenizer.from_file(str(self.files.model_path / "tokenizer.json"))
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def intake(self, temperature: float) -> Intake:
        """What samples of a step must fit."""
        config = self.policy.config
        return Intake(config.vocab_size, self.tokenizer_hash, config.eos_token_ids[0], temperature, self.encode)

    def current_weights(self) -> tuple[str, str]:
        """Directory and digest of the current weights; written again if they went missing or were damaged."""
        if self.step == 0:
            return str(self.files.model_path), weights_digest(self.model)
        record = self.records[self.step]
        if record.weights_path:
            self.damaged = self.files.damage(self.step)
            record.weights_path = "" if self.damaged else record.weights_path
        self._write(record, checkpoint=False)
        return record.weights_path, record.weights_digest

    def apply(self, options: StepOptions, samples: Sequence[Any]) -> tuple[StepRecord, bool]:
        """The step's record, and whether it was applied now."""
        self.keep_versions = options.keep_versions
        done = self.answered(options)
        if done is not None:
            self.finish_checkpoint()
            return done, False
        try:
            self.files.checkpoints.check()
        except DiskFullError as error:
            raise NoRoomError(f"{error.strerror}; step {options.step} is not begun, send it again") from error
        objective = options.objective
        started = time.monotonic()
        splits = self.trainer.micro_batch_splits
        step = SharedStep(objective, samples, options.temperature, options.set_reference and objective.needs_reference)
        try:
            metrics = train_on_all_ranks(self.trainer, step)
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
        bad = first_not_finite(self.trainer.named_parameters())
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
                record.weights_path, record.weights_digest = self.files.write_version(self.step, self.keep_versions)
            if checkpoint and not record.checkpoint_path:
                # The path is the directory that is being written; it moves with the run.
                kept = {**asdict(record), "weights_path": "", "weights_digest": "", "checkpoint_path": ""}
                self.files.begin_checkpoint(self.step, kept)
                record.checkpoint_path = str(checkpoint_directory(self.files.directory.checkpoints, self.step))
        except DiskFullError as error:
            raise not_written(record.step, error) from error

    def finish_checkpoint(self) -> None:
        """Waits until the newest checkpoint is written."""
        try:
            self.files.checkpoints.finish()
        except DiskFullError as error:
            raise not_written(self.step, error) from error

    def restore(self, checkpoint: Checkpoint) -> None:
        self.files.restore(checkpoint)
        self.step = checkpoint.step
        record = StepRecord(**checkpoint.state["record"])
        record.checkpoint_path = str(checkpoint.directory)
        self.records = {self.step: record}


def not_written(step: int, error: DiskFullError) -> NoRoomError:
    return NoRoomError(f"{error.strerror}; step {step} is applied, send it again to write it")
