# Every way into trustlib. `make` alone lists them. GNU make 3.81 or newer; the recipes are POSIX sh.
.DEFAULT_GOAL := help
.SUFFIXES:
.PHONY: help setup course lab test bench measure lock wheels

PYTHON ?= python3
# What the last set-up was told, so that the next one does the same.
-include .venv/choices
TORCH ?= pinned
PY := .venv/bin/python
TRUSTLIB := .venv/bin/trustlib
PIP := $(PY) -m pip --disable-pip-version-check --no-input
CALM := HF_HUB_OFFLINE=1 TRUSTLIB_PROGRESS=0 TRUSTLIB_PROFILE=lite

define HELP
make course     run every lesson in order; pages and results go to build/course
make lab        open the lessons in JupyterLab
make test       style, lesson lint, unit tests, README's snippets; then every lesson against its checked outputs
make setup      only the set-up (each target above does it first, when it is missing or out of date)
make bench      what was promised in seconds, on a quiet machine
make measure    make the measured comparisons of data/measured again (long)
make lock       make requirements.txt again from pyproject.toml (UPGRADE=1: newest versions)
make wheels     fill a folder for a set-up without a network: make wheels WHEELS=folder

Set-up makes .venv with Python 3.11 to 3.14 and installs the exact versions of requirements.txt, digests checked.
  PYTHON=python3.12   another Python than python3 (delete .venv first, to change it later)
  WHEELS=folder       install from this folder, asking no index: make setup WHEELS=folder
                      (the folder is for the system and Python version of the machine that filled it)
  TORCH=cpu           on Linux without an NVIDIA card, 4 GB less: make setup TORCH=cpu TORCH_INDEX=address
                      where address is the one after --index-url on pytorch.org's install page, for pip and CPU.
                      Only torch and torchvision come from there, in the versions of requirements.txt, without digests.
                      Tested with stand-in wheels only, not with PyTorch's own index.
macOS needs version 14 and Apple silicon: torch has no newer wheels for other Macs.
Windows, without make: see README.md.
endef
export HELP

# Runs in whatever python3 is, so it must be readable for a very old one.
define CHECK
import platform, sys
name = "Python %d.%d.%d" % sys.version_info[:3]
if sys.version_info[:2] < (3, 11):
    sys.exit(name + " is too old: expected Python 3.11 to 3.14; do: make setup PYTHON=python3.12")
if sys.version_info[:2] > (3, 14):
    sys.exit(name + " is newer than the pinned packages: expected 3.11 to 3.14; do: make setup PYTHON=python3.12")
if sys.platform == "darwin" and platform.machine() != "arm64":
    sys.exit("This Python is for Intel Macs, for which torch has no wheels any more: use one for Apple silicon")
try:
    import ensurepip, venv
except ImportError:
    sys.exit(name + " lacks venv: on Debian and Ubuntu, install the package python3-venv, then run make again")
print(name)
endef
export CHECK

help:
	@printf '%s\n' "$$HELP"

# The stamp's name holds the folder and the contents of both files, so that a change of any of them sets up again.
KEY := $(shell { pwd -P; cat requirements.txt pyproject.toml; } | cksum | tr ' ' -)
READY := .venv/ready-$(TORCH)-$(KEY)
ifneq ($(shell test -x $(PY) && echo works),works)
.PHONY: $(READY)
endif

# A pin with its digests is several lines; the name stands on the first.
# $(call pins,~ /regular expression/) prints the pins that match; with !~ the others.
pins = awk '/^[a-z0-9]/ { keep = ($$0 $(1)) } keep' requirements.txt
CUDA := /^(torch|torchvision|triton|nvidia-[^=]*|cuda-[^=]*)==/
torch_pins = sed -n -E 's/^(torch|torchvision)==([^ ;]*).*/\1==\2/p' requirements.txt
chosen_pins = $(call pins,$(if $(filter cpu,$(TORCH)),!~ $(CUDA),~ /./))
SOURCE := $(if $(WHEELS),--no-index --find-links "$(WHEELS)")
TORCH_SOURCE := $(if $(WHEELS),$(SOURCE),--index-url "$(TORCH_INDEX)")

# What is installed, in one number. It is written down before pip starts; where a set-up was cut off and the
# number has changed since, packages may be half-written, and .venv is made again.
installed = ls .venv/lib/python3*/site-packages | cksum

# In its variables pip splits a list at spaces, so a folder goes there as an address.
as_address = $(PY) -c 'import sys; from pathlib import Path; print(Path(sys.argv[1]).resolve().as_uri())'

# $(call quietly,command): its words go into a log; if it fails, the errors are shown, or else the end of the log.
quietly = $(1) >> .venv/setup.log 2>&1 || { \
	{ sed -n '/ERROR/,$$p' .venv/setup.log | grep . || tail -n 20 .venv/setup.log; } >&2; \
	echo "Set-up stopped. All words of pip are in .venv/setup.log; make setup tries again." >&2; exit 1; }

setup: $(READY)
	@echo "Ready: make course runs the lessons, make lab opens them."

FETCH = $(if $(WHEELS),PIP_NO_INDEX=1 PIP_FIND_LINKS="`$(as_address) "$(WHEELS)"`") TRUSTLIB_PROGRESS=0 $(TRUSTLIB) fetch

$(READY):
	@case "$(TORCH):$(TORCH_INDEX)$(WHEELS)" in pinned:*|cpu:?*) ;; \
	cpu:) echo "TORCH=cpu expects TORCH_INDEX=address or WHEELS=folder; make help says which address" >&2; exit 1 ;; \
	*) echo "expected TORCH=cpu or TORCH=pinned, got $(TORCH)" >&2; exit 1 ;; esac
	@test -z "$(WHEELS)" || test -d "$(WHEELS)" || { \
	echo "expected a folder of wheels at $(WHEELS), found none; make wheels WHEELS=$(WHEELS) fills one" >&2; exit 1; }
	@rm -f .venv/ready-*
	@if test -e .venv/unfinished && ! $(installed) | cmp -s - .venv/unfinished; then \
	echo "The last set-up stopped half-way: starting afresh."; rm -rf .venv; \
	elif test -e .venv/choices && ! grep -q '^TORCH ?= $(TORCH)$$' .venv/choices; then \
	echo "Another build of torch is wanted: starting afresh."; rm -rf .venv; \
	elif test -e .venv; then case "`.venv/bin/pip --version 2>/dev/null`" in *" `pwd -P`/.venv/"*) ;; \
	*) echo "The .venv here was moved, or its Python is gone: starting afresh."; rm -rf .venv ;; esac; fi
	@if ! test -e .venv; then \
	command -v "$(PYTHON)" > /dev/null || { echo "expected a program $(PYTHON), found none; install Python 3.11" \
	"or newer, or name one: make setup PYTHON=python3.12" >&2; exit 1; }; \
	name=`"$(PYTHON)" -c "$$CHECK"` || exit 1; \
	echo "1/4 Making .venv with $$name."; \
	mkdir .venv && : > .venv/unfinished && "$(PYTHON)" -m venv .venv; fi
	@$(installed) > .venv/unfinished
	@printf '%s\n' 'TORCH ?= $(TORCH)' 'TORCH_INDEX ?= $(TORCH_INDEX)' > .venv/choices
	@$(call pins,~ /^setuptools==/) > .venv/pins-first.txt
	@$(chosen_pins) > .venv/pins.txt
	@: > .venv/setup.log
	@echo "2/4 Installing the pinned packages (some minutes when new; on Linux with CUDA, 3 GB come in and 7 GB are kept)."
	@$(call quietly,$(PIP) install $(SOURCE) --no-deps --require-hashes -r .venv/pins-first.txt)
	@$(if $(filter cpu,$(TORCH)),$(call quietly,$(PIP) install $(TORCH_SOURCE) --no-deps `$(torch_pins)`))
	@$(call quietly,$(PIP) install $(SOURCE) --no-deps --require-hashes --no-build-isolation -r .venv/pins.txt)
	@echo "3/4 Installing trustlib from this folder."
	@$(call quietly,$(PIP) install --no-deps --no-build-isolation -e .)
	@$(call quietly,$(PIP) check)
	@rm -f .venv/unfinished
	@echo "4/4 Fetching the reviews, unless they are here."
	@$(FETCH)
	@: > $@

# The user's cache may have been emptied, or may be another one, since the set-up.
.PHONY: present
present: $(READY)
	@$(FETCH) > /dev/null

course: present
	@$(TRUSTLIB) course

lab: present
	@.venv/bin/jupyter lab notebooks

# Every part runs, whatever the ones before it said; --nbval-current-env takes the kernel of .venv, not the machine's.
test: present
	@status=0; \
	$(PY) -m ruff check . || status=1; \
	$(CALM) $(TRUSTLIB) course --lint || status=1; \
	$(CALM) $(PY) -m pytest || status=1; \
	$(CALM) $(PY) -m pytest --nbval-lax --nbval-current-env --ignore=notebooks/recipes.ipynb notebooks || status=1; \
	exit $$status

bench: present
	@$(CALM) $(PY) -m pytest -m bench

measure: present
	@$(TRUSTLIB) measure

lock:
	@uv=.venv/bin/uv; test -x $$uv || uv=`command -v uv` || { \
	echo "expected uv in .venv or on the path, found none; do: make setup, or pip install uv" >&2; exit 1; }; \
	UV_PYTHON_DOWNLOADS=never $$uv pip compile pyproject.toml --extra dev --universal --fork-strategy fewest \
	--python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" --quiet $(if $(UPGRADE),--upgrade) -o requirements.txt > /dev/null

wheels:
	@test -n "$(WHEELS)" || { echo "expected a folder, got none; do: make wheels WHEELS=folder" >&2; exit 1; }
	@name=`"$(PYTHON)" -c "$$CHECK"` && echo "Filling $(WHEELS) for $$name on this kind of system." && mkdir -p "$(WHEELS)"
	@$(chosen_pins) > "$(WHEELS)/pins.txt"
	@"$(PYTHON)" -m pip download -q --no-deps --require-hashes -r "$(WHEELS)/pins.txt" -d "$(WHEELS)"
	@$(if $(filter cpu,$(TORCH)),"$(PYTHON)" -m pip download -q --no-deps --index-url "$(TORCH_INDEX)" \
	`$(torch_pins)` -d "$(WHEELS)")
	@"$(PYTHON)" -m pip download -q --no-deps --no-binary vaderSentiment -d "$(WHEELS)" \
	`sed -n 's/.*"fetch": "\(vaderSentiment==[^"]*\)".*/\1/p' data/manifest.json`
	@echo "Now, without a network: make setup WHEELS=$(WHEELS)"
