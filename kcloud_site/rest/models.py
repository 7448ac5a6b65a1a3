"""What the API remembers of requests that may be sent again."""

from django.db import models


class IdempotentRequest(models.Model):
    """A POST with an Idempotency-Key: what was asked, and what was answered (status NULL: it is still at work).

    Nothing secret is kept: a view names the fields of its answer that are shown once, and only once.
    """

    # Who may send it again: a token or a person, "token:7" or "user:3".
    owner = models.CharField(max_length=40)
    key = models.CharField(max_length=200)
    # SHA-256 of method, address and body.
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.JSONField(null=True)
    begun_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="idempotency_key_once")]
