"""The dense decoder-only transformer that Qwen and Llama share, in any size, with Hugging Face's tensor names.

Shapes: T tokens of a packed row, D hidden, H query heads, K key-value heads, E head width, V vocabulary.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from gradus_learner.models.attention import causal_attention
from gradus_learner.models.decoder import Decoder
from gradus_learner.models.dense_config import DenseConfig
from gradus_learner.models.kernels import rms_norm, rotate
from gradus_learner.models.packed_row import PackedRow
from gradus_learner.models.passes import PLAIN, Passes
from gradus_learner.models.rotary import rotary_tables


class Linear(nn.Linear):
    """In the number format of what comes in; the weight keeps its own."""

    def forward(self, input: Tensor) -> Tensor:
        # Its annotation in torch leaves out that a layer may have none.
        bias = cast("Tensor | None", self.bias)
        return F.linear(input, self.weight.to(input.dtype), None if bias is None else bias.to(input.dtype))


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight.to(x.dtype), self.eps)


class Attention(nn.Module):
    def __init__(self, config: DenseConfig) -> None:
        super().__init__()
        self.config = config
        width, head = config.hidden_size, config.head_dim
        bias = config.family.qkv_bias
        self.q_proj = Linear(width, config.num_attention_heads * head, bias=bias)
        self.k_proj = Linear(width, config.num_key_value_heads * head, bias=bias)
        self.v_proj = Linear(width, config.num_key_value_heads * head, bias=bias)
        self.o_proj = Linear(config.num_attention_heads * head, width, bias=False)
        normalises = config.family.qk_norm
        self.q_norm = RMSNorm(head, config.rms_norm_eps) if normalises else None
        self.k_norm = RMSNorm(head, config.rms_norm_eps) if normalises else None

    def forward(self, x_TD: Tensor, cos: Tensor, sin: Tensor, row: PackedRow) -> Tensor:
        length, head = len(x_TD), self.config.head_dim
        q = self.q_proj(x_TD).view(length, -1, head)
        k = self.k_proj(x_TD).view(length, -1, head)
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        v = self.v_proj(x_TD).view(length, -1, head)
        cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
        out_THE = causal_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, row)
        return self.o_proj(out_THE.view(length, -1))


class FeedForward(nn.Module):
    def __init__(self, config: DenseConfig) -> None:
        super().__init__()
        self.gate_proj = Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config: DenseConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = FeedForward(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, row: PackedRow) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, row)
        return x + self.mlp(self.post_attention_layernorm(x))


class Stack(nn.Module):
    def __init__(self, config: DenseConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)


class Dense(Decoder):
    def __init__(self, config: DenseConfig) -> None:
        super().__init__()
        self._config = config
        self.model = Stack(config)
        self.lm_head = None if config.tie_word_embeddings else nn.Linear(config.hidden_size, config.vocab_size, False)

    @property
    def config(self) -> DenseConfig:
        return self._config

    def initialise(self, generator: torch.Generator) -> None:
        """Normal weights of 0.02; what writes to the residual stream is scaled down by its depth (GPT-2)."""
        residual = 0.02 / math.sqrt(2 * self.config.num_hidden_layers)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if parameter.dim() == 1:
                    parameter.fill_(0.0 if name.endswith(".bias") else 1.0)
                else:
                    scale = residual if name.endswith(("o_proj.weight", "down_proj.weight")) else 0.02
                    parameter.normal_(0.0, scale, generator=generator)

    @property
    def output_weight_VD(self) -> Tensor:
        return self.model.embed_tokens.weight if self.lm_head is None else self.lm_head.weight

    def hidden(self, row: PackedRow, passes: Passes = PLAIN) -> Tensor:
        embedded_TD = self.model.embed_tokens(row.ids_T)
        x_TD = embedded_TD.to(passes.dtype(embedded_TD.dtype))
        cos, sin = rotary_tables(self.config.rope, self.config.head_dim, row.positions_T, x_TD.dtype)
        for layer in self.model.layers:
            if passes.activation_checkpointing and torch.is_grad_enabled():
                # No layer draws random numbers.
                x_TD = checkpoint(layer, x_TD, cos, sin, row, use_reentrant=False, preserve_rng_state=False)
            else:
                x_TD = layer(x_TD, cos, sin, row)
        return self.model.norm(x_TD)

    def forward_flops(self, length: int, predicted: int) -> float:
        """Two for each weight of a matrix and token, and half of attention (causal); arXiv 2204.02311, appendix B."""
        config = self.config
        heads = config.num_attention_heads * config.head_dim
        matrices = sum(weight.numel() for weight in self.model.layers.parameters() if weight.dim() > 1)
        attention = 2 * config.num_hidden_layers * heads * length * (length + 1)
        return 2.0 * matrices * length + attention + 2.0 * config.vocab_size * config.hidden_size * predicted

    def frozen_flops(self, length: int, predicted: int) -> float:
        weights = self.model.layers.parameters()
        frozen = sum(weight.numel() for weight in weights if weight.dim() > 1 and not weight.requires_grad)
        output = self.output_weight_VD
        return 2.0 * frozen * length + (0.0 if output.requires_grad else 2.0 * output.numel() * predicted)
