"""The equivariant layers, one a file."""
