"""Whose rows they are is said here, and nowhere else."""

from django.db import models

from tenantkit.adapters.django.models import SoftDeletable, TenantModel


class Folder(TenantModel):
    """A folder of documents."""

    name = models.TextField()

    def __str__(self) -> str:
        return self.name


class Document(TenantModel, SoftDeletable):
    """A document in a folder; deleting it takes it out of sight."""

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE)
    title = models.TextField()
    author = models.TextField()

    def __str__(self) -> str:
        return self.title
