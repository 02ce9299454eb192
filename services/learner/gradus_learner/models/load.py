"""Weights of a model directory: into a decoder, and out of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from gradus_learner.files.atomic import write_durably
from gradus_learner.models.config import DecoderConfig, ModelError
from gradus_learner.models.declared_tensors import WEIGHTS, weight_problems
from gradus_learner.models.decoder import Decoder
from gradus_learner.models.lora import base_parameters, merged_weights
from gradus_learner.models.memory import check_memory
from gradus_learner.models.registry import Model, read_model
from gradus_learner.models.weight_files import read_tensors

# Memory that each parameter takes while weights are read.
READING: Mapping[str, int] = {"weights": 4}


def parameter_count(policy: nn.Module) -> int:
    return sum(parameter.numel() for parameter in policy.parameters())


def check_weights(
    shapes: Mapping[str, tuple[int, ...]], config: DecoderConfig, directory: Path, pattern: str = WEIGHTS
) -> None:
    """What the headers of `directory` declare is the model of these shapes. Raises ModelError."""
    problems = weight_problems(directory, shapes, config, pattern)
    if problems:
        raise ModelError("; ".join(problems))


def load_weights(policy: Decoder, directory: str | Path, pattern: str = WEIGHTS) -> None:
    """Replace the parameters by those in `directory`; nothing changes if a tensor is missing, damaged or misshapen."""
    own = dict(base_parameters(policy))
    check_weights({name: tuple(each.shape) for name, each in own.items()}, policy.config, Path(directory), pattern)
    found = read_tensors(Path(directory), pattern, next(iter(own.values())).dtype)
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(found[name])


def load_policy(
    directory: str | Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    model: Model | None = None,
    bytes_each: Mapping[str, int] = READING,
) -> Decoder:
    """`model` is that of config.json unless given; `bytes_each`: memory that a parameter takes, by purpose."""
    root = Path(directory)
    model = model or read_model(root)
    # Before anything is allocated.
    check_weights(model.tensor_shapes, model.config, root)
    parameters = sum(math.prod(shape) for shape in model.tensor_shapes.values())
    check_memory(str(directory), parameters, READING, torch.device("cpu"))
    check_memory(str(directory), parameters, bytes_each, torch.device(device))
    policy = model.build().to(device=device, dtype=dtype)
    load_weights(policy, directory)
    return policy


def weights_of(policy: Decoder, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """As a model directory has them, in their own number format unless one is given."""
    return {name: each.to(dtype or each.dtype).contiguous().cpu() for name, each in merged_weights(policy)}


def save_weights(policy: Decoder, directory: str | Path) -> None:
    """Write config.json and model.safetensors; each name shows a whole file or none."""
    root = Path(directory)
    root.mkdir(parents=True, exist_ok=True)
    write_durably(root / "config.json", lambda path: path.write_text(policy.config.to_json(), encoding="utf-8"))
    weights = weights_of(policy)
    write_durably(root / "model.safetensors", lambda path: save_file(weights, str(path), {"format": "pt"}))
