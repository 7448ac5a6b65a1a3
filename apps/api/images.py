"""/tenants/{tenant}/images: what the tenant pushed to the platform's own registry."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.errors import ImageNameRefused, ImageNotFound
from apps.models import Release
from apps.services import image_catalogue
from kcloud_site.tenants.api.things import InTenant


class RepositorySerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="What follows the tenant: shop, team/api.")
    reference = serializers.CharField(help_text="As images of it are called.")
    tags = serializers.ListField(child=serializers.CharField())


class ImageUseSerializer(serializers.Serializer[Any]):
    app = serializers.CharField()
    release = serializers.IntegerField(source="number")
    version = serializers.CharField()
    environments = serializers.ListField(
        source="places", child=serializers.CharField(), help_text="Where it runs, or would be gone back to."
    )


class ImageSerializer(serializers.Serializer[Any]):
    digest = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    there = serializers.SerializerMethodField(help_text="False: gone, or for another platform.")
    size = serializers.IntegerField(
        source="config.size", default=None, allow_null=True, help_text="Bytes to pull."
    )
    created = serializers.CharField(source="config.created", default="")
    architecture = serializers.CharField(source="config.architecture", default="")
    user = serializers.CharField(source="config.user", default="")
    ports = serializers.ListField(source="config.ports", child=serializers.CharField(), default=list)
    in_use = serializers.BooleanField(help_text="Then it is not deleted.")
    uses = ImageUseSerializer(many=True)

    def get_there(self, image: image_catalogue.Image) -> bool:
        return image.config is not None


class ImagesSerializer(RepositorySerializer):
    """`tags` leads from here to `images`, which are newest first."""

    images = ImageSerializer(many=True)


_REPOSITORY = OpenApiParameter("repository", str, "path", description="May hold slashes.")
_DIGEST = OpenApiParameter("digest", str, "path", description="sha256: and 64 hexadecimal digits.")
_TAG = OpenApiParameter("tag", str, "path")


class ImageViewSet(InTenant):
    """Images in the platform's own registry. 503 while the registry is away."""

    right = "image.view"
    rights = {"destroy": "image.push", "untag": "image.push"}
    serializer_class = RepositorySerializer
    # Nothing of it lies in the database; who may see a tenant's releases is asked the same way.
    queryset = Release.objects.none()
    filter_backends = ()

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The repositories that have images, by name."""
        return self.page(image_catalogue.repositories(self.tenant))

    @extend_schema(parameters=[_REPOSITORY], responses=ImagesSerializer)
    def retrieve(self, request: Request, tenant: str = "", repository: str = "") -> Response:
        """The images of one repository: tags, digest, size, and which releases use each."""
        owner = self.tenant
        try:
            found = image_catalogue.images(owner, repository)
            reference = image_catalogue.reference_of(owner, repository).name
        except (ImageNotFound, ImageNameRefused):
            raise Http404 from None
        tags = sorted(tag for each in found for tag in each.tags)
        told = {"name": repository, "reference": reference, "tags": tags, "images": found}
        return Response(ImagesSerializer(told).data)

    @extend_schema(parameters=[_REPOSITORY, _DIGEST], responses={204: None})
    def destroy(self, request: Request, tenant: str = "", repository: str = "", digest: str = "") -> Response:
        """Delete one image with all its tags. What runs, or would be gone back to, stays: 409."""
        owner = self.tenant
        try:
            image_catalogue.delete_image(tenant=owner, name=repository, digest=digest, by=request.user)
        except (ImageNotFound, ImageNameRefused):
            raise Http404 from None
        return Response(status=204)

    @extend_schema(parameters=[_REPOSITORY, _TAG], responses={204: None})
    def untag(self, request: Request, tenant: str = "", repository: str = "", tag: str = "") -> Response:
        """Take a tag away; the image stays, by its digest and its other tags."""
        owner = self.tenant
        try:
            image_catalogue.remove_tag(tenant=owner, name=repository, tag=tag, by=request.user)
        except (ImageNotFound, ImageNameRefused):
            raise Http404 from None
        return Response(status=204)
