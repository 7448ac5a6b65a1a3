"""The tags every template uses: what they write, and that foreign text stays text."""

from datetime import timedelta

import pytest
from django import forms
from django.core.paginator import Paginator
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import timezone

from tests.markup import squeezed

HOSTILE = '"><script>alert(1)</script>'


def render(source, **context):
    return Template(source).render(Context(context))


class Sample(forms.Form):
    name = forms.CharField(label="Name", help_text="Small letters", max_length=5)
    size = forms.ChoiceField(label="Size", choices=[("s", "Small"), ("l", "Large")])
    agree = forms.BooleanField(label="Agree", required=False)
    colour = forms.ChoiceField(
        label="Colour", choices=[("r", "Red")], widget=forms.RadioSelect, required=False
    )
    note = forms.CharField(label="Note", required=False, widget=forms.Textarea(attrs={"class": "kc-mono"}))
    secret = forms.CharField(widget=forms.HiddenInput, required=False)

    def clean(self):
        if self.data.get("name") == "taken":
            raise forms.ValidationError("The name is taken. Choose another.")


def fields(form):
    return render("".join("{% field form." + name + " %}" for name in Sample.base_fields), form=form)


# ---- states, bars, times -----------------------------------------------------------------------------------


def test_a_state_has_class_icon_and_word():
    html = render('{% state "degraded" %}')
    assert 'class="kc-state is-warn"' in html
    assert "#triangle-alert" in html
    assert "Degraded" in html


def test_the_word_may_be_more_precise_but_not_the_class():
    html = render("{% state 'running' word=word %}", word=f"Step 6 {HOSTILE}")
    assert "is-run" in html
    assert "kc-spin" in html
    assert "Step 6 &quot;&gt;&lt;script&gt;" in html


@pytest.mark.parametrize(
    ("used", "limit", "width"),
    [(0, 10, "0%"), (5, 10, "50%"), (30, 10, "100%"), (-1, 10, "0%"), (1, 0, "0%"), (None, 5, "0%")],
)
def test_a_bar_stays_within_its_frame(used, limit, width):
    assert f'<rect width="{width}"' in render("{% bar used limit %}", used=used, limit=limit)


def test_a_bar_with_a_label_is_read_aloud_and_one_without_is_decoration():
    assert 'role="img" aria-label="CPU 50 %"' in render('{% bar 1 2 "CPU" %}')
    assert 'aria-hidden="true"' in render("{% bar 1 2 %}")
    assert HOSTILE not in render("{% bar 1 2 label %}", label=HOSTILE)


def test_an_age_has_its_clock_time_in_the_title():
    html = render("{{ at|age }}", at=timezone.now() - timedelta(hours=3))
    assert ">3 h ago</time>" in html
    assert 'title="' in html


@pytest.mark.parametrize("name", ["age", "clock", "moment", "number", "size", "duration"])
def test_no_value_is_a_dash(name):
    assert render("{{ nothing|" + name + " }}", nothing=None) == "–"


def test_a_name_without_a_page_is_plain_text():
    assert render("{% subject_link 'other.thing' name %}", name=HOSTILE).startswith("&quot;&gt;&lt;script")


def test_a_pattern_matches_its_text_alone():
    import re

    text = "a.b-c_1 (x)/[y]$"
    pattern = render("{% autoescape off %}{{ text|as_pattern }}{% endautoescape %}", text=text)
    assert re.fullmatch(pattern, text)
    assert not re.fullmatch(pattern, text.replace(".", "x"))


# ---- forms -------------------------------------------------------------------------------------------------


def test_every_field_has_its_label_and_class():
    html = squeezed(fields(Sample()))
    assert '<label for="id_name">Name' in html
    assert 'class="form-select"' in html
    assert 'class="form-check-input"' in html
    assert 'class="form-control kc-mono"' in html
    assert "<legend" in html
    assert html.count('<span class="kc-2 kc-sm fw-normal">optional</span>') == 1


def test_a_refused_field_is_marked_described_and_focused():
    html = fields(Sample({"name": "too-long", "size": "x"}))
    assert 'aria-invalid="true"' in html
    assert 'aria-describedby="id_name_helptext id_name_error"' in html
    assert 'id="id_name_error"' in html
    assert 'id="id_name_helptext"' in html
    assert html.count("autofocus") == 1


def test_the_band_links_to_each_refused_field():
    html = render("{% form_errors form %}", form=Sample({"name": "", "size": "x"}))
    assert 'role="alert"' in html
    assert 'href="#id_name"' in html
    assert 'href="#id_size"' in html
    assert "2 problems" in html


def test_the_band_says_what_no_single_field_can():
    assert "The name is taken." in render(
        "{% form_errors form %}", form=Sample({"name": "taken", "size": "s"})
    )


def test_a_good_form_has_no_band():
    assert render("{% form_errors form %}", form=Sample({"name": "a", "size": "s"})).strip() == ""


def test_what_somebody_typed_comes_back_as_text():
    html = fields(Sample({"name": HOSTILE, "size": HOSTILE, "note": HOSTILE}))
    assert "<script>" not in html


# ---- paging and changes ------------------------------------------------------------------------------------


def page_of(number, count, query=""):
    request = RequestFactory().get(f"/?{query}")
    page = Paginator(range(count), 10).page(number)
    return squeezed(render('{% pager page "worst first" %}', page=page, request=request))


def test_the_pager_says_where_one_is_and_keeps_the_filter():
    html = page_of(2, 128, "state=failed&page=2&q=a%26b")
    assert "11 – 20 of 128, worst first" in html
    assert 'href="?state=failed&amp;q=a%26b&amp;page=3"' in html
    assert 'aria-current="page">2<' in html


def test_a_short_list_needs_no_pages():
    assert "<nav" not in page_of(1, 10)


def test_a_long_list_names_only_the_near_pages():
    assert page_of(50, 1000).count("page-item") < 15


def test_a_change_shows_only_what_differs():
    html = render(
        "{% change before after %}", before={"a": 1, "b": [1]}, after={"a": 1, "b": [1, 2], "c": HOSTILE}
    )
    assert "2 values" in html
    assert "<code>a</code>" not in html
    assert "<del>[1]</del> <ins>[1, 2]</ins>" in html
    assert "<script>" not in html
