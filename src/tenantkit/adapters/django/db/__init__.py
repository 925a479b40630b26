"""The databases of a Django project, scoped in Django's own SQL compiler: a backend for each kind of database."""
