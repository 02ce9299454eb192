"""Qwen2 and Qwen2.5, dense: the projections of queries, keys and values have a bias."""

from gradus_learner.models.dense_config import Family

QWEN2 = Family(
    model_type="qwen2",
    architecture="Qwen2ForCausalLM",
    qk_norm=False,
    qkv_bias=True,
    fixed={"hidden_act": "silu", "use_sliding_window": False},
)
