"""What adapters a run trains, and whether a model has a place for them. Loads no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Of a layer, by its number: model.layers.3.mlp.up_proj, transformer.h.3.attn.c_attn.
MATRIX = re.compile(r"(?P<module>(?:[a-z]\w*\.)+\d+\.(?:.+\.)?(?P<target>\w+))\.weight")


@dataclass(frozen=True)
class Lora:
    """Which matrices have adapters, and of what size."""

    rank: int
    alpha: float
    # Last parts of names of modules; empty: every matrix of the layers.
    target_modules: tuple[str, ...] = ()

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


def adapted(shapes: Mapping[str, Sequence[int]], targets: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Outputs and inputs of every matrix that has an adapter, by its module. `shapes`: of all tensors of a model."""
    found: dict[str, tuple[int, int]] = {}
    for name, shape in shapes.items():
        match = MATRIX.fullmatch(name)
        if match is not None and len(shape) == 2 and (not targets or match["target"] in targets):
            found[match["module"]] = (shape[0], shape[1])
    return found


def lora_problems(shapes: Mapping[str, Sequence[int]], lora: Lora) -> list[str]:
    """All that a model of these shapes has no place for."""
    known = sorted({name.rpartition(".")[2] for name in adapted(shapes, ())})
    unknown = [name for name in lora.target_modules if name not in known]
    problems: list[str] = []
    if unknown:
        problems.append(
            f"lora.target_modules has {', '.join(unknown)}; the layers of this model have {', '.join(known)}"
        )
    narrow = {name: shape for name, shape in adapted(shapes, lora.target_modules).items() if lora.rank > min(shape)}
    for name, (outputs, inputs) in list(narrow.items())[:1]:
        problems.append(
            f"lora.rank is {lora.rank}; {name} is of {outputs} x {inputs}, and rank must be at most the smaller"
        )
    return problems
