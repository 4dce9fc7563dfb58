# `make help` lists the targets. PYTHON may name another interpreter, 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
DEMO := demo
MINUTES ?= 120
CORE := bioimageio.core==0.11.0 pydantic==2.13.4 onnxruntime==1.32.0  # it works with this pydantic only
IN_TWO := --numprocesses 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow test-properties test-real test-gpu test-bioimageio settings pretrain lint soak benchmark clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

install: $(READY)  ## make .venv and install the package with its development tools

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(READY)  ## write the sample set, train, score and predict, in demo/; about 3 minutes after the installation
	@rm -rf $(DEMO)
	@mkdir -p $(DEMO)
	$(BIN)/livecell sample $(DEMO)/cells
	$(BIN)/livecell check $(DEMO)/cells
	cd $(DEMO) && ../$(BIN)/livecell train cells --output model --minutes 2
	$(BIN)/livecell evaluate $(DEMO)/model $(DEMO)/cells --output $(DEMO)/scores
	$(BIN)/livecell predict $(DEMO)/model $(DEMO)/cells/test/images --output $(DEMO)/masks --overlay
	@echo "Results in $(DEMO)/: images cells/, bundle model/ (card: model/docs/README.md), scores scores/,"
	@echo "masks and overlays masks/; the run in MLflow: cd $(DEMO) && ../$(BIN)/mlflow ui"

test test-slow: export PYTHONDONTWRITEBYTECODE =  # each test process would compile everything again
test: $(READY)  ## the test suite; about 5 minutes on two cores
	$(BIN)/python -m pytest $(IN_TWO)

test-slow: $(READY)  ## the slow tests; about 10 minutes on two cores
	$(BIN)/python -m pytest -m slow $(IN_TWO)

test-properties: $(READY)  ## the property tests on many more examples than in `make test`
	$(BIN)/python -m pytest -m hypothesis --hypothesis-profile long

test-real: $(READY)  ## the tests on real data; LIVECELL_DATA names its folder
	$(BIN)/python -m pytest -m real -rs

test-gpu: $(READY)  ## the tests that need a CUDA GPU
	$(BIN)/python -m pytest -m gpu -rs

test-bioimageio: $(READY)  ## export the start for bioimage.io, and run it by bioimageio.core in build/; about 2 minutes
	@rm -rf build/bioimageio
	@mkdir -p build/bioimageio
	$(BIN)/livecell sample build/bioimageio/cells --train 1 --test 1 --size 512 --seed 5
	$(BIN)/livecell export-model start --format bioimageio --output build/bioimageio/start.zip
	$(BIN)/livecell predict start build/bioimageio/cells/test/images --output build/bioimageio/masks --diameter 48 --set accelerator=cpu-fp32
	$(PYTHON) -m venv build/bioimageio/env
	build/bioimageio/env/bin/python -m pip install --quiet $(CORE)
	BIOIMAGEIO_HTTP_TIMEOUT=1 build/bioimageio/env/bin/python .ci/run_package.py build/bioimageio/start.zip \
		build/bioimageio/cells/test/images/field_01.tif build/bioimageio/masks/field_01.tif

settings: $(READY)  ## the schema of settings into bundle/configs/*.yaml and docs/settings.md
	$(BIN)/python -m livecell_monai.settings.rendering

pretrain: $(READY)  ## train the weights that trainings start from, on procedural images; MINUTES=120
	@mkdir -p livecell_monai/weights
	$(BIN)/livecell pretrain --output livecell_monai/weights/start.safetensors --minutes $(MINUTES) --overwrite

lint: $(READY)  ## check formatting, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

soak: $(READY)  ## provoke failures and write what was lost to docs/reliability.md; at most 20 minutes
	$(BIN)/python benchmarks/reliability.py --write

benchmark: $(READY)  ## measure the figures of docs/benchmarks.md; hours; LIVECELL_DATA names the folder of the data
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/training_speed.py
	$(BIN)/python benchmarks/prediction_speed.py
	$(BIN)/python benchmarks/movie.py
	$(BIN)/python benchmarks/large_images.py
	$(BIN)/python benchmarks/cells.py
	$(BIN)/python benchmarks/tracks.py
	$(BIN)/python benchmarks/sample_movie.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/reading_stacks.py $(LIVECELL_DATA)/t98g_movie
	$(BIN)/python benchmarks/accuracy.py $(LIVECELL_DATA)
	$(BIN)/python benchmarks/ablation.py $(LIVECELL_DATA)/t98g
	$(BIN)/python -m pip install --quiet -c constraints.txt onnx onnxruntime
	$(BIN)/python benchmarks/backends.py
	$(BIN)/python benchmarks/peers/compare.py $(LIVECELL_DATA)/t98g --minutes 10

clean:  ## remove what the targets made, .venv too
	rm -rf $(VENV) $(DEMO) build .pytest_cache .mypy_cache .ruff_cache
