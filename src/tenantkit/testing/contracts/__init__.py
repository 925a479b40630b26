"""Suites that others' parts are held to: derive a test class from one, and run pytest."""

from tenantkit.testing.contracts.adapter import AdapterContract
from tenantkit.testing.contracts.afterwards import BackgroundTaskPromises, WebSocketPromises
from tenantkit.testing.contracts.lookup import LookupContract

__all__ = ["AdapterContract", "BackgroundTaskPromises", "LookupContract", "WebSocketPromises"]
