"""The dense decoder-only transformer that Qwen and Llama share, in any size, with Hugging Face's tensor names.

Shapes: B sequences, T tokens, D hidden, H query heads, K key-value heads, E head width, V vocabulary.

Padding goes on the right: with the causal mask a padded position never reaches a real one, so a padded batch needs
no mask of its own, only that its padded outputs are ignored.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradus_learner.models.decoder import Decoder
from gradus_learner.models.dense_config import DenseConfig
from gradus_learner.models.kernels import rms_norm, rotate
from gradus_learner.models.rotary import rotary_tables


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight, self.eps)


class Attention(nn.Module):
    def __init__(self, config: DenseConfig) -> None:
        super().__init__()
        self.config = config
        width, head = config.hidden_size, config.head_dim
        bias = config.family.qkv_bias
        self.q_proj = nn.Linear(width, config.num_attention_heads * head, bias=bias)
        self.k_proj = nn.Linear(width, config.num_key_value_heads * head, bias=bias)
        self.v_proj = nn.Linear(width, config.num_key_value_heads * head, bias=bias)
        self.o_proj = nn.Linear(config.num_attention_heads * head, width, bias=False)
        normalises = config.family.qk_norm
        self.q_norm = RMSNorm(head, config.rms_norm_eps) if normalises else None
        self.k_norm = RMSNorm(head, config.rms_norm_eps) if normalises else None

    def forward(self, x_BTD: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        batch, length, _ = x_BTD.shape
        config = self.config
        heads, groups = config.num_attention_heads, config.num_key_value_heads
        cos, sin = cos.unsqueeze(2), sin.unsqueeze(2)
        q = self.q_proj(x_BTD).view(batch, length, heads, -1)
        k = self.k_proj(x_BTD).view(batch, length, groups, -1)
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        q, k = rotate(q, cos, sin).transpose(1, 2), rotate(k, cos, sin).transpose(1, 2)
        v = self.v_proj(x_BTD).view(batch, length, groups, -1).transpose(1, 2)
        if groups != heads:
            k = k.repeat_interleave(heads // groups, dim=1)
            v = v.repeat_interleave(heads // groups, dim=1)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1))


class FeedForward(nn.Module):
    def __init__(self, config: DenseConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config: DenseConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = FeedForward(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
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

    def hidden(
        self, token_ids_BT: Tensor, positions_BT: Tensor | None = None, attention_mask: Tensor | None = None
    ) -> Tensor:
        if positions_BT is None:
            positions_BT = torch.arange(token_ids_BT.shape[1], device=token_ids_BT.device).unsqueeze(0)
        x_BTD = self.model.embed_tokens(token_ids_BT)
        cos, sin = rotary_tables(self.config.rope, self.config.head_dim, positions_BT, x_BTD.dtype)
        for layer in self.model.layers:
            x_BTD = layer(x_BTD, cos, sin, attention_mask)
        return self.model.norm(x_BTD)

    def forward_flops(self, length: int, predicted: int) -> float:
        """Two for each weight of a matrix and token, and half of attention (causal); arXiv 2204.02311, appendix B."""
        config = self.config
        heads = config.num_attention_heads * config.head_dim
        matrices = sum(weight.numel() for weight in self.model.layers.parameters() if weight.dim() > 1)
        attention = 2 * config.num_hidden_layers * heads * length * (length + 1)
        return 2.0 * matrices * length + attention + 2.0 * config.vocab_size * config.hidden_size * predicted


def tensor_shapes(config: DenseConfig) -> dict[str, tuple[int, ...]]:
    """Of every parameter, by arithmetic alone: torch's meta device takes seconds of imports when it is first used."""
    width, inner, head = config.hidden_size, config.intermediate_size, config.head_dim
    queries, keys = config.num_attention_heads * head, config.num_key_value_heads * head
    layer: dict[str, tuple[int, ...]] = {
        "self_attn.q_proj.weight": (queries, width),
        "self_attn.k_proj.weight": (keys, width),
        "self_attn.v_proj.weight": (keys, width),
        "self_attn.o_proj.weight": (width, queries),
        "mlp.gate_proj.weight": (inner, width),
        "mlp.up_proj.weight": (inner, width),
        "mlp.down_proj.weight": (width, inner),
        "input_layernorm.weight": (width,),
        "post_attention_layernorm.weight": (width,),
    }
    if config.family.qk_norm:
        layer |= {"self_attn.q_norm.weight": (head,), "self_attn.k_norm.weight": (head,)}
    if config.family.qkv_bias:
        layer |= {"self_attn.q_proj.bias": (queries,), "self_attn.k_proj.bias": (keys,)}
        layer |= {"self_attn.v_proj.bias": (keys,)}
    table = (config.vocab_size, width)
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": table, "model.norm.weight": (width,)}
    for index in range(config.num_hidden_layers):
        shapes |= {f"model.layers.{index}.{name}": shape for name, shape in layer.items()}
    return shapes if config.tie_word_embeddings else {**shapes, "lm_head.weight": table}
