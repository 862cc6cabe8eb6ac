"""Neighbour search and the graph of a configuration."""
