"""Qwen3, dense: queries and keys are normalised, no projection has a bias."""

from gradus_learner.models.dense_config import Family

QWEN3 = Family(
    model_type="qwen3",
    architecture="Qwen3ForCausalLM",
    qk_norm=True,
    qkv_bias=False,
    fixed={"hidden_act": "silu", "attention_bias": False, "use_sliding_window": False},
)
