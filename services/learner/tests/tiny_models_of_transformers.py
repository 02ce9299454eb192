"""Small random models of transformers' own families, as its `save_pretrained` writes them."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import torch
from torch import nn

VOCABULARY = 97
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "max_position_embeddings": 128, "bos_token_id": 1, "eos_token_id": [2, 3],
    "pad_token_id": 0,
}  # fmt: skip
GROUPED: dict[str, Any] = {"num_key_value_heads": 2, "head_dim": 8}
# Renamed when loaded; tied and scaled embeddings; sliding windows; stacked projections; norms without weights; learned
# positions, with dropout in the configuration and matrices the other way round; a layer that drops by a function.
MODELS: dict[str, dict[str, Any]] = {
    "gpt_neox": {"attention_dropout": 0.1, "hidden_dropout": 0.1},
    "gemma": GROUPED,
    "mistral": {**GROUPED, "sliding_window": 5},
    "phi3": {"resid_pdrop": 0.1},
    "olmo": {},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
}


def library_model(model_type: str, **more: Any) -> Any:
    """Its weights are no longer what initialisation makes them: biases and norms, too."""
    from transformers import AutoConfig, AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, **{**SIZES, **more})).float().eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in nn.Module.parameters(model):
            # About one after the norms' own offset, whatever that is.
            parameter.add_(torch.empty_like(parameter).normal_(0.0, 0.15, generator=generator))
    return model


def saved(directory: Path, model: Any) -> Path:
    # It draws a bar of its progress.
    with contextlib.redirect_stderr(io.StringIO()):
        model.save_pretrained(directory)
    return directory


def model_of(directory: Path, model_type: str, **more: Any) -> Path:
    return saved(directory, library_model(model_type, **{**MODELS.get(model_type, {}), **more}))
