"""One step of a run: the finished groups that are trained on, and its answer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, Any

import torch

from gradus_client.given_model import tensors_of
from gradus_client.padded import Padded, padded
from gradus_client.version_files import probe_of
from gradus_learner.errors import DivergedError, GradusError, InputError, NoRoomError, StateError
from gradus_learner.files.atomic import DiskFullError
from gradus_learner.models.finite import first_not_finite, split_metrics
from gradus_learner.train.run import StepOptions, StepRecord
from gradus_learner.train.sample import Sample

if TYPE_CHECKING:
    from gradus_client.run import Run

# A full disk is waited for as the coordinator waits for one.
ROOM_SECONDS = 1800.0
LOOK_SECONDS = 5.0


class Step:
    """`samples` are those to train on, in the order in which the coordinator sent them: their tokens are those that
    the engine saw, some are the policy's, and none was cut by a limit where the recipe says `mask_truncated`.
    `left_out` are the others."""

    def __init__(self, run: Run, options: StepOptions, samples: Sequence[Any]) -> None:
        self.run = run
        self.number = options.step
        # A frozen dataclass: what the recipe's `algorithm` says, of gradus_learner.objectives.
        self.objective: Any = options.objective
        # Log-probabilities are compared at it.
        self.temperature = options.temperature
        # The first one of a stage: the reference policy of a KL term is that which enters the step.
        self.sets_reference = options.set_reference
        # The coordinator wants a checkpoint; `done` writes it.
        self.checkpoint = options.checkpoint
        self.samples = [sample for sample in samples if self._is_trained(sample)]
        self.left_out = [sample for sample in samples if not self._is_trained(sample)]
        self._keep_versions = options.keep_versions
        self._answer: Future[StepRecord] = Future()
        self._began = time.monotonic()

    def _is_trained(self, sample: Any) -> bool:
        if not isinstance(sample, Sample):
            return True
        masked = sample.truncated and getattr(self.objective, "mask_truncated", False)
        return sample.digest_matches and len(sample.model_positions) > 0 and not masked

    @property
    def learning_rate(self) -> float:
        return self.objective.learning_rate

    @property
    def groups(self) -> list[list[Any]]:
        """Samples that were compared with each other; one without a group is alone."""
        found: dict[object, list[Any]] = {}
        for index, sample in enumerate(self.samples):
            group = getattr(sample, "group", None)
            found.setdefault(("alone", index) if group is None else group, []).append(sample)
        return list(found.values())

    def as_tensors(self, pad_token_id: int) -> Padded:
        """Prompts, responses, masks, log-probabilities and advantages of the samples."""
        return padded(self._rollouts(), pad_token_id)

    def _rollouts(self) -> list[Sample]:
        if not all(isinstance(sample, Sample) for sample in self.samples):
            raise StateError(f"step {self.number} is of objective {self.objective.name}; it has no rollouts")
        if not self.samples:
            raise StateError(f"no sample of step {self.number} carries loss; call done with the weights as they are")
        return self.samples

    def done(
        self,
        model: torch.nn.Module | Mapping[str, torch.Tensor],
        metrics: Mapping[str, Any] | None = None,
        *,
        optimizer: Any = None,
    ) -> None:
        """Writes the step's version, and its checkpoint where one is due, and answers the coordinator.

        `model`: a module, or a state dict by the names of the model directory. Of a module whose forward pass gives
        `logits`, as those of transformers, the version has a probe, by which engines see that they compute with it.
        `metrics`: numbers by name; `loss`, `grad_norm`, `entropy`, `clip_fraction` have columns of their own, a
        `grad_norm` of 0 says that nothing was learned. `optimizer`: it or its state dict, kept in checkpoints.

        Raises GradusError, which the coordinator gets as well: InputError for weights that are not the model's or
        metrics that are no numbers, DivergedError for values that are not finite, NoRoomError for a disk that stays
        full.
        """
        if self._answer.done():
            raise StateError(f"step {self.number} has its answer already") from self._answer.exception()
        try:
            record = self._write(model, metrics or {}, optimizer)
        except GradusError as error:
            self.fail_if_open(error)
            raise
        except Exception as error:
            self.fail_if_open(InputError(f"step {self.number} could not be written: {type(error).__name__}: {error}"))
            raise
        try:
            self._answer.set_result(record)
        except InvalidStateError:
            # The run ended meanwhile; the step is sent again to whoever opens it, and written anew.
            return

    def refuse(self, reason: str) -> None:
        """The samples cannot be trained on, now or later: nothing was applied, and the run ends with the reason."""
        self.fail_if_open(InputError(f"the trainer refuses step {self.number}: {reason}"))

    def wait(self) -> StepRecord:
        return self._answer.result()

    def fail_if_open(self, error: GradusError) -> None:
        try:
            self._answer.set_exception(error)
        except InvalidStateError:
            # It has its answer.
            return

    def _write(self, model: Any, metrics: Mapping[str, Any], optimizer: Any) -> StepRecord:
        seconds = time.monotonic() - self._began
        numbers = self._metrics(metrics, seconds)
        tensors = tensors_of(model, self.run.given)
        bad = first_not_finite(tensors.items())
        if bad is not None:
            self.run.torn = True
            raise DivergedError(
                f"step {self.number} gave weights that are not finite: {bad}; nothing of it is written, and the run "
                "ends. Resume it, or start a new one with a lower learning_rate"
            )
        probe = probe_of(model, self.run.given.config.vocab_size) if isinstance(model, torch.nn.Module) else None
        finite, others = split_metrics(numbers)
        record = StepRecord(self.number, finite, {name: f"{value}" for name, value in others.items()})
        files, end = self.run.files, time.monotonic() + ROOM_SECONDS
        while True:
            try:
                if not record.weights_path:
                    written = files.write_version(self.number, tensors, probe, self._keep_versions)
                    record.weights_path, record.weights_digest = written
                if self.checkpoint:
                    record.checkpoint_path = files.write_checkpoint(record, tensors, probe, optimizer)
                return record
            except DiskFullError as error:
                if time.monotonic() > end:
                    raise NoRoomError(f"{error.strerror}; step {self.number} is not written") from error
                time.sleep(LOOK_SECONDS)

    def _metrics(self, given: Mapping[str, Any], seconds: float) -> dict[str, float]:
        numbers: dict[str, float] = {}
        wrong: list[str] = []
        for name, value in given.items():
            try:
                numbers[name] = float(value)
            except (TypeError, ValueError):
                wrong.append(f"{name} is {value!r}")
        if wrong:
            raise InputError(f"metrics must be numbers: {'; '.join(wrong)}")
        rollouts = [sample for sample in self.samples if isinstance(sample, Sample)]
        return {
            "learning_rate": self.learning_rate,
            "tokens": float(sum(sample.length for sample in (*self.samples, *self.left_out))),
            "model_tokens": float(sum(len(sample.model_positions) for sample in rollouts)),
            "samples_trained": float(len(self.samples)),
            "token_mismatches": float(sum(not sample.digest_matches for sample in self.left_out)),
            "updates": 1.0,
            "updates_skipped": 0.0,
            "seconds": seconds,
            **numbers,
        }
