"""Gradus learner: policy model, losses, training step and the built-in engine."""
