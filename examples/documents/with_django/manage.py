"""The commands of the project: `python with_django/manage.py migrate --database owner`, `sign_up`, `runserver`."""

import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

sys.path[0] = str(Path(__file__).parent.parent)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "with_django.settings")

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
