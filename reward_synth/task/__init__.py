"""A folder becomes a validated task."""
