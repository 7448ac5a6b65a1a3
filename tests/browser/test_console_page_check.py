"""The page check itself: each fault it is there for, it finds."""

import pytest

pytestmark = pytest.mark.browser

HEAD = "<!doctype html><html lang=en><title>t</title><body bgcolor=white text=black link=#0000ee>"
GOOD = HEAD + "<main><h1>Title</h1><label for=a>Name</label><input id=a><a href=/>Home</a></main>"


def test_a_good_page_passes(page, check_page):
    page.set_content(GOOD)
    check_page(page)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("<input>", "no label"),
        ("<a href=/></a>", "no name"),
        ("<button><svg aria-hidden=true></svg></button>", "no name"),
        ("<p id=a></p>", "repeated id"),
        ("<svg></svg>", "no alternative"),
        ("<h1>Again</h1>", "not one h1"),
        ("<nav></nav>", "not named"),
        ("<p aria-describedby=nowhere>x</p>", "refers to nothing"),
        ("<pre>" + "x" * 400 + "</pre>", "sideways"),
        ("<p><font color=#bbbbbb>pale</font></p>", "pale"),
        ("<p style='color:red'>x</p>", "inline style"),
        ("<svg aria-hidden=true><use href='#nothing'/></svg>", "no icon nothing"),
    ],
)
def test_a_fault_is_found(page, check_page, fault, said):
    page.set_content(GOOD.replace("</main>", fault + "</main>"))
    with pytest.raises(AssertionError, match=said):
        check_page(page)


TABLE = "<div class=table-responsive><table><caption>c</caption><tr><th><p>stays<td><p>scrolls</table></div>"


@pytest.mark.parametrize(("first", "is_covered"), [(100, False), (1000, True)])
def test_a_column_that_stays_may_not_cover_what_scrolls(page, check_page, first, is_covered):
    page.set_content(GOOD.replace("</main>", TABLE + "</main>"))
    css = ".table-responsive{overflow:auto}th{position:sticky;left:0}td p{width:2000px}th p{width:%dpx}"
    page.evaluate(
        """css => { const sheet = new CSSStyleSheet(); sheet.replaceSync(css);
        document.adoptedStyleSheets = [sheet]; }""",
        css % first,
    )
    if not is_covered:
        check_page(page)
        return
    with pytest.raises(AssertionError, match="covers a table"):
        check_page(page)


def test_a_violation_of_the_policy_is_noticed(signed_in, live_server, problems, db):
    signed_in.goto(live_server.url + "/")
    signed_in.evaluate("document.body.setAttribute('style', 'color: red')")
    signed_in.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">x</p>')")
    signed_in.wait_for_timeout(100)
    assert any("Content Security Policy" in problem for problem in problems)
    problems.clear()
