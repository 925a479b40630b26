"""The few concepts that all mechanisms share: tenant, actor, scope, settings, clock, ids, telemetry."""
