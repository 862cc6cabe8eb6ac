"""The studies: one file each, one command each; see README.md beside them."""
