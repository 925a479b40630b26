"""What the mechanisms share of SQL."""
