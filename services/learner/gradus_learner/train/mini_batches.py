"""Which samples each optimiser update of a pass sees: whole groups, in an order that is drawn anew for each pass.

An advantage is a comparison within a group. An update that saw half a group could see only its winners.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from gradus_learner.train.sample import Sample, sequence_digest


def mini_batches(samples: Sequence[Sample], updates: int, epoch: int) -> list[list[int]]:
    """Indices of samples for each update, at most `updates` of them, whose numbers of groups differ by one at most.

    One update has all samples as they came. The order of several is drawn from the tokens of the batch and the number
    of the pass (from 0), so a step that is made again has the same.
    """
    if not samples:
        return []
    if updates == 1:
        return [list(range(len(samples)))]
    groups: dict[tuple[str, int], list[int]] = {}
    for index, sample in enumerate(samples):
        key = ("alone", index) if sample.group is None else ("group", sample.group)
        groups.setdefault(key, []).append(index)
    digest = hashlib.sha256(epoch.to_bytes(4, "little"))
    for sample in samples:
        digest.update(sequence_digest(sample.ids))
    generator = np.random.Generator(np.random.PCG64(int.from_bytes(digest.digest()[:16], "little")))
    together = list(groups.values())
    order = generator.permutation(len(together))
    parts = (part.tolist() for part in np.array_split(order, min(updates, len(together))))
    return [[index for group in part for index in together[group]] for part in parts]
