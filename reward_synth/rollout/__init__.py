"""Episodes of trained policies: trajectories, videos, plots."""
