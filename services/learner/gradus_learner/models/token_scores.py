"""Log-probabilities and entropies of tokens, without the logits of all of them at once.

At 40,960 tokens and a vocabulary of 151,936 one table of float32 logits takes 23 GiB, and autograd keeps three. Here
the last product runs over as many tokens at once as `VALUES_AT_ONCE` logits allow; the backward pass computes their
logits again. Where all tokens fit into one such part, its log-probabilities are kept, which costs no second product.

Hidden states of 16 bits are multiplied with weights that are rounded to as many; their logits, and the gradient of the
weights over all parts, are float32.

Shapes: N tokens, C tokens of one part, D hidden, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

# 256 MiB in float32; two or three such tables exist at a time.
VALUES_AT_ONCE = 2**26

Entropy = Literal["none", "value", "gradient"]


@dataclass(frozen=True)
class TokenScores:
    """Of the target tokens, at the temperature that was asked for; all (N,), float32."""

    logprobs_N: Tensor
    # Of the whole distribution; zeros where it was not asked for.
    entropy_N: Tensor
    # Whether no token is likelier; false where it was not asked for.
    is_best_N: Tensor


def token_scores(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    targets_N: Tensor,
    temperature: float = 1.0,
    entropy: Entropy = "none",
    best: bool = False,
    values_at_once: int = VALUES_AT_ONCE,
) -> TokenScores:
    """Differentiable in hidden states and weight by `logprobs_N`, and by `entropy_N` where it is `gradient`."""
    rows = max(1, values_at_once // len(weight_VD))
    outputs = _TokenScores.apply(hidden_ND, weight_VD, targets_N, temperature, entropy, best, rows)
    return TokenScores(*cast("tuple[Tensor, Tensor, Tensor]", outputs))


def _logprobs(hidden_CD: Tensor, weight_VD: Tensor, temperature: float) -> Tensor:
    logits_CV = F.linear(hidden_CD, weight_VD).float()
    if temperature != 1:
        logits_CV = logits_CV.div_(temperature)
    return torch.log_softmax(logits_CV, dim=-1)


def _mean(weights_CV: Tensor, values_CV: Tensor) -> Tensor:
    """Row by row, without a table of products."""
    return torch.bmm(weights_CV.unsqueeze(1), values_CV.unsqueeze(2)).view(-1)


class _TokenScores(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        targets_N: Tensor,
        temperature: float,
        entropy: Entropy,
        best: bool,
        rows: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        count = len(hidden_ND)
        rounded_VD = weight_VD.to(hidden_ND.dtype)
        picked_N = hidden_ND.new_empty(count, dtype=torch.float32)
        entropy_N = hidden_ND.new_zeros(count, dtype=torch.float32)
        is_best_N = torch.zeros(count, dtype=torch.bool, device=hidden_ND.device)
        kept_NV: Tensor | None = None
        for first in range(0, count, rows):
            part = slice(first, first + rows)
            logprobs_CV = _logprobs(hidden_ND[part], rounded_VD, temperature)
            picked_N[part] = logprobs_CV.gather(1, targets_N[part].unsqueeze(1)).squeeze(1)
            if entropy != "none":
                entropy_N[part] = -_mean(logprobs_CV.exp(), logprobs_CV)
            if best:
                is_best_N[part] = logprobs_CV.argmax(-1) == targets_N[part]
            kept_NV = logprobs_CV if count <= rows else None
        ctx.settings = (temperature, entropy, rows)
        ctx.save_for_backward(hidden_ND, weight_VD, targets_N, entropy_N, kept_NV)
        ctx.mark_non_differentiable(is_best_N)
        if entropy != "gradient":
            ctx.mark_non_differentiable(entropy_N)
        return picked_N, entropy_N, is_best_N

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None, None, None, None]:
        picked_gradient_N, entropy_gradient_N, _ = gradients
        hidden_ND, weight_VD, targets_N, entropy_N, kept_NV = ctx.saved_tensors
        temperature, entropy, rows = ctx.settings
        rounded_VD = weight_VD.to(hidden_ND.dtype)
        wants_hidden, wants_weight = ctx.needs_input_grad[:2]
        hidden_gradient = torch.empty_like(hidden_ND) if wants_hidden else None
        weight_gradient = torch.zeros_like(weight_VD) if wants_weight else None
        for first in range(0, len(hidden_ND), rows):
            part = slice(first, first + rows)
            logprobs_CV = kept_NV
            if logprobs_CV is None:
                logprobs_CV = _logprobs(hidden_ND[part], rounded_VD, temperature)
            upstream_C1 = picked_gradient_N[part].unsqueeze(1)
            # d log p_target / d logit_v = [v is target] - p_v; d H / d logit_v = -p_v (log p_v + H).
            if entropy == "gradient":
                factor_CV = logprobs_CV + entropy_N[part].unsqueeze(1)
                factor_CV.mul_(entropy_gradient_N[part].unsqueeze(1)).add_(upstream_C1)
                logits_gradient_CV = logprobs_CV.exp().mul_(factor_CV).neg_()
            else:
                logits_gradient_CV = logprobs_CV.exp().mul_(-upstream_C1)
            logits_gradient_CV.scatter_add_(1, targets_N[part].unsqueeze(1), upstream_C1)
            if temperature != 1:
                logits_gradient_CV.div_(temperature)
            logits_gradient_CV = logits_gradient_CV.to(hidden_ND.dtype)
            if hidden_gradient is not None:
                torch.mm(logits_gradient_CV, rounded_VD, out=hidden_gradient[part])
            if weight_gradient is not None and rounded_VD.dtype == weight_VD.dtype:
                weight_gradient.addmm_(logits_gradient_CV.T, hidden_ND[part])
            elif weight_gradient is not None:
                weight_gradient.add_(logits_gradient_CV.T @ hidden_ND[part])
        return hidden_gradient, weight_gradient, None, None, None, None, None
