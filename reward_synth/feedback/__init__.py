"""Numbers and words about candidates: scores, intervals, baselines, reflection."""
