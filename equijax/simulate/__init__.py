"""Data from nothing: equilibrium, isoconfigurational ensembles, inherent structures, and the report that shows the physics."""
