"""A model of transformers without weights, and the names that its parameters have on disk.

transformers 5 renames and stacks some tensors when it loads a model, and undoes that when it saves one. Engines know
the names on disk. A name is followed; a tensor that is made of several is not: what is trained would have another form
than what is written.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch

from gradus_learner.models.config import ModelError
from gradus_learner.models.declared_tensors import some
from gradus_learner.models.huggingface.config import library_config
from gradus_learner.models.huggingface.package import load_transformers

# Random numbers of a forward pass, as configurations call their probabilities.
DROPOUT = ("dropout", "dropout_prob", "pdrop", "layerdrop", "dropout_rate")


def empty_model(values: Mapping[str, Any], where: str) -> Any:
    """On no device, so that it takes no memory: names and shapes alone."""
    with torch.device("meta"):
        return new_model(values, where)


def new_model(values: Mapping[str, Any], where: str) -> Any:
    """Its weights are not set; nothing of it draws random numbers."""
    transformers = load_transformers()
    config = without_dropout(library_config(values, where))
    try:
        with load_transformers("initialization").no_init_weights():
            model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        # A part of what was left out.
        model.tie_weights()
        return model
    except Exception as error:
        raise ModelError(f"{where}: transformers cannot build it: {error}") from error


def without_dropout(config: Any) -> Any:
    """A layer that is computed again has to be in training mode (see decoder.py), and would drop other values."""
    config = copy.deepcopy(config)
    for key, value in list(vars(config).items()):
        if key.endswith(DROPOUT) and isinstance(value, float):
            setattr(config, key, 0.0)
    return config


def disk_names(model: Any, where: str) -> dict[str, str]:
    """By parameter, with those that are tied. Raises ModelError, with names, where one is no tensor on disk."""
    reverting = load_transformers("core_model_loading")
    own = dict(model.named_parameters(remove_duplicate=False))
    kept = [name for name in model.state_dict() if name not in own]
    if kept:
        raise ModelError(
            f"{where}: {'; '.join(some('tensors that are no parameters', kept))}: they are not trained and would be "
            "lost; such a model is not supported"
        )
    # One of its own for each name: tied ones are the same tensor.
    marks = {name: torch.empty_like(each, device="meta") for name, each in own.items()}
    try:
        on_disk: Mapping[str, Any] = reverting.revert_weight_conversion(model, dict(marks))
    except Exception as error:
        raise ModelError(f"{where}: transformers cannot say the names of its tensors: {error}") from error
    names = {id(tensor): name for name, tensor in on_disk.items()}
    stacked = [name for name, mark in marks.items() if id(mark) not in names]
    if stacked:
        raise ModelError(
            f"{where}: {'; '.join(some('parameters that transformers makes of several tensors', stacked))}: they "
            "cannot be written as they were read; such a model, as many mixtures of experts, is not supported"
        )
    return {name: names[id(mark)] for name, mark in marks.items()}


def shapes_on_disk(model: Any, names: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Of every parameter, once."""
    return {names[name]: tuple(each.shape) for name, each in model.named_parameters()}
