"""PPO for a population of candidates, in JAX."""
