"""Decoders, and what a model directory must be before it is loaded."""
