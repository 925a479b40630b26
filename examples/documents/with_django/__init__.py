"""The product behind Django, whose models are Django's: `python with_django/manage.py runserver`."""
