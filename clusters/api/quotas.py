"""/tenants/{tenant}/quota and its loans: what a tenant may carve environments out of."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from clusters.api.amounts import AmountSerializer, WholeAmountSerializer, amount
from clusters.selectors.quotas import standing
from clusters.services import quotas
from kcloud_site.rest import etags
from kcloud_site.rest.serializers import Reason, Strict
from kcloud_site.tenants.api.things import InTenant
from kcloud_site.tenants.models import Loan, Tenant
from kcloud_site.tenants.resources import Resources


class QuotaSpecSerializer(Strict):
    total = WholeAmountSerializer()


class QuotaStatusSerializer(serializers.Serializer[Any]):
    borrowed = AmountSerializer(help_text="On top of the total, by loans that are open.")
    limit = AmountSerializer(help_text="The total and what is borrowed.")
    carved = AmountSerializer(help_text="The shares of all environments.")
    free = AmountSerializer(
        help_text="Less than 0 where a loan has ended and more is carved out than there is."
    )


class QuotaSerializer(serializers.Serializer[Any]):
    tenant = serializers.CharField()
    spec = QuotaSpecSerializer()
    status = QuotaStatusSerializer()


class NewTotalSerializer(Reason):
    spec = QuotaSpecSerializer()


class QuotaViewSet(InTenant):
    """A tenant's total over all clusters."""

    right = "quota.view"
    rights = {"update": "platform.operate"}
    serializer_class = QuotaSerializer
    versioned = True
    pagination_class = None
    queryset = Loan.objects.none()

    def _shown(self, tenant: Tenant) -> dict[str, Any]:
        found = standing(tenant)
        return {"tenant": tenant.name, "spec": {"total": found.total or Resources()}, "status": found}

    def retrieve(self, request: Request, tenant: str = "") -> Response:
        """Total, what is borrowed, what environments take, what is free."""
        return self.answer(self._shown(self.tenant))

    @extend_schema(request=NewTotalSerializer)
    def update(self, request: Request, tenant: str = "") -> Response:
        """Give the tenant another total."""
        owner = self.tenant
        with transaction.atomic():
            # Whoever else changes it, also by approving a request, waits here and then meets the new version.
            quotas.take_turn(owner)
            etags.check(request, self.etag(self._shown(owner)))
            chosen = self.valid(serializer=NewTotalSerializer)
            total = amount(chosen["spec"]["total"])
            quotas.set_total(tenant=owner, total=total, by=request.user, reason=chosen["reason"])
        return self.answer(self._shown(owner))


class LoanSpecSerializer(Strict):
    amount = AmountSerializer(source="resources")
    until = serializers.DateTimeField(source="ends_at")
    reason = serializers.CharField(max_length=500)


class LoanStatusSerializer(serializers.Serializer[Loan]):
    lent_by = serializers.CharField()
    ended_at = serializers.DateTimeField(allow_null=True)
    ended_by = serializers.CharField(help_text="Who took it back before its time.")


class LoanSerializer(Strict):
    id = serializers.IntegerField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    spec = LoanSpecSerializer(source="*")
    status = LoanStatusSerializer(source="*", read_only=True)


class LoanViewSet(InTenant):
    """Quota lent by the platform until a date, open ones and those that ended."""

    right = "quota.view"
    rights = {"create": "platform.operate", "destroy": "platform.operate"}
    serializer_class = LoanSerializer
    lookup_value_regex = "[0-9]{1,18}"
    queryset = Loan.objects.none()

    def rows(self) -> QuerySet[Loan]:
        return Loan.objects.select_related("tenant").order_by("-id")

    @extend_schema(responses={201: LoanSerializer})
    def create(self, request: Request, tenant: str = "") -> Response:
        """Lend quota; it returns by itself."""
        owner, chosen = self.tenant, self.valid()
        made = quotas.lend(
            tenant=owner,
            amount=amount(chosen["resources"]),
            until=chosen["ends_at"],
            reason=chosen["reason"],
            by=request.user,
        )
        location = f"/api/v1/tenants/{owner.name}/quota/loans/{made.pk}"
        return self.answer(made, status=201, location=location)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, tenant: str = "", pk: str = "") -> Response:
        """Take a loan back before its time. Nothing that runs is stopped."""
        quotas.end_loan(loan=self.get_object(), by=request.user)
        return Response(status=204)
