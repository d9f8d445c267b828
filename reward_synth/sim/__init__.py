"""Batched simulation behind one protocol."""
