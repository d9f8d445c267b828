"""The loop over generations: state on disk, budgets, operators, report."""
