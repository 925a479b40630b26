"""Where an application's source leaves the scope: unscoped sessions, vouched text, plain engines, raw cursors."""

from tenantkit.lint.allowance import Allowance
from tenantkit.lint.source import CODES, Place, look_into, look_through

__all__ = ["CODES", "Allowance", "Place", "look_into", "look_through"]
