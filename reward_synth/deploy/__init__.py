"""What was found, for use elsewhere: rewards as PyTorch files, policies as bundles for robots."""
