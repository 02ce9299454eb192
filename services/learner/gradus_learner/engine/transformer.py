"""The policy's forward pass over a key-value arena: one token for each active row, or ragged prompts.

Shapes: N tokens of any sequences side by side, B rows, Q longest new part, S keys, D hidden, H query heads,
K key-value heads, G = H / K, E head width, V vocabulary. Equal to `Policy.forward` up to float rounding (tested).

Weights are fused when they are loaded: q, k and v are one matrix, so are gate and up; the norms' weights are folded
into the matrices that follow them, and 1/sqrt(E) into q's norm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from gradus_learner.engine.arena import Arena
from gradus_learner.model import ModelConfig, Policy, rotary_tables


@dataclass(frozen=True)
class FusedLayer:
    qkv: Tensor
    # (H + K, E)
    qk_norm: Tensor
    output: Tensor
    gate_up: Tensor
    down: Tensor


@dataclass(frozen=True)
class Weights:
    config: ModelConfig
    embedding: Tensor
    layers: tuple[FusedLayer, ...]
    # (V, D), the last norm folded in.
    output: Tensor
    # (T, 1, E) each; the sine's first half is negated, so that turning is one roll and one product.
    cos: Tensor
    sin: Tensor

    @property
    def device(self) -> torch.device:
        return self.embedding.device


def fuse(policy: Policy, context: int) -> Weights:
    """Weights for sequences of at most `context` tokens. Refuses values that are not finite."""
    config = policy.config
    named = {name: value.detach() for name, value in policy.named_parameters()}
    for name, value in named.items():
        if not bool(torch.isfinite(value).all()):
            raise ValueError(f"{name} holds values that are not finite; the weights are damaged")
    heads, groups, width = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    layers: list[FusedLayer] = []
    for index in range(config.num_hidden_layers):
        at = {
            name.removeprefix(f"model.layers.{index}.").removesuffix(".weight"): value
            for name, value in named.items()
            if name.startswith(f"model.layers.{index}.")
        }
        qkv = torch.cat([at[f"self_attn.{part}_proj"] for part in "qkv"])
        gate_up = torch.cat([at["mlp.gate_proj"], at["mlp.up_proj"]])
        q_norm = (at["self_attn.q_norm"] * width**-0.5).expand(heads, width)
        layers.append(
            FusedLayer(
                qkv=qkv * at["input_layernorm"],
                qk_norm=torch.cat([q_norm, at["self_attn.k_norm"].expand(groups, width)]),
                output=at["self_attn.o_proj"].clone(),
                gate_up=gate_up * at["post_attention_layernorm"],
                down=at["mlp.down_proj"].clone(),
            )
        )
    output = policy.output_weight_VD.detach()
    cos, sin = rotary_tables(config, torch.arange(context, device=output.device).unsqueeze(0), torch.float32)
    sin = torch.cat((-sin[..., : width // 2], sin[..., width // 2 :]), dim=-1)
    return Weights(
        config=config,
        embedding=named["model.embed_tokens.weight"].clone(),
        layers=tuple(layers),
        output=output * named["model.norm.weight"],
        cos=cos.transpose(0, 1).contiguous(),
        sin=sin.transpose(0, 1).contiguous(),
    )


@dataclass(frozen=True)
class Span:
    """New tokens of one row: they stand at positions start..start + len(token_ids) - 1."""

    row: int
    start: int
    token_ids: list[int]


Attend = Callable[[int, Tensor], Tensor]


def _normalised(x: Tensor, eps: float) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True).add_(eps))


@dataclass(frozen=True)
class Tokens:
    """Tokens of any rows side by side, (N) each."""

    ids: Tensor
    rows: Tensor
    positions: Tensor


def _run(weights: Weights, arena: Arena, tokens: Tokens, attend: Attend) -> Tensor:
    """Hidden states (N, D) after the last norm (its weight is in the output matrix)."""
    config = weights.config
    eps, width = config.rms_norm_eps, config.head_dim
    heads, groups = config.num_attention_heads, config.num_key_value_heads
    cos, sin = weights.cos[tokens.positions], weights.sin[tokens.positions]
    slots = arena.slots(tokens.rows, tokens.positions)
    x_ND = weights.embedding[tokens.ids]
    for index, layer in enumerate(weights.layers):
        qkv = F.linear(_normalised(x_ND, eps), layer.qkv).view(-1, heads + 2 * groups, width)
        qk = _normalised(qkv[:, : heads + groups], eps).mul_(layer.qk_norm)
        qk = (qk * cos).addcmul_(qk.roll(width // 2, -1), sin)
        arena.write(index, slots, qk[:, heads:], qkv[:, heads + groups :])
        x_ND = x_ND + F.linear(attend(index, qk[:, :heads]), layer.output)
        gate, up = F.linear(_normalised(x_ND, eps), layer.gate_up).chunk(2, dim=-1)
        x_ND = x_ND + F.linear(F.silu(gate).mul_(up), layer.down)
    return _normalised(x_ND, eps)


@torch.inference_mode()
def decode(weights: Weights, arena: Arena, token_ids_B: Tensor, positions_B: Tensor, longest: int) -> Tensor:
    """Logits (B, V) after one more token in each of the rows 0..B-1; `longest` is the largest position plus one."""
    config = weights.config
    batch = token_ids_B.shape[0]
    groups, width = config.num_key_value_heads, config.head_dim
    per_group = config.num_attention_heads // groups
    keys_at = torch.arange(longest, device=weights.device)
    mask = torch.zeros(batch, 1, longest, device=weights.device)
    mask.masked_fill_(keys_at > positions_B.view(-1, 1, 1), float("-inf"))

    def attend(layer: int, q_BHE: Tensor) -> Tensor:
        k, v = arena.keys_values(layer, 0, batch, longest)
        k, v = k.view(batch * groups, longest, width), v.view(batch * groups, longest, width)
        scores = torch.bmm(q_BHE.reshape(batch * groups, per_group, width), k.transpose(1, 2))
        scores.view(batch, groups * per_group, longest).add_(mask)
        return torch.bmm(torch.softmax(scores, -1), v).view(batch, -1)

    rows = torch.arange(batch, device=weights.device)
    return F.linear(_run(weights, arena, Tokens(token_ids_B, rows, positions_B), attend), weights.output)


@torch.inference_mode()
def prefill(weights: Weights, arena: Arena, spans: list[Span], logits: bool = True) -> Tensor | None:
    """Write the spans' keys and values; logits (B, V) after the last token of each span, in order.

    The spans' rows are consecutive. Shorter spans are padded in attention only.
    """
    config, device = weights.config, weights.device
    batch, first_row = len(spans), spans[0].row
    groups, width = config.num_key_value_heads, config.head_dim
    per_group = config.num_attention_heads // groups
    lengths = torch.tensor([len(span.token_ids) for span in spans])
    longest_new = int(lengths.max())
    length = max(span.start + len(span.token_ids) for span in spans)
    offsets = torch.arange(longest_new)
    real_BQ = offsets < lengths.unsqueeze(1)
    starts = torch.tensor([span.start for span in spans])
    positions_BQ = starts.unsqueeze(1) + offsets
    packed = real_BQ.view(-1).nonzero().squeeze(1)
    dense = packed.numel() == batch * longest_new
    rows_N = (torch.arange(batch) + first_row).repeat_interleave(lengths).to(device)
    positions_N = positions_BQ.view(-1)[packed].to(device)
    token_ids_N = torch.tensor([token for span in spans for token in span.token_ids], device=device)
    packed = packed.to(device)
    visible = torch.arange(length) <= positions_BQ.unsqueeze(-1)
    mask = torch.zeros(visible.shape).masked_fill_(~visible, float("-inf")).to(device)
    # Query heads that share a key head are laid end to end along Q: attention without repeating keys.
    mask = mask.repeat(1, per_group, 1).unsqueeze(1)

    def attend(layer: int, q_NHE: Tensor) -> Tensor:
        if dense:
            q = q_NHE.reshape(batch, longest_new, groups, per_group, width)
        else:
            q = q_NHE.new_zeros(batch * longest_new, groups, per_group, width)
            q[packed] = q_NHE.view(-1, groups, per_group, width)
            q = q.view(batch, longest_new, groups, per_group, width)
        q = q.permute(0, 2, 3, 1, 4).reshape(batch, groups, per_group * longest_new, width)
        k, v = arena.keys_values(layer, first_row, batch, length)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0)
        out = out.view(batch, groups, per_group, longest_new, width).permute(0, 3, 1, 2, 4)
        out = out.reshape(batch * longest_new, -1)
        return out if dense else out[packed]

    hidden_ND = _run(weights, arena, Tokens(token_ids_N, rows_N, positions_N), attend)
    if not logits:
        return None
    last = (lengths.cumsum(0) - 1).to(device)
    return F.linear(hidden_ND[last], weights.output)
