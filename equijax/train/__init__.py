"""Configs, the training step and loop, checkpoints, evaluation."""
