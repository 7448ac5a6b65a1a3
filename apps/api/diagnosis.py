"""/tenants/{tenant}/apps/{app}/in/{environment}/diagnosis: what is wrong with a workload, and why."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.diagnosing.diagnosis import SEVERITIES, Diagnosis
from apps.models import Workload
from apps.selectors.diagnosis import examine
from clusters.problems import Problem
from kcloud_site.tenants import permissions
from kcloud_site.tenants.api.things import InTenant


class EvidenceSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["event", "state", "field", "log"])
    about = serializers.CharField(source="source", help_text="The object whose words these are.")
    text = serializers.CharField()


class CauseSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    severity = serializers.ChoiceField(choices=SEVERITIES)
    title = serializers.CharField()
    cause = serializers.CharField()
    remedy = serializers.CharField()
    action = serializers.CharField(help_text="The page that comes next.")
    evidence = EvidenceSerializer(many=True)
    pods = serializers.ListField(child=serializers.CharField())


class AdviceSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(help_text="The health check in the release.")
    code = serializers.CharField()
    message = serializers.CharField()
    remedy = serializers.CharField()


class DiagnosisSerializer(serializers.Serializer[Any]):
    seen = serializers.BooleanField(help_text="False: the cluster could not be asked.")
    well = serializers.BooleanField(help_text="It was looked, and nothing is wrong.")
    pods = serializers.IntegerField(help_text="How many were looked at.")
    diagnoses = CauseSerializer(many=True, help_text="Worst first.")
    advice = AdviceSerializer(many=True, help_text="What could be better about the release's health checks.")


class DiagnosisViewSet(InTenant):
    """What the doctor says about an application in an environment, looked at now."""

    right = "app.view"
    serializer_class = DiagnosisSerializer
    pagination_class = None
    queryset = Workload.objects.none()

    def rows(self) -> QuerySet[Workload]:
        return Workload.objects.select_related("app", "tenant", "environment__cluster", "release")

    def retrieve(self, request: Request, tenant: str = "", app: str = "", environment: str = "") -> Response:
        """Causes with their evidence, worst first. Log lines need the right to read logs."""
        rows = self.rows().filter(tenant=self.tenant)
        workload = get_object_or_404(rows, app__name=app, environment__name=environment)
        found = examine(workload, with_logs=permissions.may(request.user, "log.view", workload))
        report = found.report
        shown = {
            "seen": report.seen,
            "well": report.is_well,
            "pods": report.pods,
            "diagnoses": [_cause(each) for each in report.diagnoses],
            "advice": [_advice(each) for each in found.advice],
        }
        return Response(DiagnosisSerializer(shown).data)


def _cause(each: Diagnosis) -> dict[str, Any]:
    return {
        "code": each.code,
        "severity": each.severity,
        "title": each.title_in(gettext),
        "cause": each.cause_in(gettext),
        "remedy": each.remedy_in(gettext),
        "action": each.action,
        "evidence": each.evidence,
        "pods": each.pods,
    }


def _advice(each: Problem) -> dict[str, str]:
    return {
        "path": each.path,
        "code": each.code,
        "message": each.message_in(gettext),
        "remedy": each.remedy_in(gettext),
    }
