"""Ways through what stands on the ORM: async methods, forms, the admin, fixtures, Django REST framework."""

import json
from io import StringIO
from tempfile import NamedTemporaryFile
from types import SimpleNamespace

from asgiref.sync import async_to_sync
from django import forms
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.test import RequestFactory
from rest_framework import serializers
from rest_framework.test import APIRequestFactory

from tenantkit.adapters.django.rest import TenantViewSet
from tenantkit.core.actor import Actor
from tests.adapters.django.paths import path
from tests.adapters.django.shop.models import Document, Folder, Person, Summary, Tag


@path
def async_methods(side):
    @async_to_sync
    async def work():
        rows = Document.objects.order_by("pk")
        return [
            await rows.acount(),
            await rows.filter(pk=side.key()).aexists(),
            await rows.filter(pk=side.key()).afirst(),
            await Document.objects.ain_bulk([side.key()]),
            await rows.aaggregate(),
            [one.title async for one in rows],
            [one.title async for one in rows.aiterator()],
        ]

    return work()


@path
def async_get(side):
    @async_to_sync
    async def work():
        try:
            return await Document.objects.aget(pk=side.key())
        except Document.DoesNotExist:
            return "missing"

    return work()


@path
def async_writes(side):
    @async_to_sync
    async def work():
        person = await Person.objects.acreate(name="new", email="new")
        document = await Document.objects.acreate(title="new", owner=person)
        await document.tags.aadd(*[tag async for tag in Tag.objects.filter(pk=side.key())])
        document.title = "newer"
        await document.asave()
        changed = await Document.objects.filter(pk=side.key()).aupdate(title="changed")
        gone = await Document.objects.filter(pk=side.key(2)).adelete()
        return [changed, gone]

    return work()


class DocumentForm(forms.ModelForm):
    """A form with choices of other models."""

    class Meta:
        model = Document
        fields = ("title", "owner", "folder", "tags")


@path
def choices_of_a_form(side):
    return [
        str(DocumentForm()["owner"]),
        str(DocumentForm()["tags"]),
        DocumentForm().fields["folder"].queryset,
    ]


@path
def form(side):
    data = {"title": "new", "owner": side.key(), "folder": side.key(), "tags": [side.key()]}
    made = DocumentForm(data)
    return made.save() if made.is_valid() else dict(made.errors)


@path
def form_of_a_row(side):
    data = {"title": "changed", "owner": 101, "folder": 101, "tags": [101]}
    made = DocumentForm(data, instance=Document.objects.get(pk=101))
    return made.save()


@path
def unique_in_a_form(side):
    """Whether a label is taken is told of own rows only; the database refuses the rest."""
    made = forms.modelform_factory(Tag, fields=("label",))({"label": side.text("red")})
    return dict(made.errors)


@path
def inline_formset(side):
    formset = forms.inlineformset_factory(Folder, Document, fields=("title",), extra=0)
    return [
        one.instance for one in formset(instance=Folder.objects.filter(pk=side.key()).first() or Folder())
    ]


def asked(**given):
    """A request of somebody who may do everything in the admin."""
    request = RequestFactory().get("/", given)
    request.user = SimpleNamespace(has_perm=lambda _permission: True, is_active=True, is_staff=True, pk=1)
    return request


class DocumentAdmin(admin.ModelAdmin):
    """A page with everything that reads."""

    list_display = ("title", "owner")
    list_filter = ("owner", "tags")
    search_fields = ("title", "owner__name")
    list_select_related = ("owner",)
    date_hierarchy = "created"


@path
def admin_list(side):
    page = DocumentAdmin(Document, admin.site).get_changelist_instance(asked(q=":"))
    filters = [str(choice["display"]) for one in page.filter_specs for choice in one.choices(page)]
    return [page.result_count, page.result_list, filters]


@path
def admin_filtered_by_the_other(side):
    page = DocumentAdmin(Document, admin.site).get_changelist_instance(asked(owner__id__exact=side.key()))
    return [page.result_count, page.full_result_count]


@path
def admin_row(side):
    return DocumentAdmin(Document, admin.site).get_object(asked(), str(side.key()))


@path
def admin_form(side):
    form = DocumentAdmin(Document, admin.site).get_form(asked())
    return [str(form()["owner"]), str(form()["tags"])]


@path
def admin_deletion(side):
    page = DocumentAdmin(Document, admin.site)
    listed, counts, *_ = page.get_deleted_objects(Document.objects.filter(pk=side.key()), asked())
    return [str(listed), dict(counts)]


@path
def dump(side):
    told = StringIO()
    call_command("dumpdata", "shop.document", "shop.tag", "shop.line", stdout=told)
    return json.loads(told.getvalue())


@path
def load(side):
    rows = [{"model": "shop.folder", "pk": 900 + side.number, "fields": {"name": "new", "parent": 101}}]
    with NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(rows, file)
        file.flush()
        call_command("loaddata", file.name, verbosity=0)


class DocumentSerializer(serializers.ModelSerializer):
    """With related fields of all kinds."""

    summary = serializers.StringRelatedField()

    class Meta:
        model = Document
        fields = ("id", "title", "owner", "folder", "tags", "summary")


class DocumentViewSet(TenantViewSet):
    """The actions that read and write."""

    queryset = Document.objects.order_by("pk")
    serializer_class = DocumentSerializer
    permission_classes = ()


def answered(method, action, data=None, **named):
    """Return what the view set answers."""
    request = getattr(APIRequestFactory(), method)("/", data, format="json")
    request.tenantkit = SimpleNamespace(actor=Actor("ann"), error=None)
    request.user = AnonymousUser()
    response = DocumentViewSet.as_view({method: action})(request, **named)
    if response.status_code == 500:
        raise request.tenantkit.error
    return [response.status_code, getattr(response, "data", None)]


@path
def rest_list(side):
    return answered("get", "list")


@path
def rest_row(side):
    status, data = answered("get", "retrieve", pk=side.key())
    return [status, data if status == 200 else "missing"]


@path
def rest_creation(side):
    status, data = answered("post", "create", {"title": "new", "owner": side.key(), "tags": [side.key()]})
    return [status, sorted(data)]


@path
def rest_change(side):
    status, _ = answered("patch", "partial_update", {"title": "changed", "folder": 101}, pk=side.key())
    return status


@path
def rest_deletion(side):
    status, _ = answered("delete", "destroy", pk=side.key())
    return status


@path
def a_related_row_in_a_template(side):
    from django.template import Context, Template

    text = "{% for one in rows %}{{ one.document.owner.name }} {% endfor %}"
    return Template(text).render(Context({"rows": Summary.objects.order_by("pk")}))
