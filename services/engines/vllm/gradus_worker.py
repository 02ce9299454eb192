"""Runs in vLLM's worker on the CPU (`--worker-extension-cls gradus_worker.Reload`), called by `/collective_rpc`.

vLLM 0.32 packs weights for the CPU when it loads them, and packs them again in `reload_weights`, but for an output head
that shares its tensor with the embedding: no weight of the checkpoint is its own, so it goes on with the old one.
"""

from __future__ import annotations

from typing import Any


class Reload:
    model_runner: Any
    reload_weights: Any

    def reload_with_tied_head(self, weights_path: str) -> None:
        from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

        self.reload_weights(weights_path=weights_path)
        for layer in self.model_runner.get_model().modules():
            if isinstance(layer, ParallelLMHead):
                layer.quant_method.process_weights_after_loading(layer)

    def can_reload_with_tied_head(self) -> None:
        """Answers, which says that this extension is there."""
