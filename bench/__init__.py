"""Benchmarks: ratios against named contestants, measured in turn in one run. They print; they never fail."""
