"""What tests and authors of plugins share: oracles that judge configuration by real software."""
