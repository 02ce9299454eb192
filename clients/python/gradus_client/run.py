"""A run that a coordinator opened, and its steps one after the other.

| state  | left by                                                                                       |
|--------|-----------------------------------------------------------------------------------------------|
| open   | `end`: another run was opened, or the client closes; weights that are not finite (`torn`)       |
| ended  | -                                                                                             |

The coordinator's call waits in `apply` (a thread of the service) until the trainer's thread has answered the step.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gradus_client.given_model import GivenModel
from gradus_client.step import Step
from gradus_client.version_files import VersionFiles, read_optimizer, read_record
from gradus_learner.errors import GradusError, NotReadyError, StateError
from gradus_learner.objectives.objective import Intake
from gradus_learner.train.checkpoint import Checkpoint
from gradus_learner.train.run import KEEP_RECORDS, StepOptions, StepRecord
from gradus_learner.train.run_directory import RunDirectory


class Run:
    def __init__(
        self,
        directory: RunDirectory,
        given: GivenModel,
        *,
        seed: int,
        keep_checkpoints: int,
        tokenizer_hash: str,
        checkpoint: Checkpoint | None,
        damaged: Sequence[str],
    ) -> None:
        self.run_id = directory.run_id
        self.directory = directory
        self.given = given
        self.seed = seed
        self.tokenizer_hash = tokenizer_hash
        self.files = VersionFiles(directory, given, keep_checkpoints)
        self.checkpoint = checkpoint
        self.damaged = list(damaged)
        # Steps applied.
        self.step = 0
        # Weights that are not finite belong to no step.
        self.torn = False
        self.records: dict[int, StepRecord] = {}
        if checkpoint is not None:
            self.step = checkpoint.step
            self.records[self.step] = read_record(checkpoint.state, checkpoint.directory)
        self._offered: queue.Queue[Step | None] = queue.Queue()
        # Of the service, and of the trainer.
        self._at_hand: Step | None = None
        self._taken: Step | None = None
        self._ended: GradusError | None = None
        self._tokenizer: Any = None

    @property
    def weights(self) -> Path:
        """The model directory to go on from: the newest checkpoint, or the model that the run began with."""
        return self.given.path if self.checkpoint is None else self.checkpoint.directory

    def optimizer_state(self) -> Any:
        """What `Step.done(optimizer=…)` left in that checkpoint, on the CPU; None where there is nothing."""
        return None if self.checkpoint is None else read_optimizer(self.checkpoint.directory)

    @property
    def ended(self) -> bool:
        return self._ended is not None

    @property
    def path(self) -> Path:
        return self.directory.path

    @property
    def parameters(self) -> int:
        return self.given.parameters

    trained_parameters = parameters

    def next_step(self, idle_seconds: float | None = None) -> Step | None:
        """Waits for the next one; None where the coordinator has opened another run, the client is closed, or no step
        came for `idle_seconds`: a coordinator does not say that its run is over. The one before has to be answered, by
        `done` or by `refuse`."""
        self._leave()
        if self._ended is not None:
            return None
        try:
            self._taken = self._offered.get(timeout=idle_seconds)
        except queue.Empty:
            return None
        return self._taken

    def steps(self, idle_seconds: float | None = None) -> Iterator[Step]:
        """Steps as they come, until `next_step` gives none. Who leaves the loop leaves the step at hand."""
        try:
            while (step := self.next_step(idle_seconds)) is not None:
                yield step
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._taken is not None:
            self._taken.fail_if_open(
                NotReadyError(f"the trainer left step {self._taken.number} of run {self.run_id} without an answer")
            )
            self._taken = None

    def apply(self, options: StepOptions, samples: Sequence[Any]) -> tuple[StepRecord, bool]:
        """The step's record, and whether it was applied now. For the service: waits for the trainer."""
        if self._ended is not None:
            raise self._ended
        if options.step != self.step + 1:
            record = self.records.get(options.step)
            if record is None:
                raise StateError(
                    f"step is {options.step}, the trainer of run {self.run_id} is at {self.step}; send {self.step + 1}"
                )
            return record, False
        step = Step(self, options, samples)
        self._at_hand = step
        self._offered.put(step)
        if self._ended is not None:
            step.fail_if_open(self._ended)
        record = step.wait()
        self.step = options.step
        self.records[options.step] = record
        self.records.pop(options.step - KEEP_RECORDS, None)
        return record, True

    def current_weights(self) -> tuple[str, str]:
        """Directory and digest of the newest version. For the service."""
        if self.step == 0:
            return str(self.given.path), self.given.digest
        record = self.records[self.step]
        if not record.weights_path and self.checkpoint is not None:
            record.weights_path, record.weights_digest = self.files.restore_version(
                self.step, self.checkpoint.directory
            )
        return record.weights_path, record.weights_digest

    def intake(self, temperature: float) -> Intake:
        """What samples of a step must fit. For the service."""
        config = self.given.config
        return Intake(config.vocab_size, self.tokenizer_hash, config.eos_token_ids[0], temperature, self._encode)

    def _encode(self, text: str) -> list[int]:
        if self._tokenizer is None:
            from tokenizers import Tokenizer

            self._tokenizer = Tokenizer.from_file(str(self.given.path / "tokenizer.json"))
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def finish_checkpoint(self) -> None:
        """Checkpoints are written before a step is answered."""

    def end(self, why: GradusError) -> None:
        """`steps` ends, and a step that is not answered fails with `why`."""
        self._ended = self._ended or why
        if self._at_hand is not None:
            self._at_hand.fail_if_open(why)
        self._offered.put(None)
