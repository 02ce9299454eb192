"""Low-rank adapters (LoRA, arXiv 2106.09685): next to a matrix W of a layer, two thin ones are trained in its place.

y = W x + alpha / rank * B (A x). A begins as peft has it (Kaiming's uniform of sqrt(5)), B with zeros, so that a policy
begins as its base. Names of tensors on disk are peft's. Weights that leave the learner have W + alpha / rank * B A in
the place of W: engines know nothing of adapters.

Shapes: I inputs of a matrix, O outputs, R rank.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from gradus_learner.models.config import ModelError
from gradus_learner.models.decoder import Decoder
from gradus_learner.models.finite import first_not_finite
from gradus_learner.models.lora_config import Lora, adapted, lora_problems

LORA_NAME = "lora.safetensors"
# In a checkpoint: those of the policy that entered the stage.
REFERENCE_LORA_NAME = "reference-lora.safetensors"
# As peft calls a module within its own.
_PEFT_PREFIX = "base_model.model."
_CHILD = "lora"
_PARTS = {"lora_A": "A", "lora_B": "B"}


class Adapter(nn.Module):
    def __init__(self, inputs: int, outputs: int, lora: Lora) -> None:
        super().__init__()
        self.A = nn.Parameter(torch.empty(lora.rank, inputs))
        self.B = nn.Parameter(torch.zeros(outputs, lora.rank))
        self.scale = lora.scale

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * F.linear(F.linear(x, self.A.to(x.dtype)), self.B.to(x.dtype))

    def product_OI(self) -> Tensor:
        return self.scale * (self.B.detach() @ self.A.detach())


def add_lora(policy: Decoder, lora: Lora, seed: int) -> None:
    """Freezes the weights of `policy` and adds adapters, the same for the same seed.

    Raises ModelError for a target that the model does not have, and a rank that a matrix has no room for.
    """
    shapes = {name: tuple(parameter.shape) for name, parameter in policy.named_parameters()}
    problems = lora_problems(shapes, lora)
    if problems:
        raise ModelError("; ".join(problems))
    places = adapted(shapes, lora.target_modules)
    modules = dict(policy.named_modules())
    others = [name for name in places if not isinstance(modules.get(name), nn.Linear)]
    if others:
        raise ModelError(f"lora: {others[0]} is no linear layer; name others in lora.target_modules, or leave lora out")
    policy.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name, (outputs, inputs) in places.items():
        module = modules[name]
        adapter = Adapter(inputs, outputs, lora)
        bound = 1 / math.sqrt(inputs)
        with torch.no_grad():
            adapter.A.uniform_(-bound, bound, generator=generator)
        module.add_module(_CHILD, adapter.to(next(module.parameters()).device))
        module.register_forward_hook(_add_adapter)


def _add_adapter(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return output + module.get_submodule(_CHILD)(inputs[0])


def adapters(policy: nn.Module) -> Iterator[tuple[str, Adapter]]:
    """By the name of the module that has it."""
    for name, module in policy.named_modules():
        if isinstance(module, Adapter):
            yield name.removesuffix(f".{_CHILD}"), module


def base_parameters(policy: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Those that a model directory has."""
    own = {id(parameter) for _, adapter in adapters(policy) for parameter in adapter.parameters()}
    return ((name, each) for name, each in policy.named_parameters() if id(each) not in own)


def merged_weights(policy: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """What a model directory holds: with the adapters' products added, in float32."""
    found = {f"{name}.weight": adapter for name, adapter in adapters(policy)}
    for name, parameter in base_parameters(policy):
        adapter = found.get(name)
        yield name, parameter.detach() if adapter is None else parameter.detach().float() + adapter.product_OI()


def copy_as_reference(policy: Decoder) -> Decoder:
    """With adapters of its own over the very same frozen weights."""
    frozen = {id(each): each for each in policy.parameters() if not each.requires_grad}
    return copy.deepcopy(policy, frozen).requires_grad_(False)


def lora_tensors(policy: nn.Module) -> dict[str, Tensor]:
    """By peft's names: lora_A (R, I), lora_B (O, R)."""
    return {
        f"{_PEFT_PREFIX}{name}.{part}.weight": getattr(adapter, attribute).detach()
        for name, adapter in adapters(policy)
        for part, attribute in _PARTS.items()
    }


def peft_config(policy: nn.Module, lora: Lora, base: str) -> dict[str, Any]:
    """What adapter_config.json says of them. `base`: where the weights that were frozen lie."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "target_modules": sorted({name.rpartition(".")[2] for name, _ in adapters(policy)}),
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
    }


def lora_writer(policy: nn.Module, lora: Lora, base: str) -> Callable[[Path], object]:
    """Writes the adapters as they are now; the file's metadata `adapter_config` is a whole adapter_config.json."""
    tensors = {name: tensor.cpu().clone() for name, tensor in lora_tensors(policy).items()}
    metadata = {
        "format": "pt",
        "lora": json.dumps(asdict(lora)),
        "adapter_config": json.dumps(peft_config(policy, lora, base)),
    }
    return lambda path: save_file(tensors, str(path), metadata)


def load_lora(policy: nn.Module, lora: Lora, file: Path) -> None:
    """Raises ModelError where the file is not of these adapters; then nothing changes."""
    try:
        with safe_open(str(file), framework="pt") as opened:
            written: Any = json.loads((opened.metadata() or {}).get("lora", "null"))
        found = load_file(str(file))
    except Exception as error:
        raise ModelError(f"{file}: not a whole file of adapters: {error}") from error
    said = json.loads(json.dumps(asdict(lora)))
    if written != said:
        raise ModelError(f"{file}: was trained with lora {json.dumps(written)}, and the run has {json.dumps(said)}")
    check_tensors(lora_tensors(policy), found, file)
    with torch.no_grad():
        for name, tensor in lora_tensors(policy).items():
            tensor.copy_(found[name])


def check_tensors(own: Mapping[str, Tensor], found: Mapping[str, Tensor], file: Path) -> None:
    differ = sorted(own.keys() ^ found.keys())
    differ += [name for name in sorted(own.keys() & found.keys()) if own[name].shape != found[name].shape]
    if differ:
        raise ModelError(f"{file}: {', '.join(differ[:5])}: not the tensors of these adapters, or not their shapes")
    bad = first_not_finite(found.items())
    if bad is not None:
        raise ModelError(f"{file}: {bad}; the file is damaged")
