"""Fixtures of the engine's tests."""

from tests.engine.tiny_engine import make_engine, model_directory, policy, vocabulary

__all__ = ["make_engine", "model_directory", "policy", "vocabulary"]
