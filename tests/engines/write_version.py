"""A version of other weights than a model has, as the learner writes one: `write_version.py MODEL TARGET`.

Prints the digest of the weights.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from gradus_learner.files.atomic import write_directory
from gradus_learner.files.manifest import Manifest, weights_digest
from gradus_learner.models.load import load_policy, weights_of
from gradus_learner.train.weights_probe import PROBE_NAME, probe_json

torch.manual_seed(3)
policy = load_policy(sys.argv[1])
with torch.no_grad():
    # Every tensor: a server that replaces some of them and leaves the others is seen.
    for parameter in policy.parameters():
        parameter.add_(0.05 * parameter.square().mean().sqrt() * torch.randn_like(parameter))
manifest = write_directory(
    Path(sys.argv[2]),
    {
        "config.json": lambda path: path.write_text(policy.config.to_json(), encoding="utf-8"),
        "model.safetensors": lambda path: save_file(weights_of(policy), str(path), {"format": "pt"}),
        PROBE_NAME: lambda path: path.write_text(probe_json(policy), encoding="utf-8"),
    },
    Manifest("version", "conformance", 1, {}),
    durable=False,
)
print(weights_digest(manifest.files))
