"""What users run against their own code: real servers for tests."""
