"""Llama 2 and 3: no norm of queries and keys, no bias."""

from gradus_learner.models.dense_config import Family

LLAMA = Family(
    model_type="llama",
    architecture="LlamaForCausalLM",
    qk_norm=False,
    qkv_bias=False,
    fixed={"hidden_act": "silu", "attention_bias": False, "mlp_bias": False},
)
