"""The families of dense decoders. A new one is a file and a line here."""

from gradus_learner.models.dense_config import Family
from gradus_learner.models.llama import LLAMA
from gradus_learner.models.qwen2 import QWEN2
from gradus_learner.models.qwen3 import QWEN3

DENSE_FAMILIES: tuple[Family, ...] = (QWEN3, QWEN2, LLAMA)
