"""The learner's service over a trainer that somebody else runs: it opens runs, and hands steps on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gradus.learner.v1 import learner_pb2
from gradus_client.given_model import read_given_model
from gradus_client.run import Run
from gradus_learner.errors import GradusError, InputError, NotReadyError, StateError
from gradus_learner.files.manifest import ManifestError, weights_digest
from gradus_learner.models.config import ModelError
from gradus_learner.serve.artefacts import Artefacts
from gradus_learner.serve.config import LearnerConfig
from gradus_learner.serve.learner import LearnerService
from gradus_learner.serve.learner_events import LearnerEvents
from gradus_learner.train.checkpoint import find_checkpoint
from gradus_learner.train.open_run import check_manifest, mark
from gradus_learner.train.run_directory import RunDirectory, check_path, model_digests


class TrainerService(LearnerService):
    def __init__(
        self, config: LearnerConfig, events: LearnerEvents, artefacts: Artefacts, opened: Callable[[Run], None]
    ) -> None:
        super().__init__(config, events, artefacts)
        self.device = "of a trainer"
        self._opened = opened
        self._given: Run | None = None

    def _read_run(self, request: learner_pb2.OpenRunRequest, directory: Path) -> Run:
        if request.HasField("lora"):
            raise InputError(
                "model.lora is of Gradus's own learner; leave it out, and give your trainer adapters by its own means"
            )
        files, model_path = RunDirectory(directory, request.run_id), self.artefacts.fetch(request.model_path)
        if not request.run_id:
            raise InputError("run_id is empty")
        check_path("directory", directory, self.config.roots)
        check_path("model_path", model_path, self.config.roots)
        try:
            model = model_digests(model_path)
        except OSError as error:
            raise InputError(f"model_path: {error.filename}: {error.strerror}") from None
        marked = files.check_mark(model_path, model, dict(request.model_digests))
        if not marked:
            mark(files, model)
        if request.resume and request.checkpoint:
            self._bring_checkpoint(request, files.checkpoints)
        found = find_checkpoint(files.checkpoints)
        if found.checkpoint is not None and not request.resume:
            raise StateError(
                f"{directory} already has checkpoint {found.checkpoint.directory.name}; set resume or choose another "
                "directory"
            )
        if found.checkpoint is not None and found.checkpoint.state.get("runId") != request.run_id:
            raise StateError(f"{found.checkpoint.directory} is not of run {request.run_id!r}")
        try:
            given = read_given_model(model_path, weights_digest(model))
            check_manifest(model_path, model)
        except (ModelError, ManifestError) as error:
            raise InputError(f"model_path: {error}") from None
        tokenizer = model.get("tokenizer.json")
        run = Run(
            files,
            given,
            seed=request.seed,
            keep_checkpoints=request.keep_checkpoints or 2,
            tokenizer_hash="" if tokenizer is None else tokenizer.sha256,
            checkpoint=found.checkpoint,
            damaged=found.damaged,
        )
        # Versions past the checkpoint belong to steps that will be made again.
        files.forget_half_written()
        files.forget_versions(lambda version: version > run.step)
        self.end(NotReadyError(f"run {request.run_id} was opened"))
        self._given = run
        self._opened(run)
        return run

    def end(self, why: GradusError) -> None:
        if self._given is not None:
            self._given.end(why)

    async def close(self) -> None:
        self.end(NotReadyError("the trainer has ended"))
        await super().close()
