"""Any causal language model that transformers has, as a decoder: `model.backend: transformers` of a recipe."""
