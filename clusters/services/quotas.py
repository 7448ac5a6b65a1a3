"""A tenant's quota: given, lent, and carved into environments. Errors: QuotaExceeded, QuotaInUse, ValueRefused.

Whoever changes what is carved out of a tenant, or what there is to carve from, takes a turn on the tenant's Quota row:
a conditional update locks it until the commit, on SQLite and PostgreSQL alike. So `reserve` must be called inside the
transaction that writes the share, before it is written:

    with transaction.atomic():
        quotas.reserve(tenant=tenant, share=share)             # or instead_of=environment.resources when resizing
        Environment.objects.create(tenant=tenant, **share.parts(), …)
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from clusters.errors import QuotaExceeded, QuotaInUse, ValueRefused
from clusters.selectors import quotas as reading
from clusters.selectors.resource_texts import amounts
from kcloud_site.audit import trail
from kcloud_site.tenants.models import Loan, Quota, Tenant
from kcloud_site.tenants.resources import Resources
from kcloud_site.tenants.services.tenants import refuse_closed

LONGEST_LOAN = timedelta(days=366)


def free_for(tenant: Tenant) -> Resources:
    """What the tenant can still carve out; 0, never less, of a part that is exceeded."""
    return reading.standing(tenant).free.floored()


@transaction.atomic
def reserve(*, tenant: Tenant, share: Resources, instead_of: Resources | None = None) -> None:
    """Make sure that `share` fits into what is free (where `instead_of` is given back for it), and hold the tenant's
    turn until the caller's transaction ends. Raises QuotaExceeded, which names each resource that does not fit.

    A part that does not grow always fits: who is over the quota can still make things smaller."""
    take_turn(tenant)
    before = instead_of or Resources()
    free = reading.standing(tenant).free + before
    lacking = {part: by for part, by in share.exceeds(free).items() if part in share.exceeds(before)}
    if lacking:
        raise _exceeded(share, free.floored(), lacking)


@transaction.atomic
def set_total(*, tenant: Tenant, total: Resources, by: Any, reason: str = "") -> Quota:
    """Give the tenant another total. Raises QuotaInUse when more than that and its loans is carved out already."""
    refuse_closed(tenant)
    quota = take_turn(tenant)
    now = reading.standing(tenant)
    # What is exceeded already may stay so, but a total that shrinks must not make it worse.
    shrinking = now.limit.exceeds(total + now.borrowed)
    short = {part: by for part, by in now.carved.exceeds(total + now.borrowed).items() if part in shrinking}
    if short:
        raise QuotaInUse(
            _("The total cannot be made that small."),
            _(
                "Carved out in environments: %(carved)s. That is more than the new total and loans by %(short)s."
            )
            % {"carved": amounts(now.carved, only=short), "short": amounts(Resources(**short), only=short)},
            _("Make environments smaller or remove some first, or keep a larger total."),
        )
    before = quota.resources
    if total != before:
        Quota.objects.filter(pk=quota.pk).update(**total.parts(), changed_at=timezone.now())
        quota.refresh_from_db()
        _record(tenant, by, "quota.change", before=before.to_json(), after=total.to_json(), reason=reason)
    return quota


@transaction.atomic
def raise_total(*, tenant: Tenant, amount: Resources, by: Any, reason: str = "") -> Quota:
    """Make the total larger by `amount`, whatever it is when the tenant's turn comes."""
    return set_total(tenant=tenant, total=take_turn(tenant).resources + amount, by=by, reason=reason)


@transaction.atomic
def lend(*, tenant: Tenant, amount: Resources, until: datetime, by: Any, reason: str) -> Loan:
    """Lend quota of the platform until a moment; it returns by itself then. Raises ValueRefused."""
    refuse_closed(tenant)
    check_loan(amount=amount, until=until, now=timezone.now())
    take_turn(tenant)
    loan = Loan.objects.create(
        tenant=tenant,
        **amount.parts(),
        reason=reason,
        lent_by=trail.Actor.of(by).name,
        ends_at=until,
    )
    _record(tenant, by, "quota.lend", after=_told(loan), reason=reason)
    return loan


def check_loan(*, amount: Resources, until: datetime, now: datetime) -> None:
    """Raise ValueRefused for a loan of nothing, one in the past, or one for longer than LONGEST_LOAN."""
    if not amount:
        raise ValueRefused(
            "amount", _("Nothing is to be lent."), "", _("Say how much of at least one resource.")
        )
    if until <= now:
        raise ValueRefused("until", _("The loan would have ended already."), "", _("Choose a later date."))
    if until > now + LONGEST_LOAN:
        raise ValueRefused(
            "until",
            _("The loan would last longer than a year."),
            "",
            _("Choose an earlier date, or ask for a larger total."),
        )


@transaction.atomic
def end_loan(*, loan: Loan, by: Any, reason: str = "") -> bool:
    """Take a loan back: before its time (`by` a person), or because its time is up (`by` None). Nothing that runs is
    stopped. Answers whether it was still open."""
    take_turn(loan.tenant)
    ended_by = trail.Actor.of(by).name if by is not None else ""
    ended = Loan.objects.filter(pk=loan.pk, ended_at__isnull=True).update(
        ended_at=timezone.now(), ended_by=ended_by
    )
    loan.refresh_from_db()
    if ended:
        action = "quota.loan_ended" if by is None else "quota.take_back"
        _record(loan.tenant, by, action, before=_told(loan), reason=reason)
    return bool(ended)


def end_due_loans(now: datetime) -> int:
    """End every loan whose time is up; answers how many. Each in a transaction of its own."""
    due = Loan.objects.filter(ended_at__isnull=True, ends_at__lte=now).select_related("tenant")
    return sum(end_loan(loan=loan, by=None) for loan in due.order_by("ends_at"))


def take_turn(tenant: Tenant) -> Quota:
    """The tenant's row, held until the commit. A tenant without one gets one of zeros, which changes nothing."""
    if not Quota.objects.filter(tenant=tenant).update(turns=F("turns") + 1):
        Quota.objects.bulk_create([Quota(tenant=tenant)], ignore_conflicts=True)
        Quota.objects.filter(tenant=tenant).update(turns=F("turns") + 1)
    return Quota.objects.get(tenant=tenant)


def _exceeded(share: Resources, free: Resources, lacking: dict[str, int]) -> QuotaExceeded:
    return QuotaExceeded(
        _("The tenant's quota does not hold that much."),
        _("Asked for: %(asked)s; free: %(free)s.")
        % {"asked": amounts(share, only=lacking), "free": amounts(free, only=lacking)},
        _("Ask for less, make another environment smaller, or request more quota."),
        lacking=lacking,
    )


def _told(loan: Loan) -> dict[str, Any]:
    return {"amount": loan.resources.to_json(), "ends_at": loan.ends_at, "lent_by": loan.lent_by}


def _record(tenant: Tenant, by: Any, action: str, **told: Any) -> None:
    subject = trail.Subject("tenants.quota", str(tenant.pk), tenant.name, tenant.pk)
    trail.record(by=by, action=action, subject=subject, **told)
