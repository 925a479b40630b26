"""The migrations of the kit's tables."""
