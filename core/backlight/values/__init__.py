"""Arrays of any framework, and what holds them: inputs, outputs, baselines, examples."""
