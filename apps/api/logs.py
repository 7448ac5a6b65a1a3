"""/tenants/{tenant}/apps/{app}/in/{environment}/logs and …/commands: lines by time, and one command in a container."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.errors import ValueRefused
from apps.forms.logs import SEVERITIES, WINDOWS, LogFilter
from apps.loglines.lines import stamp
from apps.loglines.patterns import PatternTooSlow
from apps.loglines.positions import LONGEST
from apps.loglines.query import MOST_LINES, USUAL_LINES
from apps.models import Workload
from apps.selectors.logs import store_for
from apps.services import command_ends, commands
from kcloud_site.rest.serializers import Reason
from kcloud_site.tenants import permissions
from kcloud_site.tenants.api.things import InTenant


class LogQuerySerializer(serializers.Serializer[Any]):
    """In the query."""

    q = serializers.CharField(required=False, max_length=200, help_text="Words in the line.")
    pattern = serializers.BooleanField(
        required=False, help_text="`q` is a regular expression, within limits."
    )
    severity = serializers.ChoiceField(choices=SEVERITIES, required=False, help_text="This and worse.")
    window = serializers.ChoiceField(choices=WINDOWS, required=False)
    pod = serializers.CharField(required=False, help_text="One or several, with commas.")
    container = serializers.CharField(required=False)
    previous = serializers.BooleanField(required=False, help_text="Before the last restart.")
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    after = serializers.CharField(
        required=False,
        max_length=LONGEST,
        help_text="`next` of the answer before: what came since, oldest first.",
    )
    limit = serializers.IntegerField(required=False, min_value=1, max_value=MOST_LINES, default=USUAL_LINES)


class AppLogLineSerializer(serializers.Serializer[Any]):
    time = serializers.CharField(help_text="RFC 3339 with nanoseconds.")
    pod = serializers.CharField()
    container = serializers.CharField()
    severity = serializers.CharField(help_text="debug, info, warning, error, or empty: it does not say.")
    text = serializers.CharField()
    point = serializers.CharField(help_text="The line's place: ?line= of the console's page.")


class UnreadSerializer(serializers.Serializer[Any]):
    pod = serializers.CharField()
    container = serializers.CharField()
    why = serializers.CharField()


class LogPageSerializer(serializers.Serializer[Any]):
    lines = AppLogLineSerializer(many=True)
    next = serializers.CharField(
        help_text="Give it as `after` to go on: no line is left out, none comes twice."
    )
    earlier = serializers.BooleanField(help_text="Older lines were left out.")
    more = serializers.BooleanField(help_text="Newer lines were left out: ask again with `after`.")
    unread = UnreadSerializer(many=True)
    cut = serializers.ListField(child=serializers.CharField(), help_text="Streams that were cut at a size.")


class CommandSerializer(Reason):
    pod = serializers.CharField(max_length=253)
    container = serializers.CharField(max_length=253)
    command = serializers.ListField(
        child=serializers.CharField(
            max_length=commands.LONGEST_COMMAND, trim_whitespace=False, allow_blank=True
        ),
        min_length=1,
        max_length=commands.MOST_WORDS,
        help_text="The program and its arguments. No shell reads them.",
    )
    seconds = serializers.IntegerField(
        required=False, min_value=1, max_value=commands.MOST_SECONDS, default=commands.USUAL_SECONDS
    )


class OutcomeSerializer(serializers.Serializer[Any]):
    ended = serializers.ChoiceField(
        choices=["exited", "time", "size", "broken"],
        help_text="What came first.",
    )
    rest = serializers.ChoiceField(
        choices=["", *command_ends.RESTS],
        help_text="Of one that did not exit by itself: its processes were ended, some were left, or the image has no"
        " shell to end them with.",
    )
    exit_code = serializers.IntegerField(allow_null=True)
    output = serializers.CharField(help_text="Output and errors as they came, at most 64 KiB.")
    why = serializers.CharField(help_text="What Kubernetes said, where it did not run.")


class _OfWorkload(InTenant):
    pagination_class = None
    queryset = Workload.objects.none()

    def rows(self) -> QuerySet[Workload]:
        return Workload.objects.select_related("app", "tenant", "environment__cluster", "release")

    def workload(self) -> Workload:
        rows = self.rows().filter(tenant=self.tenant)
        return get_object_or_404(
            rows, app__name=self.kwargs["app"], environment__name=self.kwargs["environment"]
        )


class LogViewSet(_OfWorkload):
    """Log lines of an application in an environment, of all its pods, in the order of time."""

    right = "log.view"
    serializer_class = LogPageSerializer

    @extend_schema(parameters=[LogQuerySerializer, OpenApiParameter("tenant", str, "path")])
    def retrieve(self, request: Request, tenant: str = "", app: str = "", environment: str = "") -> Response:
        """The newest lines, or with `after` what came since."""
        workload = self.workload()
        asked = LogQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        form = LogFilter(request.query_params)
        if not form.is_valid():
            raise serializers.ValidationError(
                {name: [str(each) for each in errors] for name, errors in form.errors.items()}
            )
        query = form.query(limit=asked.validated_data["limit"])
        if request.query_params.get("after") and query.after is None:
            raise ValueRefused(
                "after", gettext("This is no place to go on from."), "", gettext("Give `next` of an answer.")
            )
        try:
            page = store_for(workload, previous=query.previous).read(query)
        except PatternTooSlow as error:
            raise ValueRefused(
                "q", gettext("The search took too long."), "", gettext("Choose a shorter time.")
            ) from error
        lines = [
            {
                "time": stamp(line.point.at),
                "pod": line.pod,
                "container": line.container,
                "severity": line.severity,
                "text": line.text,
                "point": str(line.point),
            }
            for line in page.lines
        ]
        told = {"lines": lines, "next": str(page.positions), "earlier": page.earlier, "more": page.more}
        return Response(LogPageSerializer({**told, "unread": page.unread, "cut": page.cut}).data)


class CommandViewSet(_OfWorkload):
    """Single commands in containers."""

    right = "command.run"
    serializer_class = CommandSerializer

    @extend_schema(request=CommandSerializer, responses={200: OutcomeSerializer})
    def create(self, request: Request, tenant: str = "", app: str = "", environment: str = "") -> Response:
        """Run one and answer what it said. Protected environments also ask for the right to change them."""
        workload = self.workload()
        if workload.environment.protected:
            permissions.check(request.user, "deployment.protected", workload)
        given = CommandSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        outcome = commands.run_command(workload=workload, by=request.user, **given.validated_data)
        return Response(OutcomeSerializer(outcome).data)
