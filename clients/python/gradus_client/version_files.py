"""Versions and checkpoints of a run, as the learner of Gradus writes them: model directories with a manifest."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from gradus_client.given_model import GivenModel
from gradus_learner.files.atomic import write_directory
from gradus_learner.files.manifest import MANIFEST_NAME, Manifest, weights_digest
from gradus_learner.train.checkpoint import checkpoint_directory, checkpoint_files, write_checkpoint
from gradus_learner.train.run import StepRecord
from gradus_learner.train.run_directory import RunDirectory
from gradus_learner.train.run_files import KEEP_VERSIONS
from gradus_learner.train.weights_probe import PROBE_NAME, probe_text, probe_tokens

OPTIMIZER_NAME = "optimizer.pt"
Writers = dict[str, Callable[[Path], object]]


class VersionFiles:
    def __init__(self, directory: RunDirectory, given: GivenModel, keep_checkpoints: int) -> None:
        self.directory = directory
        self.given = given
        self.keep_checkpoints = keep_checkpoints

    def write_version(
        self, step: int, tensors: Mapping[str, Tensor], probe: str | None, keep: frozenset[int]
    ) -> tuple[str, str]:
        """Its directory and digest. Raises DiskFullError."""
        weights = dict(tensors)
        files: Writers = {
            **self._beside(tensors, probe),
            "model.safetensors": lambda path: save_file(weights, str(path), {"format": "pt"}),
        }
        written = self._write(step, files)
        self.directory.forget_versions(lambda version: version <= step - KEEP_VERSIONS and version not in keep)
        return written

    def write_checkpoint(
        self, record: StepRecord, tensors: Mapping[str, Tensor], probe: str | None, optimizer: Any
    ) -> str:
        """Its directory. Raises DiskFullError with the older checkpoints untouched."""
        kept = {**asdict(record), "weights_path": "", "weights_digest": "", "checkpoint_path": ""}
        others = self._beside(tensors, probe)
        if optimizer is not None:
            state = optimizer if isinstance(optimizer, dict) else optimizer.state_dict()
            others[OPTIMIZER_NAME] = lambda path: torch.save(state, path)
        files = checkpoint_files(record.step, {"model": tensors}, {"record": kept}, others)
        root = self.directory.checkpoints
        write_checkpoint(root, self.directory.run_id, record.step, files, self.keep_checkpoints)
        return str(checkpoint_directory(root, record.step))

    def restore_version(self, step: int, checkpoint: Path) -> tuple[str, str]:
        """The version that a checkpoint was written with: what it had of it."""
        apart = {"state.json", OPTIMIZER_NAME, MANIFEST_NAME}
        names = sorted(path.name for path in checkpoint.iterdir() if path.name not in apart)
        return self._write(step, {name: partial(shutil.copyfile, checkpoint / name) for name in names})

    def _write(self, step: int, files: Writers) -> tuple[str, str]:
        self.directory.check_free(step)
        target = self.directory.version(step)
        # Not waited for: after a power cut the version is made again from the checkpoint.
        manifest = write_directory(target, files, Manifest("version", self.directory.run_id, step, {}), durable=False)
        return str(target), weights_digest(manifest.files)

    def _beside(self, tensors: Mapping[str, Tensor], probe: str | None) -> Writers:
        formats = Counter(str(value.dtype).removeprefix("torch.") for value in tensors.values())
        config = self.given.config.to_json(formats.most_common(1)[0][0]).encode()
        contents = {"config.json": config, **self.given.beside}
        if probe is not None:
            contents[PROBE_NAME] = probe.encode()
        return {name: partial(write_bytes, content) for name, content in contents.items()}


def write_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)


@torch.no_grad()
def probe_of(model: nn.Module, vocabulary: int) -> str:
    """`probe.json` of a causal language model as transformers has them: called with `input_ids`, it gives `logits`."""
    tokens = probe_tokens(vocabulary)
    was_training = model.training
    model.eval()
    try:
        ids = torch.tensor([tokens], device=next(model.parameters()).device)
        logits = model(input_ids=ids).logits[0, :-1].float()
    finally:
        model.train(was_training)
    logprobs = torch.log_softmax(logits, -1).gather(-1, ids[0, 1:, None])[:, 0]
    return probe_text(tokens, logprobs.tolist())


def read_optimizer(checkpoint: Path) -> Any:
    """None where the checkpoint has none."""
    file = checkpoint / OPTIMIZER_NAME
    return torch.load(file, map_location="cpu", weights_only=True) if file.is_file() else None


def read_record(state: Mapping[str, Any], checkpoint: Path) -> StepRecord:
    record = StepRecord(**state["record"])
    record.checkpoint_path = str(checkpoint)
    return record
