"""The command line. Every command answers mistakes and ``--help`` without waiting for JAX."""

from reward_synth.cli.main import main

__all__ = ["main"]
