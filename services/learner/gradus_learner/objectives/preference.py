"""Direct preference optimisation on pairs: an answer that is chosen and one that is rejected.

Rafailov et al. 2023 (arXiv 2305.18290, equation 7); label smoothing: conservative DPO (Mitchell 2023); `ipo`: Azar et
al. 2023 (2310.12036, equation 17), of means over tokens, as TRL has it; `sigmoid_norm`: DPO of such means, as in Tulu 3
(2411.15124); the likelihood of the chosen answer: RPO (2404.19733).

Shapes: P pairs of an update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from torch import Tensor
from torch.nn import functional as F

from gradus_learner.objectives.objective import Between, Intake, Packed, check_options
from gradus_learner.train.pairs import Answer, PairLogprobs, decode_answer, train_on_pairs
from gradus_learner.train.trainer import BETA2, Trainer


@dataclass(frozen=True)
class Preference:
    """The names are those of a `dpo` stage of a recipe; `beta`, `loss_type` and `label_smoothing` are also TRL's."""

    name: ClassVar[str] = "preference"

    # How closely the policy is held to the reference; of `ipo` its tau.
    beta: Annotated[float, Between(0, 100, above=True)] = 0.1
    loss_type: Literal["sigmoid", "sigmoid_norm", "ipo"] = "sigmoid"
    # Share of pairs that are taken to be the wrong way round; not of `ipo`.
    label_smoothing: Annotated[float, Between(0, 0.5, below=True)] = 0.0
    # Of the cross-entropy of the chosen answers' tokens, in the loss; 0 is off.
    sft_weight: Annotated[float, Between(0, 100)] = 0.0
    # Of this step; a schedule is the caller's.
    learning_rate: Annotated[float, Between(0, 1, above=True)] = 1e-6
    weight_decay: Annotated[float, Between(0, 1)] = 0.0
    max_grad_norm: Annotated[float, Between(0, 1e6, above=True)] = 1.0
    # Decay of AdamW's second moment.
    beta2: Annotated[float, Between(0, 1, above=True, below=True)] = BETA2
    # Pairs with a longer answer, prompt included, are left out of the step, and counted; 0 takes any length.
    max_tokens: Annotated[int, Between(0, 2**32 - 1)] = 0

    def __post_init__(self) -> None:
        smooths_ipo = self.loss_type == "ipo" and self.label_smoothing > 0
        check_options(
            self,
            (not smooths_ipo, f"label_smoothing is {self.label_smoothing}; it must be 0 with loss_type ipo"),
        )

    @property
    def needs_reference(self) -> bool:
        return True

    def decode(self, packed: Packed, intake: Intake) -> Answer:
        return decode_answer(packed, intake)

    def loss(self, pairs: PairLogprobs) -> Tensor:
        return preference_loss(pairs, self)

    def train(self, trainer: Trainer, samples: Sequence[Answer], _temperature: float) -> dict[str, float]:
        return train_on_pairs(trainer, samples, self)


def preference_loss(pairs: PairLogprobs, options: Preference) -> Tensor:
    """One number: the mean over the pairs, with the cross-entropy of the chosen answers over all their tokens."""
    chosen_P = pairs.chosen_P - pairs.reference_chosen_P
    rejected_P = pairs.rejected_P - pairs.reference_rejected_P
    if options.loss_type != "sigmoid":
        chosen_P, rejected_P = chosen_P / pairs.chosen_tokens_P, rejected_P / pairs.rejected_tokens_P
    margin_P = chosen_P - rejected_P
    match options.loss_type:
        case "sigmoid" | "sigmoid_norm":
            smoothing = options.label_smoothing
            right_P, wrong_P = F.logsigmoid(options.beta * margin_P), F.logsigmoid(-options.beta * margin_P)
            loss_P = -(1 - smoothing) * right_P - smoothing * wrong_P
        case "ipo":
            loss_P = (margin_P - 1 / (2 * options.beta)).square()
    likelihood = pairs.chosen_P.sum() / pairs.chosen_tokens_P.sum()
    return loss_P.mean() - options.sft_weight * likelihood
