"""Composition root of the model: builds every part from a scenario, drives its timeline, replays recorded worlds."""
