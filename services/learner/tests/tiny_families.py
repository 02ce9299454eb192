"""A random policy of any family of dense decoders."""

from __future__ import annotations

import torch

from gradus_learner.models.dense import Dense
from gradus_learner.models.dense_config import DenseConfig, Family
from gradus_learner.models.llama import LLAMA
from gradus_learner.models.qwen2 import QWEN2
from gradus_learner.models.qwen3 import QWEN3
from gradus_learner.models.rope import Rope

FAMILIES = (QWEN3, QWEN2, LLAMA)
VOCABULARY = 97


def policy_of(family: Family, rope: Rope, tie: bool = False) -> Dense:
    config = DenseConfig(
        family,
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=256,
        rope=rope,
        tie_word_embeddings=tie,
        eos_token_ids=(3, 5),
    )
    policy = Dense(config)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            parameter.normal_(0.0, 0.3, generator=generator)
            if parameter.dim() == 1 and not name.endswith(".bias"):
                parameter.add_(1.0)
    return policy
