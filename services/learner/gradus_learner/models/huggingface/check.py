"""Whether a model that was loaded computes what its decoder says, on a few tokens.

Shapes: T tokens, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradus_learner.models.config import ModelError
from gradus_learner.models.config_values import shown
from gradus_learner.models.huggingface.decoder import HuggingFaceDecoder
from gradus_learner.models.packed_row import PackedRow
from gradus_learner.models.passes import Passes

# Keys of config.json by which logits are something else than a product of hidden states and a matrix.
CAPS = ("final_logit_softcapping", "logits_softcap")
OF_LOGITS = (*CAPS, "logit_scale", "logits_scaling", "lm_head_multiplier")
LENGTHS = (7, 9, 4)
# Of the largest logit: the same products in the same shapes, and in others.
SAME, ALIKE = 1e-5, 1e-3


@torch.no_grad()
def check_decoder(policy: HuggingFaceDecoder, passes: Passes) -> None:
    """Raises ModelError, with all that differs and what config.json says of it."""
    where = policy.config.where
    output: Any = policy.library_model.get_output_embeddings()
    if output is None or getattr(output, "bias", None) is not None:
        what = "no output matrix" if output is None else "an output matrix with a bias"
        raise ModelError(f"{where}: {type(policy.library_model).__name__} has {what}; such a model is not supported")
    # Spread over the vocabulary.
    ids_T = torch.arange(sum(LENGTHS), device=output.weight.device) * policy.config.vocab_size // sum(LENGTHS)
    row = PackedRow(ids_T, LENGTHS)
    try:
        problems = logit_problems(policy, row)
    except Exception as error:
        raise ModelError(f"{where}: a pass over {sum(LENGTHS)} tokens fails: {error}") from error
    if problems:
        raise ModelError(f"{where}: {'; '.join(problems)}; log-probabilities of such a model are not computed here")
    try:
        again = computes_another(policy, row, passes)
    except RuntimeError as error:
        raise ModelError(f"{where}: a pass in {passes.precision} fails: {error}; take another precision") from error
    if again:
        raise ModelError(
            f"{where}: layers that are computed again give other values than before; leave "
            "fleet.learner.activation_checkpointing out"
        )


def logit_problems(policy: HuggingFaceDecoder, row: PackedRow) -> list[str]:
    """How logits of the row differ from those that transformers computes of each sequence alone."""
    model, values = policy.library_model, policy.config.values
    sequences = row.ids_T.split(list(row.lengths))
    alone = [policy.logits(policy.hidden(PackedRow(each, (len(each),)))) for each in sequences]
    together = policy.logits(policy.hidden(row)).split(list(row.lengths))
    expected = [model(input_ids=each.unsqueeze(0), use_cache=False).logits[0] for each in sequences]
    slack = 1 if policy.output_weight_VD.dtype == torch.float32 else 30
    said = [f"{key} is {shown(values[key])}" for key in OF_LOGITS if values.get(key) not in (None, 1)]
    capped = any(values.get(key) is not None for key in CAPS)
    if capped or any(distance(*pair) > slack * SAME for pair in zip(alone, expected, strict=True)):
        keys = f" ({', '.join(said)})" if said else ""
        return [f"its logits are no product of its last hidden states and its output matrix{keys}"]
    if any(distance(*pair) > slack * ALIKE for pair in zip(together, expected, strict=True)):
        return ["what stands behind a token changes its logits"]
    return []


def computes_another(policy: HuggingFaceDecoder, row: PackedRow, passes: Passes) -> bool:
    """Whether layers that are computed again give something else; a backward pass through them runs, too."""
    plain = policy.hidden(row, Passes(passes.precision))
    with torch.enable_grad():
        hidden = policy.hidden(row, passes)
        least = min(policy.parameters(), key=lambda each: each.numel())
        torch.autograd.grad(hidden.float().sum(), least, allow_unused=True)
    return not torch.equal(hidden, plain)


def distance(found: Tensor, expected: Tensor) -> float:
    """As a share of the largest expected value."""
    return float((found.float() - expected.float()).abs().max() / expected.float().abs().max().clamp(min=1e-9))
