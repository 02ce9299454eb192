"""Objectives: one loss a file; `registry` has the list."""
