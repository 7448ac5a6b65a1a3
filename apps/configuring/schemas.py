"""Checks documents by a JSON schema of a stranger's. Pure.

Bounded: nothing is fetched, references and patterns are counted, so that a schema cannot hold the portal up.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from clusters.problems import gettext_noop as _

MOST_BYTES = 64 * 1024
MOST_STEPS = 5_000
MOST_SHOWN = 10
LONGEST_MATCHED = 500
LONGEST_PATTERN = 200
# A quantifier on a group, or a reference back: what makes matching take for ever.
_SLOW = re.compile(r"\)[*+{?]|\\[1-9]|\(\?P=")
_MOST_QUANTIFIERS = 3

Found = tuple[str, str, dict[str, str | int]]


class _TooMuch(Exception):
    """The schema asks for more work than one check may be; `text` says which part."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)


def problems(schema: Mapping[str, Any] | bool, documents: list[Any], *, secret: bool) -> Iterator[Found]:
    """(field, text, facts) of what breaks the schema, or is wrong with the schema itself. `secret`: no value told."""
    if len(json.dumps(schema)) > MOST_BYTES:
        yield "schema", _("The schema has more than 64 KiB."), {}
        return
    try:
        Draft202012Validator.check_schema(schema)
        made = _validator(schema)
        found = itertools.chain.from_iterable(made.iter_errors(each) for each in documents)
        yield from [_found(error, secret) for error in itertools.islice(found, MOST_SHOWN)]
    except _TooMuch as error:
        yield "schema", error.text, {}
    except SchemaError as error:
        yield "schema", _("This is no JSON schema: %(why)s"), {"why": str(error.message)[:200]}
    except Unresolvable:
        yield "schema", _("The schema refers to something that is not in it."), {}
    except (RecursionError, re.error, ValueError, TypeError, OverflowError):
        yield "schema", _("The schema cannot be applied."), {}


def _found(error: ValidationError, secret: bool) -> Found:
    place = "/" + "/".join(str(each) for each in error.absolute_path)
    if secret:
        return (
            "value",
            _("%(place)s breaks the rule %(rule)s of the schema."),
            {"place": "/", "rule": str(error.validator)},
        )
    return "value", _("%(place)s: %(why)s"), {"place": place[:200], "why": str(error.message)[:200]}


def _validator(schema: Mapping[str, Any] | bool) -> Any:
    steps = [0]

    def counted(check: Any) -> Any:
        def run(validator: Any, value: Any, instance: Any, whole: Any) -> Any:
            steps[0] += 1
            if steps[0] > MOST_STEPS:
                raise _TooMuch(_("The schema refers to itself too often."))
            return check(validator, value, instance, whole)

        return run

    def pattern(validator: Any, value: Any, instance: Any, whole: Any) -> Iterator[ValidationError]:
        if isinstance(instance, str) and not _matches(value, instance):
            yield ValidationError(f"does not match {value[:80]!r}")

    known = Draft202012Validator.VALIDATORS
    own = {name: counted(known[name]) for name in ("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if")}
    own |= {
        "pattern": counted(pattern),
        "patternProperties": counted(_pattern_properties),
        "uniqueItems": counted(_unique),
    }
    kind = validators.extend(Draft202012Validator, own)
    return kind(schema, registry=Registry())


def _pattern_properties(validator: Any, value: Any, instance: Any, whole: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    for expression, below in value.items():
        for name, content in instance.items():
            if _matches(expression, name):
                yield from validator.descend(content, below, path=name, schema_path=expression)


def _unique(validator: Any, value: Any, instance: Any, whole: Any) -> Iterator[ValidationError]:
    if not value or not validator.is_type(instance, "array"):
        return
    seen = {json.dumps(each, sort_keys=True, default=str) for each in instance}
    if len(seen) < len(instance):
        yield ValidationError("has the same item twice")


def _matches(expression: str, text: str) -> bool:
    if len(expression) > LONGEST_PATTERN or _SLOW.search(expression):
        raise _TooMuch(_("A pattern of the schema is too complex: no repeated groups, no references back."))
    if len(re.findall(r"[*+{]", expression)) > _MOST_QUANTIFIERS:
        raise _TooMuch(_("A pattern of the schema has more than three repetitions."))
    return len(text) <= LONGEST_MATCHED and re.search(expression, text) is not None
