"""The app."""

from django.apps import AppConfig


class Documents(AppConfig):
    """Folders and documents."""

    name = "with_django"
    label = "documents"
