"""Formats, store, public sets and the way to the training loop."""
