"""Checkpoints: weights, optimiser and a small state, written atomically, the newest whole one found on resume.

`<root>/step-000012/{model.safetensors, optimizer.safetensors, state.json, manifest.json[, reference.safetensors,
critic.safetensors]}`, and config and tokenizer, so that it is a model directory, too. A directory is filled under a
hidden name and renamed, so a crash leaves either a whole checkpoint or a name that is not looked at. The manifest has
the digests of the other files: what was cut, flipped or exchanged since is found by them.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gradus_learner.files.atomic import write_directory
from gradus_learner.files.manifest import Manifest, ManifestError, read_manifest, verify
from gradus_learner.models.config import ModelError
from gradus_learner.models.finite import first_not_finite

STEP_NAME = re.compile(r"step-(\d{6,})")
FORMAT = {"format": "pt"}


@dataclass(frozen=True)
class Checkpoint:
    directory: Path
    step: int
    state: dict[str, Any]


@dataclass(frozen=True)
class Found:
    """The newest whole checkpoint, and what is wrong with those that are newer."""

    checkpoint: Checkpoint | None
    damaged: list[str]


def checkpoint_directory(root: Path, step: int) -> Path:
    return root / f"step-{step:06d}"


Files = Mapping[str, Callable[[Path], object]]


def checkpoint_files(
    step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any], others: Files
) -> Files:
    """What writes `<name>.safetensors` for each of `tensors`, `state.json`, and `others` by name.

    Raises ModelError for a tensor that is not finite.
    """

    def saver(values: Mapping[str, Tensor]) -> Callable[[Path], object]:
        bad = first_not_finite(values.items())
        if bad is not None:
            raise ModelError(f"step {step} is not written: {bad}")
        return lambda path: save_file(
            {key: value.detach().contiguous().cpu() for key, value in values.items()}, str(path), FORMAT
        )

    files = {**others, **{f"{name}.safetensors": saver(values) for name, values in tensors.items()}}
    files["state.json"] = lambda path: path.write_text(
        json.dumps({"step": step, **state}, indent=2, allow_nan=False) + "\n", encoding="utf-8"
    )
    return files


def write_checkpoint(root: Path, run_id: str, step: int, files: Files, keep: int) -> Path:
    """Then forgets all of this run but the newest `keep` checkpoints.

    Raises DiskFullError with the older checkpoints untouched.
    """
    directory = checkpoint_directory(root, step)
    write_directory(directory, files, Manifest("checkpoint", run_id, step, {}))
    for old in own_checkpoints(root, run_id)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return directory


def named_checkpoints(root: Path) -> list[tuple[int, Path]]:
    """By step, the oldest first; half-written ones have other names."""
    found = [
        (int(match[1]), path)
        for path in (root.iterdir() if root.is_dir() else ())
        if (match := STEP_NAME.fullmatch(path.name)) is not None
    ]
    return sorted(found)


def own_checkpoints(root: Path, run_id: str) -> list[Path]:
    """Those that `run_id` wrote, by their manifests, the oldest first; their other files are not read."""
    found: list[Path] = []
    for step, directory in named_checkpoints(root):
        try:
            manifest = read_manifest(directory)
        except ManifestError:
            continue
        if (manifest.kind, manifest.run_id, manifest.step) == ("checkpoint", run_id, step):
            found.append(directory)
    return found


def find_checkpoint(root: Path) -> Found:
    """Reads every byte of the newest one, and of an older one only where the newer are damaged."""
    damaged: list[str] = []
    for step, directory in reversed(named_checkpoints(root)):
        try:
            manifest = read_manifest(directory)
            wrong = verify(directory, manifest)
            if not wrong:
                state: Any = json.loads((directory / "state.json").read_text(encoding="utf-8"))
                if (manifest.kind, manifest.step, state["step"]) == ("checkpoint", step, step):
                    return Found(Checkpoint(directory, step, {**state, "runId": manifest.run_id}), damaged)
                wrong = [f"{directory}: its files are of step {state['step']}"]
        except (ManifestError, OSError, ValueError, KeyError, TypeError) as error:
            wrong = [str(error)]
        damaged += wrong
    return Found(None, damaged)


STATE_KEYS = ("exp_avg", "exp_avg_sq", "step")


def optimizer_tensors(policy: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state by parameter name: `exp_avg.<name>`, `exp_avg_sq.<name>`, `step.<name>`."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in policy.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}.{name}"] = torch.as_tensor(value)
    return tensors


def restore_optimizer(policy: nn.Module, optimizer: torch.optim.Optimizer, directory: Path) -> None:
    """Raises ModelError for moments that are not of this model, or not finite; then nothing is restored."""
    file = directory / "optimizer.safetensors"
    restore_moments(policy, optimizer, load_file(str(file)), file)


def restore_moments(
    policy: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], file: Path
) -> None:
    """From `tensors` of `file`, as `optimizer_tensors` named them. Raises as `restore_optimizer`."""
    problems = optimizer_problems(policy, tensors)
    if problems:
        raise ModelError(f"{file}: {'; '.join(problems[:5])}")
    for name, parameter in policy.named_parameters():
        restored = {key: tensors[f"{key}.{name}"] for key in STATE_KEYS if f"{key}.{name}" in tensors}
        if restored:
            optimizer.state[parameter] = {
                # The step counter stays where the optimiser's kernel wants it: with the parameter if fused.
                key: value.to(parameter.device)
                for key, value in restored.items()
            }


def optimizer_problems(policy: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """A parameter has all of its state or none, before its first update."""
    own = dict(policy.named_parameters())
    problems = [f"{key} is of no parameter" for key in sorted(tensors) if key.partition(".")[2] not in own]
    for name, parameter in own.items():
        state = {key: tensors[f"{key}.{name}"] for key in STATE_KEYS if f"{key}.{name}" in tensors}
        if state and len(state) < len(STATE_KEYS):
            problems.append(f"{name} has only {', '.join(state)} of {', '.join(STATE_KEYS)}")
        for key, value in state.items():
            expected = () if key == "step" else tuple(parameter.shape)
            if tuple(value.shape) != expected:
                problems.append(f"{key}.{name} has shape {tuple(value.shape)}, the parameter wants {expected}")
            elif key != "exp_avg" and value.numel() > 0 and float(value.min()) < 0:
                problems.append(f"{key}.{name} has a value below 0")
    bad = first_not_finite(tensors.items())
    return problems if bad is None else [*problems, bad]
