"""The models that are measured: published shapes of Qwen3 with random weights, made on the device."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    name: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    groups: int = 8
    head: int = 128
    vocabulary: int = 151_936


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("0.6B", 1024, 3072, 28, 16),
        Shape("1.7B", 2048, 6144, 28, 16),
        Shape("4B", 2560, 9728, 36, 32),
        # What a CPU tries the script with.
        Shape("tiny", 64, 128, 2, 4, groups=2, head=16, vocabulary=512),
    )
}


def config_of(shape: Shape) -> Any:
    from gradus_learner.models.dense_config import DenseConfig
    from gradus_learner.models.qwen3 import QWEN3

    return DenseConfig(
        QWEN3,
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.groups,
        head_dim=shape.head,
        max_position_embeddings=40_960,
        tie_word_embeddings=True,
        # Drawn once in as many tokens as the vocabulary has.
        eos_token_ids=(shape.vocabulary - 1,),
    )


def policy_of(shape: Shape, device: str) -> Any:
    """Of the learner; on the device `meta` it has no weights."""
    import torch

    from gradus_learner.models.dense import Dense

    with torch.device(device):
        policy = Dense(config_of(shape))
    return policy if device == "meta" else with_random_weights(policy)


def reference_of(shape: Shape, device: str, dtype: Any) -> Any:
    """Of transformers, with the same weights."""
    import json

    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    values = json.loads(config_of(shape).to_json())
    config = AutoConfig.for_model(values.pop("model_type"), **values)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    return with_random_weights(model)


def with_random_weights(model: Any) -> Any:
    """By the name of each parameter, so that two models that name them alike are equal."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.fill_(1.0)
                continue
            generator = torch.Generator(parameter.device).manual_seed(zlib.crc32(name.encode()))
            parameter.normal_(0.0, 0.02, generator=generator)
    return model
