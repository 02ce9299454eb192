"""The policy's forward pass over a key-value arena: one token for each active row, or ragged prompts.

Shapes: N tokens of any sequences side by side, B rows, Q longest new part, S keys, D hidden, H query heads,
K key-value heads, G = H / K, E head width, V vocabulary. Equal to `Dense.forward` up to float rounding (tested).

Weights are fused when they are loaded: q, k and v are one matrix, so are gate and up; the norms' weights are folded
into the matrices that follow them, and 1/sqrt(E) into q's norm, or into its projection where it has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from gradus_learner.engine.arena import Region
from gradus_learner.models.config import ModelError
from gradus_learner.models.decoder import Decoder
from gradus_learner.models.dense import Dense
from gradus_learner.models.dense_config import DenseConfig
from gradus_learner.models.rotary import rotary_tables


@dataclass(frozen=True)
class FusedLayer:
    qkv: Tensor
    # ((H + 2K) * E); None where no projection has one.
    qkv_bias: Tensor | None
    # (H + K, E); None where queries and keys are not normalised.
    qk_norm: Tensor | None
    output: Tensor
    gate_up: Tensor
    down: Tensor


@dataclass(frozen=True)
class Weights:
    config: DenseConfig
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


def fuse(policy: Decoder, context: int) -> Weights:
    """Weights for sequences of at most `context` tokens. Raises ModelError for another architecture."""
    if not isinstance(policy, Dense):
        raise ModelError(
            f"the built-in engine runs dense decoders, not {type(policy).__name__}; serve it by another engine"
        )
    config = policy.config
    named = {name: value.detach() for name, value in policy.named_parameters()}
    heads, groups, width = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    layers: list[FusedLayer] = []
    for index in range(config.num_hidden_layers):
        at = {
            name.removeprefix(f"model.layers.{index}.").removesuffix(".weight"): value
            for name, value in named.items()
            if name.startswith(f"model.layers.{index}.")
        }
        qkv = torch.cat([at[f"self_attn.{part}_proj"] for part in "qkv"]) * at["input_layernorm"]
        bias = torch.cat([at[f"self_attn.{part}_proj.bias"] for part in "qkv"]) if config.family.qkv_bias else None
        qk_norm = None
        if config.family.qk_norm:
            q_norm = (at["self_attn.q_norm"] * width**-0.5).expand(heads, width)
            qk_norm = torch.cat([q_norm, at["self_attn.k_norm"].expand(groups, width)])
        else:
            qkv[: heads * width] *= width**-0.5
            if bias is not None:
                bias[: heads * width] *= width**-0.5
        gate_up = torch.cat([at["mlp.gate_proj"], at["mlp.up_proj"]])
        layers.append(
            FusedLayer(
                qkv=qkv,
                qkv_bias=bias,
                qk_norm=qk_norm,
                output=at["self_attn.o_proj"].clone(),
                gate_up=gate_up * at["post_attention_layernorm"],
                down=at["mlp.down_proj"].clone(),
            )
        )
    output = policy.output_weight_VD.detach()
    positions_1T = torch.arange(context, device=output.device).unsqueeze(0)
    cos, sin = rotary_tables(config.rope, width, positions_1T, torch.float32)
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


@dataclass(frozen=True)
class Part:
    """The active rows 0..count-1 of a region, and the positions (count) of their next tokens."""

    region: Region
    positions: Tensor
    longest: int


# (layer, q, k, v) -> attention's output (N, H * E); keys and values are written first.
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]


def _normalised(x: Tensor, eps: float) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True).add_(eps))


def _run(
    weights: Weights, token_ids_N: Tensor, positions_N: Tensor, attend: Attend, wanted: Tensor | None = None
) -> Tensor:
    """Hidden states (N, D) after the last norm (its weight is in the output matrix).

    With `wanted`, only of those tokens: in the last layer the others matter by their keys and values alone, and
    `attend` answers for the wanted ones only.
    """
    config = weights.config
    eps, width = config.rms_norm_eps, config.head_dim
    heads, groups = config.num_attention_heads, config.num_key_value_heads
    cos, sin = weights.cos[positions_N], weights.sin[positions_N]
    x_ND = weights.embedding[token_ids_N]
    for index, layer in enumerate(weights.layers):
        qkv = F.linear(_normalised(x_ND, eps), layer.qkv, layer.qkv_bias).view(-1, heads + 2 * groups, width)
        qk = qkv[:, : heads + groups]
        if layer.qk_norm is not None:
            qk = _normalised(qk, eps).mul_(layer.qk_norm)
        qk = (qk * cos).addcmul_(qk.roll(width // 2, -1), sin)
        attended = attend(index, qk[:, :heads], qk[:, heads:], qkv[:, heads + groups :])
        if wanted is not None and layer is weights.layers[-1]:
            x_ND = x_ND[wanted]
        x_ND = x_ND + F.linear(attended, layer.output)
        gate, up = F.linear(_normalised(x_ND, eps), layer.gate_up).chunk(2, dim=-1)
        x_ND = x_ND + F.linear(F.silu(gate).mul_(up), layer.down)
    return _normalised(x_ND, eps)


def _mask(positions: Tensor, length: int) -> Tensor:
    """0 where the query at a position may look, minus infinity beyond; (..., length)."""
    hidden = torch.arange(length, device=positions.device) > positions.unsqueeze(-1)
    return torch.zeros(hidden.shape, device=positions.device).masked_fill_(hidden, float("-inf"))


@torch.inference_mode()
def decode(weights: Weights, token_ids_B: Tensor, parts: Sequence[Part]) -> Tensor:
    """Logits (B, V) after one more token in each active row of each region, in the parts' order."""
    config = weights.config
    groups, width = config.num_key_value_heads, config.head_dim
    per_group = config.num_attention_heads // groups
    batch = token_ids_B.shape[0]
    laid: list[tuple[Part, slice, Tensor, Tensor]] = []
    first = 0
    for part in parts:
        rows = torch.arange(part.positions.shape[0], device=weights.device)
        mask = _mask(part.positions, part.longest).unsqueeze(1)
        laid.append((part, slice(first, first + rows.shape[0]), rows, mask))
        first += rows.shape[0]

    def attend(layer: int, q_BHE: Tensor, k_BKE: Tensor, v_BKE: Tensor) -> Tensor:
        out = q_BHE.new_empty(batch, groups * per_group * width)
        q = q_BHE.reshape(batch * groups, per_group, width)
        for part, here, rows, mask in laid:
            count = rows.shape[0]
            part.region.write(layer, rows, part.positions, k_BKE[here], v_BKE[here])
            heads = slice(here.start * groups, here.stop * groups)
            scores = torch.bmm(q[heads], part.region.keys(layer, 0, count, part.longest))
            scores.view(count, groups * per_group, part.longest).add_(mask)
            values = part.region.values(layer, 0, count, part.longest)
            torch.bmm(torch.softmax(scores, -1), values, out=out[here].view(count * groups, per_group, width))
        return out

    positions_B = torch.cat([part.positions for part in parts])
    return F.linear(_run(weights, token_ids_B, positions_B, attend), weights.output)


@torch.inference_mode()
def prefill(weights: Weights, region: Region, spans: Sequence[Span], logits: bool = True) -> Tensor | None:
    """Write the spans' keys and values; logits (B, V) after the last token of each span, in order.

    The spans' rows are consecutive rows of the region. Shorter spans are padded in attention only.
    """
    config, device = weights.config, weights.device
    batch, first_row = len(spans), spans[0].row
    groups, width = config.num_key_value_heads, config.head_dim
    per_group = config.num_attention_heads // groups
    lengths = torch.tensor([len(span.token_ids) for span in spans])
    longest_new = int(lengths.max())
    length = max(span.start + len(span.token_ids) for span in spans)
    offsets = torch.arange(longest_new)
    positions_BQ = torch.tensor([span.start for span in spans]).unsqueeze(1) + offsets
    packed = (offsets < lengths.unsqueeze(1)).view(-1).nonzero().squeeze(1)
    dense = packed.numel() == batch * longest_new
    rows_N = (torch.arange(batch) + first_row).repeat_interleave(lengths).to(device)
    positions_N = positions_BQ.view(-1)[packed].to(device)
    token_ids_N = torch.tensor([token for span in spans for token in span.token_ids], device=device)
    packed = packed.to(device)
    mask = _mask(positions_BQ.to(device), length).unsqueeze(1).unsqueeze(1)
    last = (lengths.cumsum(0) - 1).to(device)
    last_mask = _mask(positions_N[last], length).unsqueeze(1)
    last_layer = config.num_hidden_layers - 1

    def attend(layer: int, q_NHE: Tensor, k_NKE: Tensor, v_NKE: Tensor) -> Tensor:
        region.write(layer, rows_N, positions_N, k_NKE, v_NKE)
        if layer == last_layer:
            q = q_NHE[last].view(batch * groups, per_group, width)
            scores = torch.bmm(q, region.keys(layer, first_row, batch, length))
            scores.view(batch, groups * per_group, length).add_(last_mask)
            out = torch.bmm(torch.softmax(scores, -1), region.values(layer, first_row, batch, length))
            return out.view(batch, -1)
        q = q_NHE.reshape(-1, groups, per_group, width)
        if not dense:
            padded = q.new_zeros(batch * longest_new, groups, per_group, width)
            padded[packed] = q
            q = padded
        # Query heads that share a key head are laid end to end along Q: attention without repeating keys.
        q = q.view(batch, longest_new, groups, per_group, width).permute(0, 2, 3, 1, 4)
        q = q.reshape(batch * groups, per_group * longest_new, width)
        scores = torch.bmm(q, region.keys(layer, first_row, batch, length))
        scores.view(batch, groups, per_group, longest_new, length).add_(mask)
        out = torch.bmm(torch.softmax(scores, -1), region.values(layer, first_row, batch, length))
        out = out.view(batch, groups, per_group, longest_new, width).permute(0, 3, 1, 2, 4)
        out = out.reshape(batch * longest_new, -1)
        return out if dense else out[packed]

    hidden_BD = _run(weights, token_ids_N, positions_N, attend, last)
    return F.linear(hidden_BD, weights.output) if logits else None
