"""Reward programs: parse, lint, sandboxed trace, verified array programs."""
