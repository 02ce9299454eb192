"""A trainer of yours as the learner of a Gradus fleet: `listen`, take the steps of a run, push versions back."""

from gradus_client.client import Client, listen
from gradus_client.run import Run
from gradus_client.step import Step
from gradus_learner.errors import GradusError
from gradus_learner.train.sample import Sample

__all__ = ["Client", "GradusError", "Run", "Sample", "Step", "listen"]
