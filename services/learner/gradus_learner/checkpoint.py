"""Checkpoints: weights, optimiser and a small state, written atomically, the newest whole one found on resume.

`<root>/step-000012/{model.safetensors, optimizer.safetensors, state.json[, reference.safetensors]}`. A directory is
filled under a hidden name and renamed, so a crash leaves either a whole checkpoint or a name that is not looked at.
state.json also records the size of its neighbours: a file cut short by other means makes its checkpoint not whole.
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

from gradus_learner.model_files import write_directory

STEP_NAME = re.compile(r"step-(\d{6,})")


@dataclass(frozen=True)
class Checkpoint:
    directory: Path
    step: int
    state: dict[str, Any]


def checkpoint_directory(root: Path, step: int) -> Path:
    return root / f"step-{step:06d}"


def write_checkpoint(
    root: Path,
    step: int,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
    keep: int,
) -> Path:
    """Write `<name>.safetensors` for each of `tensors`, then forget all but the newest `keep` checkpoints.

    Raises DiskFullError with the older checkpoints untouched.
    """
    sizes: dict[str, int] = {}

    def saver(name: str, values: Mapping[str, Tensor]) -> Callable[[Path], object]:
        def save(path: Path) -> None:
            save_file({key: value.detach().contiguous().cpu() for key, value in values.items()}, str(path))
            sizes[name] = path.stat().st_size

        return save

    files: dict[str, Callable[[Path], object]] = {
        f"{name}.safetensors": saver(f"{name}.safetensors", values) for name, values in tensors.items()
    }
    files["state.json"] = lambda path: path.write_text(
        json.dumps({"step": step, "sizesBytes": sizes, **state}, indent=2) + "\n", encoding="utf-8"
    )
    directory = checkpoint_directory(root, step)
    write_directory(directory, files)
    for old in whole_checkpoints(root)[:-keep]:
        shutil.rmtree(old.directory, ignore_errors=True)
    return directory


def whole_checkpoints(root: Path) -> list[Checkpoint]:
    """Oldest first; half-written ones are left out."""
    found: list[Checkpoint] = []
    for directory in root.iterdir() if root.is_dir() else ():
        match = STEP_NAME.fullmatch(directory.name)
        if match is None:
            continue
        try:
            state = json.loads((directory / "state.json").read_text(encoding="utf-8"))
            whole = state["step"] == int(match[1]) and all(
                (directory / name).stat().st_size == size for name, size in state["sizesBytes"].items()
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if whole:
            found.append(Checkpoint(directory, int(match[1]), state))
    return sorted(found, key=lambda checkpoint: checkpoint.step)


def newest_checkpoint(root: Path) -> Checkpoint | None:
    found = whole_checkpoints(root)
    return found[-1] if found else None


def optimizer_tensors(policy: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state by parameter name: `exp_avg.<name>`, `exp_avg_sq.<name>`, `step.<name>`."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in policy.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}.{name}"] = torch.as_tensor(value)
    return tensors


def restore_optimizer(policy: nn.Module, optimizer: torch.optim.Optimizer, directory: Path) -> None:
    tensors = load_file(str(directory / "optimizer.safetensors"))
    for name, parameter in policy.named_parameters():
        restored = {
            key: tensors[f"{key}.{name}"] for key in ("exp_avg", "exp_avg_sq", "step") if f"{key}.{name}" in tensors
        }
        if restored:
            optimizer.state[parameter] = {
                # The step counter stays where the optimiser's kernel wants it: beside the parameter if fused.
                key: value.to(parameter.device)
                for key, value in restored.items()
            }
