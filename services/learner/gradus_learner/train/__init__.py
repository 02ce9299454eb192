"""Samples in, updated weights and checkpoints out; knows no network."""
