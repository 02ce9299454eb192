"""What a run leaves on the disk: a version of each step, and checkpoints from which it goes on.

A version has the weights as passes compute with them, for engines; a checkpoint has all digits, the optimiser's moments
and the reference. Both are model directories that other programs load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file

from gradus_learner.errors import StateError
from gradus_learner.files.atomic import write_directory
from gradus_learner.files.manifest import Manifest, ManifestError, read_manifest, verify, weights_digest
from gradus_learner.models.decoder import Decoder
from gradus_learner.models.load import load_weights, weights_of
from gradus_learner.models.lora import LORA_NAME, REFERENCE_LORA_NAME, load_lora, lora_writer
from gradus_learner.train.checkpoint import (
    Checkpoint,
    checkpoint_files,
    optimizer_tensors,
    restore_optimizer,
    write_checkpoint,
)
from gradus_learner.train.checkpoint_writer import CheckpointWriter, has_room_for_copy, host_copy
from gradus_learner.train.critic import CRITIC_NAME, Critic, critic_tensors, restore_critic
from gradus_learner.train.run_directory import RunDirectory
from gradus_learner.train.trainer import Trainer
from gradus_learner.train.weights_probe import PROBE_NAME, probe_json

KEEP_VERSIONS = 3


@dataclass
class RunFiles:
    directory: RunDirectory
    model_path: Path
    trainer: Trainer
    keep_checkpoints: int
    # Tokenizer, chat template and so on, which versions and checkpoints have copies of: by name, what they hold.
    beside: Mapping[str, bytes]
    # Outlives the run where its owner opens another.
    checkpoints: CheckpointWriter = field(default_factory=CheckpointWriter)

    def damage(self, version: int) -> list[str]:
        """What is wrong with the files of a version; empty when they are as they were written."""
        directory = self.directory.version(version)
        try:
            return verify(directory, read_manifest(directory))
        except (ManifestError, OSError) as error:
            return [str(error)]

    def write_version(self, step: int, keep: Set[int] | None) -> tuple[str, str]:
        """Its directory and digest. Old versions that are not in `keep` are removed, none when it is None. Raises
        DiskFullError."""
        passes, policy = self.trainer.passes, self.trainer.policy
        # What passes compute with; the checkpoint has all digits.
        dtype = passes.dtype(next(policy.parameters()).dtype)
        weights, probe = weights_of(policy, dtype), probe_json(policy, passes)
        self.directory.check_free(step)
        target = self.directory.version(step)
        files: dict[str, Callable[[Path], object]] = {
            **self._model_files(passes.precision),
            **self._lora_files(None),
            "model.safetensors": lambda path: save_file(weights, str(path), {"format": "pt"}),
            PROBE_NAME: lambda path: path.write_text(probe, encoding="utf-8"),
        }
        # Not waited for: after a power cut the version is made again from the checkpoint.
        manifest = write_directory(target, files, Manifest("version", self.directory.run_id, step, {}), durable=False)
        if keep is not None:
            self.directory.forget_versions(lambda version: version <= step - KEEP_VERSIONS and version not in keep)
        return str(target), weights_digest(manifest.files)

    def begin_checkpoint(self, step: int, record: Mapping[str, object]) -> None:
        """`record` is what the step answered. Raises DiskFullError, of the checkpoint before, too."""
        policy, reference, lora = self.trainer.policy, self.trainer.reference, self.trainer.lora
        tensors = {
            # With adapters added in one matrix at a time: a device has no room for all of them once more.
            "model": dict(policy.named_parameters()) if lora is None else weights_of(policy, torch.float32),
            "optimizer": optimizer_tensors(policy, self.trainer.optimizer),
        }
        if reference is not None and lora is None:
            tensors["reference"] = dict(reference.named_parameters())
        if self.trainer.critic is not None:
            tensors["critic"] = critic_tensors(self.trainer.critic)
        # There is one copy at most, that of the one before is gone.
        self.checkpoints.finish()
        is_beside = has_room_for_copy(each for part in tensors.values() for each in part.values())
        if is_beside:
            tensors = {name: {key: host_copy(value) for key, value in part.items()} for name, part in tensors.items()}
        others = {**self._model_files("float32"), **self._lora_files(reference)}
        files = checkpoint_files(step, tensors, {"record": record}, others)
        directory = self.directory
        write = partial(write_checkpoint, directory.checkpoints, directory.run_id, step, files, self.keep_checkpoints)
        if is_beside:
            self.checkpoints.start(write)
        else:
            write()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Weights, moments, reference and critic. Raises StateError for another run's, ModelError for files that do not
        fit."""
        run_id = self.directory.run_id
        if checkpoint.state.get("runId") != run_id:
            raise StateError(f"{checkpoint.directory} is of run {checkpoint.state.get('runId')!r}, not of {run_id!r}")
        lora, names = self.trainer.lora, (LORA_NAME, REFERENCE_LORA_NAME)
        if lora is None and (checkpoint.directory / LORA_NAME).is_file():
            raise StateError(f"{checkpoint.directory} has adapters, and run {run_id!r} is opened without lora")
        if lora is None:
            names = ("model.safetensors", "reference.safetensors")

        def load(policy: Decoder, name: str) -> None:
            if lora is None:
                load_weights(policy, checkpoint.directory, name)
            else:
                load_lora(policy, lora, checkpoint.directory / name)

        load(self.trainer.policy, names[0])
        restore_optimizer(self.trainer.policy, self.trainer.optimizer, checkpoint.directory)
        if (checkpoint.directory / names[1]).is_file():
            self.trainer.set_reference()
            if self.trainer.reference is not None:
                load(self.trainer.reference, names[1])
        if (checkpoint.directory / CRITIC_NAME).is_file():
            # Other ranks get it with the rest.
            self.trainer.critic = Critic(self.trainer.policy)
            restore_critic(self.trainer.critic, checkpoint.directory / CRITIC_NAME)

    def _model_files(self, dtype: str) -> dict[str, Callable[[Path], object]]:
        """All of a model directory but its weights, which are in this number format."""
        config = self.trainer.policy.config.to_json(dtype).encode()
        contents = {"config.json": config, **self.beside}
        return {name: partial(write_bytes, content) for name, content in contents.items()}

    def _lora_files(self, reference: Decoder | None) -> dict[str, Callable[[Path], object]]:
        lora = self.trainer.lora
        if lora is None:
            return {}
        policies = {LORA_NAME: self.trainer.policy, REFERENCE_LORA_NAME: reference}
        base = str(self.model_path)
        return {name: lora_writer(each, lora, base) for name, each in policies.items() if each is not None}


def write_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)
