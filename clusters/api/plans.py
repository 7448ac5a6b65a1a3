"""/clusters/{name}/plan, preflight, deploy, reset: from a plan to hosts that carry it, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clusters.api.shapes import (
    AcceptSerializer,
    NewPlanSerializer,
    PlanSerializer,
    PreflightSerializer,
    ResetSerializer,
)
from clusters.models import Cluster, PlanRevision
from clusters.selectors import plans as reading
from clusters.selectors.preflight import preflight_verdict
from clusters.services import deployment, plans, preflight
from kcloud_site.operations.api.operations import DetailedOperationSerializer, accepted
from kcloud_site.rest import etags
from kcloud_site.rest.serializers import Reason
from kcloud_site.rest.views import ApiViewSet

if TYPE_CHECKING:
    _Base = ApiViewSet
else:
    _Base = object


class PlanActions(_Base):
    """What is done with a cluster's plan. Mixed into the view set of clusters."""

    def _planned(self) -> tuple[Cluster, PlanRevision]:
        cluster = self.get_object()
        try:
            return cluster, reading.current_plan(cluster)[0]
        except PlanRevision.DoesNotExist:
            raise Http404 from None

    @staticmethod
    def _plan(revision: PlanRevision) -> Response:
        return Response(PlanSerializer(revision).data, headers={"ETag": f'"{revision.number}"'})

    @extend_schema(responses=PlanSerializer)
    @action(detail=True)
    def plan(self, request: Request, name: str = "") -> Response:
        """The newest plan; its ETag is its generation."""
        return self._plan(self._planned()[1])

    @extend_schema(request=NewPlanSerializer, responses=PlanSerializer)
    @plan.mapping.put
    def set_plan(self, request: Request, name: str = "") -> Response:
        """Save the plan's next revision. The same plan again is no change."""
        cluster, newest = self._planned()
        etags.check(request, f'"{newest.number}"')
        chosen = self.valid(serializer=NewPlanSerializer)
        saved = plans.revise_plan(
            cluster=cluster,
            spec=chosen["spec"],
            note=chosen["note"],
            expected_revision=newest.number,
            by=request.user,
        )
        return self._plan(saved)

    @extend_schema(responses=PlanSerializer(many=True), filters=False)
    @action(detail=True, url_path="plan/revisions")
    def revisions(self, request: Request, name: str = "") -> Response:
        """Every revision of the plan, newest first."""
        rows = PlanRevision.objects.filter(cluster=self.get_object()).order_by("-number")
        shown: Any = self.paginate_queryset(rows)
        return self.get_paginated_response(PlanSerializer(shown, many=True).data)

    @extend_schema(responses=PreflightSerializer)
    @action(detail=True, url_path="preflight")
    def preflight(self, request: Request, name: str = "") -> Response:
        """What the preflight of the newest plan says, worst first."""
        return Response(PreflightSerializer(preflight_verdict(self._planned()[0])).data)

    @extend_schema(request=None, responses={202: DetailedOperationSerializer})
    @preflight.mapping.post
    def start_preflight(self, request: Request, name: str = "") -> Response:
        """Check the newest plan on all its hosts. Nothing on them is changed."""
        return accepted(preflight.start_preflight(cluster=self._planned()[0], by=request.user))

    @extend_schema(request=AcceptSerializer, responses=PreflightSerializer)
    @action(detail=True, methods=["post"], url_path="preflight/accept")
    def accept(self, request: Request, name: str = "") -> Response:
        """Let warnings of the newest preflight pass, all of them for one reason."""
        cluster, _newest = self._planned()
        chosen = self.valid(serializer=AcceptSerializer)
        found = {check.pk: check for check in preflight_verdict(cluster).checks}
        unknown = [pk for pk in chosen["checks"] if pk not in found]
        if unknown:
            listed = ", ".join(str(pk) for pk in unknown)
            text = _("The newest preflight has no checks %(listed)s.") % {"listed": listed}
            raise serializers.ValidationError({"checks": [text]})
        preflight.override_warnings(
            checks=[found[pk] for pk in chosen["checks"]], by=request.user, reason=chosen["reason"]
        )
        return Response(PreflightSerializer(preflight_verdict(cluster)).data)

    @extend_schema(request=Reason, responses={202: DetailedOperationSerializer})
    @action(detail=True, methods=["post"])
    def deploy(self, request: Request, name: str = "") -> Response:
        """Carry out the newest plan, once its preflight lets it pass."""
        cluster = self._planned()[0]
        reason = self.valid(serializer=Reason)["reason"]
        return accepted(deployment.deploy_cluster(cluster=cluster, by=request.user, reason=reason))

    @extend_schema(request=ResetSerializer, responses={202: DetailedOperationSerializer})
    @action(detail=True, methods=["post"])
    def reset(self, request: Request, name: str = "") -> Response:
        """Return every host of the cluster to bare. Everything that runs there is lost."""
        cluster = self.get_object()
        chosen: dict[str, Any] = self.valid(serializer=ResetSerializer)
        return accepted(deployment.reset_cluster(cluster=cluster, by=request.user, **chosen))
