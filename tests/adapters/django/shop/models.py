"""The models of the matrix: every kind of table and relation that Django knows."""

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models

from tenantkit.adapters.django.models import SoftDeletable, TenantModel
from tenantkit.isolation import scoped_by, scoped_through, shared


class Country(models.Model):
    """Shared, and written by nobody."""

    code = models.CharField(max_length=2, primary_key=True)
    tenancy = shared()


class Note(models.Model):
    """Shared, and written by all."""

    text = models.CharField(max_length=50)
    tenancy = shared(writable=True)


class Person(TenantModel):
    """A tenant's person; an address is unique for a tenant."""

    name = models.CharField(max_length=50)
    email = models.CharField(max_length=50)
    joined = models.DateField(null=True)
    born_in = models.ForeignKey(Country, null=True, on_delete=models.SET_NULL)

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("tenant_id", "email"), name="shop_person_email"),)


class Folder(TenantModel):
    """A tree."""

    name = models.CharField(max_length=50)
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="children")


class Tag(TenantModel):
    """Unique among all tenants, which a schema should not have."""

    label = models.CharField(max_length=50, unique=True)
    weight = models.IntegerField(default=1)


class Document(TenantModel, SoftDeletable):
    """The middle of all relations."""

    title = models.CharField(max_length=50)
    size = models.IntegerField(default=1)
    created = models.DateTimeField(null=True)
    facts = models.JSONField(default=dict)
    folder = models.ForeignKey(Folder, null=True, on_delete=models.SET_NULL, related_name="documents")
    owner = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="documents")
    tags = models.ManyToManyField(Tag, related_name="documents")
    readers = models.ManyToManyField(Person, through="Reading", related_name="readings")
    comments = GenericRelation("Comment")


class Memo(Document):
    """A proxy."""

    class Meta:
        proxy = True


class Reading(models.Model):
    """A many-to-many table of one's own."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE)
    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    stars = models.IntegerField(default=0)
    tenancy = scoped_through("document", "person")


class Summary(models.Model):
    """One to one."""

    document = models.OneToOneField(Document, on_delete=models.CASCADE, related_name="summary")
    text = models.CharField(max_length=50)
    tenancy = scoped_through("document")


class Line(models.Model):
    """A child of a child."""

    summary = models.ForeignKey(Summary, on_delete=models.CASCADE, related_name="lines")
    text = models.CharField(max_length=50)
    tenancy = scoped_through("summary")


class Place(TenantModel):
    """A parent with a table of its own."""

    city = models.CharField(max_length=50)


class Restaurant(Place):
    """Its child, with another one."""

    kitchen = models.CharField(max_length=50)


class Comment(TenantModel):
    """Of anything."""

    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.BigIntegerField()
    subject = GenericForeignKey()
    text = models.CharField(max_length=50)


class Template(models.Model):
    """A tenant's own, and those that all tenants see."""

    tenant_id = models.UUIDField(null=True, editable=False)
    name = models.CharField(max_length=50)
    tenancy = scoped_by("tenant_id", null_is_shared=True)


class Sale(TenantModel):
    """Under a rule of the host's."""

    region = models.IntegerField(editable=False)
    amount = models.IntegerField()


class Shelf(TenantModel):
    """Known by two columns."""

    pk = models.CompositePrimaryKey("tenant_id", "number")
    number = models.IntegerField()
    label = models.CharField(max_length=50)


class Stray(models.Model):
    """Of which nothing is said."""

    name = models.CharField(max_length=50)
