from __future__ import annotations

from hypothesis import HealthCheck, settings

# A machine that trains beside the tests is slow; how fast an example runs says nothing about the code.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")
