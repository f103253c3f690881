# The two commands: make demo, make test. Each does its own set-up; a second run skips what is done.
SHELL := /bin/bash
LAB_NET ?= 127.0.0
SPEAK ?= pl
PYTHON_BIN := .venv/bin
export LAB_NET LAB_PROMPTS

.DEFAULT_GOAL := help
.PHONY: help setup venv demo test endings check lint format lab lab-down lab-clean lab-status

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-11s %s\n", $$1, $$2 }'

setup: ## packages, container engine, images, .venv (as root the first time)
	@docker/setup all

venv: ## .venv alone
	@docker/setup venv

demo: setup ## the main job, told as it happens (SPEAK=pl|cs|de|en)
	@SPEAK=$(SPEAK) $(PYTHON_BIN)/python -m tests.asterisk.demo

test: setup lint ## everything, the real Asterisk last
	@$(PYTHON_BIN)/pytest -n 2 tests/unit tests/protocol
	@$(PYTHON_BIN)/python -m tests.asterisk.second_try

endings: setup ## every way in which a call ends, on the real Asterisk; writes the table in the documentation anew
	@ODDZWON_WRITE_TABLE=1 $(PYTHON_BIN)/pytest -n 2 --dist loadfile tests/asterisk/endings

check: ## the quick part: lint, unit, protocol; no container
	@docker/setup host
	@docker/setup venv
	@$(MAKE) --no-print-directory lint
	@$(PYTHON_BIN)/pytest -n 2 --hypothesis-profile quick -m "not thorough" tests/unit tests/protocol

lint: venv ## ruff, mypy --strict, import arrows
	@$(PYTHON_BIN)/ruff check .
	@$(PYTHON_BIN)/ruff format --check .
	@$(PYTHON_BIN)/mypy
	@$(PYTHON_BIN)/lint-imports

format: venv ## ruff's formatting and safe fixes
	@$(PYTHON_BIN)/ruff check --fix .
	@$(PYTHON_BIN)/ruff format .

lab: ## Asterisk and the service; restarts what has died (LAB_NET=127.0.0, LAB_PROMPTS=short)
	@docker/lab up

lab-down: ## stops both, keeps the state
	@docker/lab down

lab-clean: ## stops both, wipes the state
	@docker/lab clean

lab-status: ## what is up
	@docker/lab status
