"""Is the database what the declarations say, and does it hold by itself?"""

from tenantkit.isolation.doctor.examination import examine
from tenantkit.isolation.doctor.model import Finding, Severity

__all__ = ["Finding", "Severity", "examine"]
