# Everything a newcomer needs: `make run` and `make test`.
PYTHON ?= python3
PORT ?= 5000
BIN := .venv/bin

.PHONY: run test drill lint snapshots bench screenshots lock audit clean

run: .venv/run.stamp
	@ONWARD_INSTANCE=$${ONWARD_INSTANCE:-instance/demo} ONWARD_ISSUER=$${ONWARD_ISSUER:-"Onward Demo"} \
	ONWARD_BASE_URL=$${ONWARD_BASE_URL:-http://127.0.0.1:$(PORT)} \
	$(BIN)/flask --app app demo --port $(PORT)

test: .venv/test.stamp
	@sh tests/machine.sh
	$(BIN)/python -m pytest -n 2 --dist worksteal $(TESTS)

# The trials at their full size: kills at 200 random points, a container, 100,000 people. Takes hours.
drill: .venv/test.stamp
	@sh tests/machine.sh
	ONWARD_DRILL=1 $(BIN)/python -m pytest -p tests.sizes -m drill $(TESTS)

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/flask --app app mail lint

snapshots: .venv/test.stamp
	ONWARD_SNAPSHOTS=1 $(BIN)/python -m pytest tests/test_mail_room.py -k stored

bench: .venv/test.stamp
	@$(BIN)/python -m tests.bench

screenshots: .venv/test.stamp
	@sh tests/machine.sh
	$(BIN)/python -m tests.screenshots

.venv/run.stamp: requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/test.stamp: .venv/run.stamp requirements-test.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.txt
	@touch $@

# Renews both lock files from pyproject.toml (needs uv: pip install uv).
lock:
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 pyproject.toml --group test -o requirements-test.txt

# Looks for known holes in what is locked (needs pip-audit: pip install pip-audit). A package that the
# registry says nothing about is a failure as well: see docs/release.md.
audit:
	pip-audit --strict --disable-pip --require-hashes --requirement requirements.txt
	pip-audit --strict --disable-pip --require-hashes --requirement requirements-test.txt

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
