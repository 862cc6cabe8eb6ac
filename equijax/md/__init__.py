"""Potential, quench and dynamics on jax-md."""
