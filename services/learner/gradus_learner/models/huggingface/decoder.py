"""A causal language model of transformers as a decoder.

Its modules become the decoder's own, so that parameters have the names that transformers gives them, and those that
transformers renames have the names on disk. Nothing of it is in training mode, except layers that are computed again:
transformers does that in training mode alone. No layer draws random numbers either way.

Shapes: B sequences, T tokens, D hidden, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

import torch
from torch import Tensor, nn

from gradus_learner.models.config import ModelError
from gradus_learner.models.decoder import Architecture, Decoder
from gradus_learner.models.huggingface.config import HuggingFaceConfig
from gradus_learner.models.huggingface.names import disk_names, new_model
from gradus_learner.models.huggingface.rectangles import rectangles, without_padding
from gradus_learner.models.huggingface.rounding import follow_passes, set_format
from gradus_learner.models.packed_row import PackedRow
from gradus_learner.models.passes import PLAIN, Passes


class HuggingFaceDecoder(Decoder):
    def __init__(self, config: HuggingFaceConfig) -> None:
        super().__init__()
        model = new_model(config.values, config.where)
        self._config = config
        self._names = disk_names(model, config.where)
        self._computes_again = False
        for name, child in model.named_children():
            self.add_module(name, child)
        # In a tuple it is no module of this one: its parameters would have two names.
        self._library = (model,)
        embedding: Any = model.get_input_embeddings()
        if isinstance(embedding, nn.Embedding):
            # The gradient of that token would be left out, wherever it stands.
            embedding.padding_idx = None
        self.eval()
        follow_passes(model)

    @property
    def config(self) -> HuggingFaceConfig:
        return self._config

    @property
    def library_model(self) -> Any:
        """transformers' own module."""
        return self._library[0]

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """By the names on disk."""
        for name, parameter in super().named_parameters("", recurse, remove_duplicate):
            yield f"{prefix}{'.' if prefix else ''}{self._names.get(name, name)}", parameter

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Moves buffers, and leaves them their number format: frequencies of rotary embeddings are float32."""
        before = {name: buffer.dtype for name, buffer in self.named_buffers()}
        exact = {name: buffer.clone() for name, buffer in self.named_buffers() if buffer.is_floating_point()}
        super()._apply(fn, recurse)
        for name, buffer in list(self.named_buffers()):
            if buffer.dtype != before[name]:
                owner, _, last = name.rpartition(".")
                self.get_submodule(owner)._buffers[last] = exact[name].to(buffer.device)  # pyright: ignore[reportPrivateUsage]
        return self

    def initialise(self, generator: torch.Generator) -> None:
        del generator
        raise ModelError("backend is transformers, which has no fresh weights here; give the path of a model with some")

    @property
    def output_weight_VD(self) -> Tensor:
        return self.library_model.get_output_embeddings().weight

    def check(self, passes: Passes) -> None:
        from gradus_learner.models.huggingface.check import check_decoder

        check_decoder(self, passes)

    def hidden(self, row: PackedRow, passes: Passes = PLAIN) -> Tensor:
        model = self.library_model
        embedding = model.get_input_embeddings()
        set_format(self, passes.dtype(next(self.parameters()).dtype))
        self._compute_again(passes.activation_checkpointing and torch.is_grad_enabled())
        parts: list[Tensor] = []
        for ids_BT, lengths in rectangles(row):
            found = model.base_model(inputs_embeds=embedding(ids_BT), use_cache=False)
            parts.append(without_padding(found.last_hidden_state, lengths))
        return torch.cat(parts)

    def _compute_again(self, wanted: bool) -> None:
        """Sets whether layers keep their input alone. Raises ModelError for a model that cannot."""
        if wanted == self._computes_again:
            return
        model = self.library_model
        if wanted:
            if not model.supports_gradient_checkpointing:
                raise ModelError(
                    f"{self._config.where}: {type(model).__name__} of transformers cannot compute layers again; leave "
                    "fleet.learner.activation_checkpointing out"
                )
            model.activation_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
        for module in self.modules():
            if hasattr(module, "gradient_checkpointing"):
                # Not by train(), which is for all within it, too.
                module.training = wanted
        self._computes_again = wanted


def tensor_shapes(config: HuggingFaceConfig) -> dict[str, tuple[int, ...]]:
    return dict(config.shapes)


ARCHITECTURE = Architecture("any of transformers", tensor_shapes, HuggingFaceDecoder)
