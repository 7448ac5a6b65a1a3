# KCloud: `make help` lists what there is to do.
SHELL := /bin/sh
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kcloud
UV_VERSION := 0.13.9
UV := $(CACHE)/uv-$(UV_VERSION)/bin/uv
VENV := .venv/bin
export UV_PROJECT_ENVIRONMENT := .venv
# Go and Node of the virtual environment serve where the machine has none.
export PATH := $(PATH):$(CURDIR)/.venv/bin
VERSIONS ?= 1.34.4
PYTEST := $(VENV)/python -m pytest

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# ---- setting up ------------------------------------------------------------------------------------------------

.PHONY: setup system assets
setup: system .venv/.synced assets ## install everything a checkout needs

system: ## install the Debian packages of .ci/debian-packages (as root)
	@sh .ci/system

$(UV):
	@sh .ci/uv $(UV_VERSION) $(dir $(UV))..

.venv/.synced: uv.lock pyproject.toml | $(UV)
	$(UV) sync --quiet --frozen --group dev --group toolchain
	@touch $@

assets: .venv/.synced ## third-party static files and compiled translations
	@$(VENV)/python manage.py assets
	@$(VENV)/python manage.py compilemessages --verbosity 0 --locale zh_Hans

staticfiles/staticfiles.json: .venv/.synced $(shell find static -type f 2>/dev/null) kcloud_site/apps.py | assets
	@$(VENV)/python manage.py collectstatic --noinput --verbosity 0

# ---- running ---------------------------------------------------------------------------------------------------

.PHONY: demo demo-stop run bundle
demo: setup staticfiles/staticfiles.json ## portal, a real cluster it deployed itself, a running application (DETACH=1: return when ready)
	@KCLOUD_HOME=$(CURDIR)/.demo $(VENV)/python manage.py demo up $(if $(DETACH),--detach)

demo-stop: .venv/.synced ## remove all that `make demo` made
	@KCLOUD_HOME=$(CURDIR)/.demo $(VENV)/python manage.py demo down

run: setup staticfiles/staticfiles.json ## the portal alone, all its processes
	@$(VENV)/python manage.py migrate --verbosity 0
	@$(VENV)/python manage.py first_operator
	@PATH=$(CURDIR)/$(VENV):$$PATH $(VENV)/honcho start

bundle: setup ## build the release bundles: make bundle VERSIONS="1.33.13 1.34.4"
	@$(VENV)/python manage.py bundle build $(foreach v,$(VERSIONS),--version $(v))

# ---- checking --------------------------------------------------------------------------------------------------

.PHONY: test check lint format translations test-fast test-postgres test-browser test-lab bench audit
test: setup lint test-fast test-postgres test-browser test-lab ## everything CI runs

check: setup lint test-fast ## lint and the fast tests: for every commit

lint: .venv/.synced ## style, types, layers, templates, playbooks, translations
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/lint-imports
	$(VENV)/mypy
	$(VENV)/djlint --lint --quiet templates
	$(VENV)/yamllint --strict clusters/ansible
	cd clusters/ansible && ANSIBLE_CONFIG=ansible.cfg $(CURDIR)/$(VENV)/ansible-lint --offline -q
	$(VENV)/python manage.py makemigrations --check --dry-run --verbosity 0

translations: .venv/.synced ## bring the Chinese catalogue up to date with the sources
	$(VENV)/python manage.py makemessages --locale zh_Hans --no-location --no-obsolete --ignore .venv --ignore node_modules

format: .venv/.synced ## let the formatters have their way
	$(VENV)/ruff check --fix-only .
	$(VENV)/ruff format .

test-fast: .venv/.synced ## everything but lab and browser, on SQLite
	$(PYTEST) -n 2 -m "not lab and not browser and not postgres"

test-postgres: .venv/.synced ## the same on a PostgreSQL of its own
	$(VENV)/python -m tests.postgres $(PYTEST) -n 2 -m "not lab and not browser and not sqlite"

test-browser: .venv/.synced ## pages in Chromium
	$(PYTEST) -m "browser and not lab"

test-lab: .venv/.synced ## real hosts, real clusters (builds the bundles it needs)
	$(VENV)/python manage.py bundle build --version 1.33.13 --version 1.34.4
	$(PYTEST) -m "lab and not browser"
	$(PYTEST) -m "lab and browser" # apart: tests above fork, which a browser's event loop does not survive

bench: setup ## speed as paired ratios; see docs/benchmarks.md
	$(PYTEST) tests/bench

audit: .venv/.synced ## known holes in dependencies (asks the network)
	$(VENV)/pip-audit
