"""The built-in engine: token-exact generation with continuous batching over a compact key-value arena."""
