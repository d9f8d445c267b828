"""Write, train, compare and refine reward functions for robots."""

__version__ = "0.1.0"
