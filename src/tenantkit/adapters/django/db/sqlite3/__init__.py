"""A backend of Django whose every statement is scoped."""
