SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
WORKERS ?= 5
# What a demo needs that is more than the analytics'.
LEVEL_market := market
LEVEL_page-views := lake
LEVEL_loan-scoring := loans
LEVEL_channel-stats := channels
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" .venv/bin/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links

.PHONY: help setup setup-money setup-demo setup-market unit test mysql airflow check lint types format lock demo cluster run dashboard bench soak faults deploy teardown clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-9s %s\n", $$1, $$2}' Makefile

setup: ## install what is missing: programs, .venv, emulators (nothing, in no time, once they are there)
	@bash scripts/setup.sh tests

setup-money:
	@bash scripts/setup.sh money

setup-demo:
	@bash scripts/setup.sh $(or $(LEVEL_$(SERVICE)),$(if $(SERVICE),analytics,money))

setup-market:
	@bash scripts/setup.sh market

unit: setup ## the tests that start no server: seconds
	@$(PYTHON) -m pytest -q tests/unit

test: setup ## all tests, against real servers of their own on this machine, in WORKERS processes
	@$(PYTHON) -m pytest -n $(WORKERS)

mysql: setup ## what concerns the database (integration tests, faults) against MySQL, fetched into .cache first
	@bash scripts/setup_mysql.sh
	@TEST_DATABASE=mysql $(PYTHON) -m pytest tests/integration tests/faults

airflow: setup ## the tests of the trading day, in Airflow's own environment, which is made first
	@scripts/airflow.sh python -m pytest -q -o addopts=-ra orchestration/tests

check: setup ## what CI runs: format, lint, types, packages, all tests (also of the trading day), beside one another
	@$(MAKE) --no-print-directory --jobs 3 --keep-going lint types airflow test

lint:
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .

types:
	@$(PYTHON) -m mypy
	@$(PYTHON) -m scripts.supply_chain

format: setup ## format the code and mend what ruff can
	@$(PYTHON) -m ruff format .
	@$(PYTHON) -m ruff check --fix .

lock: setup ## write requirements*.txt anew from requirements*.in, with hashes (UPGRADE=1: the newest versions)
	@for list in requirements requirements-build; do \
		echo "$$list.txt"; \
		$(COMPILE) $(if $(UPGRADE),--upgrade) --allow-unsafe $$list.in -o $$list.txt || exit 1; \
	done
	@echo requirements-dev.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --allow-unsafe --constraint requirements.txt requirements-dev.in \
		-o requirements-dev.txt
	@for list in requirements-demo requirements-analytics requirements-market requirements-lake requirements-loans \
		requirements-training requirements-channels; do \
		echo "$$list.txt"; \
		$(COMPILE) --allow-unsafe --constraint requirements-dev.txt $$list.in -o $$list.txt || exit 1; \
	done
	@echo requirements-airflow.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --allow-unsafe --constraint requirements-dev.txt requirements-airflow.in \
		-o requirements-airflow.txt
	@$(COMPILE) --constraint requirements.txt --no-emit-package pyspark --no-emit-package py4j requirements.in \
		-o requirements-image.txt

demo: setup-demo ## the whole service on this machine, with traffic, in front of your eyes (SERVICE=market, candles, trades, page-views, channel-stats, loan-scoring: that one)
	@$(PYTHON) -m demo $(SERVICE)

cluster: setup-money ## the service as it is deployed, on a Spark cluster of this machine, until Ctrl-C drains it
	@$(PYTHON) -m demo.cluster

run: setup-money ## the service, against what the environment names (MYSQL_LOC, CONSUMER_NAME, …)
	@$(PYTHON) stream_consumer.py

dashboard: setup-market ## the market in a browser on port 8050, from the database that MONGO_URI and MONGO_DBNAME name
	@$(PYTHON) -m market.dashboard

bench: setup ## how fast it is on this machine
	@$(PYTHON) -m benchmarks

soak: setup ## faults at random for MINUTES (30), from SEED (1) on; notes what docs/reliability.md tells
	@$(PYTHON) -m tests.faults --seed $(or $(SEED),1) --minutes $(or $(MINUTES),30) --note
	@$(PYTHON) -m tests.faults table

faults: setup ## every fault again and again, all that is long for little, and KCL: hours; notes the same
	@$(PYTHON) -m pytest -s -m soak
	@$(PYTHON) -m tests.faults each --long --note
	@$(PYTHON) -m tests.faults each --long --note --spark
	@bash scripts/setup_mysql.sh
	@TEST_DATABASE=mysql $(PYTHON) -m tests.faults each --database --long --note
	@$(PYTHON) -m tests.faults table

deploy: setup ## this commit onto the cluster, step by step (docs/operations.md, Deploying)
	@for program in aws eksctl kubectl docker; do command -v $$program >/dev/null || \
		{ echo "deploy: $$program is missing (docs/operations.md, Deploying); nothing was changed" >&2; exit 1; }; done
	@for step in access check build scan infrastructure push migrate deploy smoke; do k8s/bin/$$step || exit 1; done

teardown: ## drain the service and remove the cluster; refused while work is left (FORCE=yes: not)
	@k8s/bin/teardown

clean: ## remove .venv, the emulators and every cache
	@rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis spark-warehouse k8s/rendered
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
