"""Thin translations between a web framework and the kit; reach each by its full path."""
