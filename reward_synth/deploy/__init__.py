"""What was found, for use elsewhere: rewards as PyTorch files."""
