"""Opens a run of the learner: what it stands on is looked at before any weights are loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from gradus_learner.errors import DamagedError, InputError, NoRoomError, StateError
from gradus_learner.files.atomic import is_disk_full
from gradus_learner.files.manifest import MANIFEST_NAME, FileDigest, ManifestError, read_manifest, said
from gradus_learner.models.backend_names import BUILTIN
from gradus_learner.models.beside import read_beside
from gradus_learner.models.check_model import model_problems
from gradus_learner.models.config import ModelError
from gradus_learner.models.load import load_policy
from gradus_learner.models.lora import add_lora
from gradus_learner.models.lora_config import Lora
from gradus_learner.models.passes import Passes, Precision
from gradus_learner.models.registry import read_model
from gradus_learner.train.checkpoint import find_checkpoint
from gradus_learner.train.checkpoint_writer import CheckpointWriter
from gradus_learner.train.mfu import peak_flops
from gradus_learner.train.ranks import ALONE, Ranks
from gradus_learner.train.run import LearnerRun
from gradus_learner.train.run_directory import RunDirectory, check_path, is_model_file, model_digests
from gradus_learner.train.run_files import RunFiles
from gradus_learner.train.shared_run import broadcast_run, bytes_each, held_as
from gradus_learner.train.trainer import Trainer


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
    precision: Precision = "float32",
    activation_checkpointing: bool = False,
    peak_tflops: float | None = None,
    lora: Lora | None = None,
    backend: str = BUILTIN,
    roots: Sequence[Path] = (),
    expected: Mapping[str, str] | None = None,
    make_room: Callable[[], None] = lambda: None,
    bring: Callable[[Path], None] | None = None,
    ranks: Ranks = ALONE,
    checkpoints: CheckpointWriter | None = None,
) -> LearnerRun:
    """`make_room` is called once nothing is left to refuse but the model itself: two runs may not fit into memory.
    `bring` puts a checkpoint into the folder that it is given, if there is a newer one elsewhere. Of several `ranks`
    this one reads and writes all files, and gives the others what it has read. `checkpoints` writes the run's, and must
    have finished those of a run before."""
    if not run_id:
        raise InputError("run_id is empty")
    check_path("directory", directory, roots)
    check_path("model_path", model_path, roots)
    files = RunDirectory(directory, run_id)
    try:
        model = model_digests(model_path)
    except OSError as error:
        raise InputError(f"model_path: {error.filename}: {error.strerror}") from None
    marked = files.check_mark(model_path, model, expected or {})
    if resume and bring is not None:
        # What is brought has to lie in a directory that is the run's.
        if not marked:
            mark(files, model)
            marked = True
        bring(files.checkpoints)
    found = find_checkpoint(files.checkpoints)
    if found.checkpoint is not None and not resume:
        raise StateError(
            f"{directory} already has checkpoint {found.checkpoint.directory.name}; set resume or choose another "
            "directory",
        )
    try:
        problems = model_problems(model_path, backend=backend)
        if problems:
            raise ModelError("; ".join(problems))
        read = read_model(model_path, backend)
        check_manifest(model_path, model)
        beside = read_beside(model_path, read.config)
        make_room()
        dtype = held_as(lora, Passes(precision))
        policy = load_policy(model_path, device, dtype, read, bytes_each(lora, dtype))
        policy.check(Passes(precision, activation_checkpointing))
        if lora is not None:
            add_lora(policy, lora, seed)
    except (ModelError, ManifestError) as error:
        raise InputError(f"model_path: {error}") from None
    torch.manual_seed(seed)
    trainer = Trainer(policy, micro_batch_tokens, precision, activation_checkpointing, ranks, lora)
    run = LearnerRun(
        RunFiles(files, model_path, trainer, keep_checkpoints or 2, beside, checkpoints or CheckpointWriter()),
        model,
        trainer,
        peak_flops=peak_flops(trainer.device, trainer.passes.dtype(torch.float32), peak_tflops),
        damaged=found.damaged,
    )
    if not marked:
        mark(files, model)
    if found.checkpoint is not None:
        try:
            run.restore(found.checkpoint)
        except ModelError as error:
            raise DamagedError(f"{found.checkpoint.directory}: {error}") from None
    broadcast_run(trainer, read, seed)
    # Versions past the checkpoint belong to steps that will be made again.
    files.forget_half_written()
    files.forget_versions(lambda version: version > run.step)
    return run


def mark(files: RunDirectory, model: Mapping[str, FileDigest]) -> None:
    try:
        files.mark(model)
    except OSError as error:
        if is_disk_full(error):
            raise NoRoomError(f"no room to write in {files.path}; free disk space") from None
        raise InputError(f"directory: {error.filename}: {error.strerror}") from None


def check_manifest(model_path: Path, model: Mapping[str, FileDigest]) -> None:
    """A model that was a version of a run is what that run wrote."""
    if not (model_path / MANIFEST_NAME).is_file():
        return
    manifest = read_manifest(model_path)
    for name, expected in manifest.files.items():
        # Others, as the probe, are no part of what is trained: who copies a model may leave them.
        if not is_model_file(name):
            continue
        found = model.get(name)
        if found != expected:
            found_sha256 = said(None if found is None else found.sha256)
            raise ModelError(
                f"{model_path / name}: expected {said(expected.sha256)} by {MANIFEST_NAME}, found {found_sha256}; "
                f"put the file back, or remove {MANIFEST_NAME} if this is another model"
            )
