"""Policy gradient on rollouts, as pure functions over the model tokens of a batch, laid end to end.

N model tokens. Formulas: DAPO (arXiv 2503.14476, section 3), and truncated importance sampling and IcePop for the
mismatch between rollout and trainer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from gradus_learner.objectives.formulas import LOG_RATIO_BOUND, Aggregation, KlEstimator, k3, kl_loss
from gradus_learner.objectives.objective import Between, Intake, Packed, check_options
from gradus_learner.objectives.surrogates import Surrogate, sum_of_rows, surrogate_loss
from gradus_learner.train.critic import CriticOptions
from gradus_learner.train.rollouts import RolloutTokens, TokenLoss, train_on_rollouts
from gradus_learner.train.sample import Sample, decode_sample
from gradus_learner.train.trainer import Trainer

MismatchCorrection = Literal["none", "tis", "icepop", "sequence_tis"]


@dataclass(frozen=True)
class PolicyGradient:
    """Defaults are DAPO's; the names are those of a recipe's `algorithm`."""

    name: ClassVar[str] = "policy_gradient"

    policy_loss: Surrogate = "clip"
    # Range of the ratio, below and above 1.
    clip_low: Annotated[float, Between(0, 1)] = 0.2
    clip_high: Annotated[float, Between(0, 10)] = 0.28
    # Bound for negative advantages, > 1; 0 is off.
    dual_clip: Annotated[float, Between(0, 1000)] = 10.0
    aggregation: Aggregation = "token_mean"
    # Of seq_mean_token_sum_norm.
    horizon_tokens: Annotated[int, Between(0, 1_048_576)] = 0
    # Of the KL to the stage's reference policy; 0 is off.
    kl_coefficient: Annotated[float, Between(0, 100)] = 0.0
    kl_estimator: KlEstimator = "ratio_k3"
    mismatch_correction: MismatchCorrection = "none"
    mismatch_low: Annotated[float, Between(0, 1)] = 0.5
    mismatch_cap: Annotated[float, Between(0, 1000)] = 2.0
    # Passes over the batch, and optimiser updates in each: samples are split evenly.
    epochs: Annotated[int, Between(1, 100)] = 1
    updates_per_epoch: Annotated[int, Between(1, 1024)] = 1
    # Of this step; a schedule is the caller's.
    learning_rate: Annotated[float, Between(0, 1, above=True)] = 1e-6
    weight_decay: Annotated[float, Between(0, 1)] = 0.0
    max_grad_norm: Annotated[float, Between(0, 1e6, above=True)] = 1.0
    # Leaves samples that were cut by a limit out of the loss.
    mask_truncated: bool = False
    # Of the entropy bonus; 0 is off.
    entropy_coefficient: Annotated[float, Between(0, 100)] = 0.0

    def __post_init__(self) -> None:
        corrects, is_icepop = self.mismatch_correction != "none", self.mismatch_correction == "icepop"
        has_horizon = self.aggregation == "seq_mean_token_sum_norm"
        check_options(
            self,
            (self.dual_clip == 0 or self.dual_clip > 1, f"dual_clip is {self.dual_clip}; it must be 0 (off) or > 1"),
            (not corrects or self.mismatch_cap != 0, "mismatch_cap is 0; it must be > 0"),
            (
                not is_icepop or self.mismatch_low < self.mismatch_cap,
                f"mismatch_low is {self.mismatch_low}; it must be less than mismatch_cap",
            ),
            (
                not has_horizon or self.horizon_tokens > 0,
                f"horizon_tokens is {self.horizon_tokens}; it must be > 0 with seq_mean_token_sum_norm",
            ),
        )

    @property
    def needs_reference(self) -> bool:
        return self.kl_coefficient > 0

    @property
    def critic(self) -> CriticOptions | None:
        """Advantages are the samples' own."""
        return None

    @property
    def entropy_gradient(self) -> bool:
        return self.entropy_coefficient > 0

    def decode(self, packed: Packed, intake: Intake) -> Sample:
        return decode_sample(packed, intake)

    def loss(self, tokens: RolloutTokens) -> TokenLoss:
        return policy_gradient_loss(tokens, self)

    def train(self, trainer: Trainer, samples: Sequence[Sample], temperature: float) -> dict[str, float]:
        return train_on_rollouts(trainer, samples, self, temperature)


def policy_gradient_loss(tokens: RolloutTokens, options: PolicyGradient) -> TokenLoss:
    """The surrogate, corrected for the mismatch of engine and trainer, with KL term and entropy bonus."""
    result = surrogate_loss(tokens, options.policy_loss, options.clip_low, options.clip_high, options.dual_clip)
    loss_N = result.loss_N * mismatch_weights(
        tokens.old_N,
        tokens.rollout_N,
        tokens.row_N,
        options.mismatch_correction,
        options.mismatch_low,
        options.mismatch_cap,
    )
    kl_N = None
    if options.kl_coefficient > 0 and tokens.reference_N is not None:
        kl_N = k3((tokens.new_N - tokens.reference_N).detach())
        term_N = kl_loss(tokens.new_N, tokens.old_N, tokens.reference_N, options.kl_estimator)
        loss_N = loss_N + options.kl_coefficient * term_N
    if options.entropy_coefficient > 0:
        loss_N = loss_N - options.entropy_coefficient * tokens.entropy_N
    return TokenLoss(loss_N, result.ratio_N, result.clipped_N, result.clipped_low_N, kl_N)


def mismatch_weights(
    trainer_logprobs_N: Tensor,
    rollout_logprobs_N: Tensor,
    sequence_N: Tensor,
    correction: MismatchCorrection,
    low: float,
    cap: float,
) -> Tensor:
    """Constant factors (N,) on the loss that correct for sampling by an engine that is not quite the trainer.

    `tis`: ratio cut at `cap`; `icepop`: ratio, or 0 outside [low, cap]; `sequence_tis`: the whole sequence's ratio
    cut at `cap`. `sequence_N` says which sequence a token is of, from 0.
    """
    log_ratio_N = (trainer_logprobs_N - rollout_logprobs_N).detach()
    if correction == "sequence_tis":
        log_ratio_N = sum_of_rows(log_ratio_N, sequence_N)
    ratio_N = torch.exp(log_ratio_N.clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND))
    match correction:
        case "none":
            return torch.ones_like(ratio_N)
        case "icepop":
            return torch.where((ratio_N >= low) & (ratio_N <= cap), ratio_N, 0.0)
        case "tis" | "sequence_tis":
            return ratio_N.clamp(max=cap)
