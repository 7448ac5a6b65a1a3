"""Pages in Debian's Chromium, under the real Content-Security-Policy, with the real static files.

`page` and every page opened by `visit` are watched: a policy violation, a script error, a missing static file or a
server error fails the test. `check_page` looks at what any page must keep (design: accessibility, no sideways scroll).
"""

from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import call_command
from pytest_django.live_server_helper import LiveServer

WIDTHS = (320, 375, 768, 1024, 1440)


@pytest.fixture(scope="session", autouse=True)
def _third_party_files():
    vendor = Path(django_settings.BASE_DIR) / "static" / "vendor"
    if not (vendor / "icons.svg").is_file():
        call_command("assets", verbosity=0)


@pytest.fixture(scope="session")
def live_server():
    """The portal with the checkout's static files, whatever the list of apps calls the app that finds them."""
    server = LiveServer("localhost", start=False)
    server.thread.static_handler = StaticFilesHandler
    server.start()
    yield server
    server.stop()


@pytest.fixture
def problems():
    """What went wrong on the pages; a test that means to provoke something clears it."""
    return []


@pytest.fixture(autouse=True)
def _no_problems(problems):
    yield
    assert not problems, "\n".join(problems)


@pytest.fixture
def watch(problems):
    """Watch one page for policy violations, script errors and files or pages the server cannot give."""

    def watching(page):
        # The browser's own line about a refused request adds nothing: answers are looked at below.
        page.on("console", lambda line: _take_console(problems, line))
        page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
        page.on("response", lambda response: _take_answer(problems, response))
        return page

    return watching


def _take_console(problems, line):
    if line.type in ("error", "warning") and not line.text.startswith("Failed to load resource"):
        problems.append(f"{line.type}: {line.text}")


def _take_answer(problems, response):
    is_file = "/static/" in response.url
    if response.status >= 500 or (is_file and response.status >= 400):
        problems.append(f"{response.status} {response.url}")


@pytest.fixture
def page(page, watch):
    return watch(page)


@pytest.fixture
def signed_in(page, live_server, operator, client):
    """The page of a platform operator; `page.goto(live_server.url + …)` goes on from here."""
    _give_session(page.context, live_server, client, operator)
    return page


@pytest.fixture
def open_context(browser, live_server, client, operator, watch):
    """Another signed-in window, for example without JavaScript: open_context(java_script_enabled=False)."""
    contexts = []

    def opening(**options):
        context = browser.new_context(
            **{"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", **options}
        )
        contexts.append(context)
        _give_session(context, live_server, client, operator)
        return watch(context.new_page())

    yield opening
    for context in contexts:
        context.close()


def _give_session(context, live_server, client, person):
    client.force_login(person)
    cookie = client.cookies[django_settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])


@pytest.fixture
def check_page():
    """Check the page as it is shown now: widths, covered tables, labels, names, ids, landmarks, and the contrast of
    text in light and dark."""
    return _check_page


def _check_page(page):
    found = page.evaluate(_STRUCTURE)
    assert not found, f"{page.url}: " + "; ".join(found)
    size = page.viewport_size
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, f"{page.url} scrolls {over} px sideways at {width} px"
        covered = page.evaluate(_COVERED)
        assert not covered, f"{page.url} at {width} px: {'; '.join(covered)}"
    page.set_viewport_size(size)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        pale = page.evaluate(_CONTRAST)
        assert not pale, f"{page.url} in {scheme}: " + "; ".join(pale)
    page.emulate_media(color_scheme="light")


# A column that stays while its table scrolls must leave room to see what scrolls.
_COVERED = """() => [...document.querySelectorAll('.table-responsive')]
  .filter(region => region.scrollWidth > region.clientWidth)
  .flatMap(region => [...region.querySelectorAll('th, td')]
    .filter(cell => getComputedStyle(cell).position === 'sticky' && cell.offsetWidth > .6 * region.clientWidth)
    .slice(0, 1)
    .map(cell => `a column of ${cell.offsetWidth} px covers a table of ${region.clientWidth}: ${cell.innerText}`))
"""

_STRUCTURE = """() => {
  const found = [];
  const say = (what, node) => found.push(what + ': ' + node.outerHTML.slice(0, 160));
  const text = node => (node.innerText || node.textContent || '').trim() || node.getAttribute('aria-label')
    || (node.getAttribute('aria-labelledby') || '').split(' ').map(id => document.getElementById(id))
       .map(other => other ? other.textContent : '').join('').trim();
  for (const node of document.querySelectorAll('input:not([type=hidden]), select, textarea'))
    if (!(node.labels && node.labels.length) && !text(node)) say('no label', node);
  for (const node of document.querySelectorAll('a[href], button, summary'))
    if (!text(node)) say('no name', node);
  for (const node of document.querySelectorAll('svg:not([aria-hidden=true]), img:not([alt])'))
    if (!node.closest('[aria-hidden=true]') && !node.getAttribute('aria-label')) say('no alternative', node);
  const ids = [...document.querySelectorAll('[id]')].map(node => node.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) found.push('repeated id: ' + id);
  for (const node of document.querySelectorAll('[aria-labelledby], [aria-describedby], label[for]')) {
    const names = ['for', 'aria-labelledby', 'aria-describedby'].map(name => node.getAttribute(name) || '').join(' ');
    for (const id of names.split(' ')) if (id && !document.getElementById(id)) say('refers to nothing', node);
  }
  if (document.querySelectorAll('main').length !== 1) found.push('not one main');
  if (document.querySelectorAll('h1').length !== 1) found.push('not one h1');
  for (const node of document.querySelectorAll('nav:not([aria-label]), table:not(:has(caption, th[scope]))'))
    say('not named', node);
  if (document.querySelector('[style], style, script:not([src]):not([type="application/json"])'))
    found.push('inline style or script');
  for (const node of document.querySelectorAll('use')) {
    const id = node.getAttribute('href').split('#')[1];
    if (node.getBoundingClientRect().width === 0 && node.checkVisibility()) found.push('no icon ' + id);
  }
  return found;
}"""

_CONTRAST = """() => {
  const canvas = document.createElement('canvas'); canvas.width = canvas.height = 1;
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  const rgba = color => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = color; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data]; };
  const light = rgb => rgb.slice(0, 3).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [.2126, .7152, .0722][at], 0);
  const ground = node => { for (; node; node = node.parentElement) {
      const color = rgba(getComputedStyle(node).backgroundColor); if (color[3] > 250) return color; }
    return rgba(getComputedStyle(document.body).backgroundColor); };
  const found = new Set(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const words = walker.currentNode.textContent.trim();
    if (!words || !node.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
    const a = light(rgba(getComputedStyle(node).color)), b = light(ground(node));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) found.add(ratio.toFixed(2) + ' ' + words.slice(0, 40) + ' <' + node.className + '>');
  }
  return [...found];
}"""
