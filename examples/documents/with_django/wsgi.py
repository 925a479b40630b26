"""The application for a server: `waitress-serve with_django.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "with_django.settings")
application = get_wsgi_application()
