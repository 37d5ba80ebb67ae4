# Set-up, build, checks and demonstrations; `make help` lists them. The work of set-up is done by export/auricle_export,
# a Python package whose set-up modules need nothing installed; the recipes here only say in which order.
# Every target may be run again at any time: what is there already is left alone.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo listen test build install models library library-oldest venv torch packages audio-transformer accuracy footprint lint \
        bench bench-moonshine peers whisper noise vocabulary sounds rolling microphone soak fuzz miri sanitize nightly clean pins test-packages test-venv \
        peers-environment cargo tract

# ONNX Runtime's packages report usage to their maker unless they find this (src/runtime/environment.rs)
export ORT_DISABLE_TELEMETRY := 1
# A Python of 3.11 or newer to make the environment with
PYTHON ?= python3
# Where `make install` puts the binary, its library and its models; DESTDIR is put before it, for packagers
PREFIX ?= /usr/local
DESTDIR ?=
# How long each fuzz target runs
FUZZ_SECONDS ?= 600
# More arguments for the program that demo, listen and accuracy run
ARGS ?=

TARGET := $(or $(CARGO_TARGET_DIR),target)
AURICLE := $(TARGET)/release/auricle
VENV := .venv
SHARE := $(PREFIX)/share
DEMO := models/moonshine-tiny-en/two_cities.wav

# Before the environment exists, and in it
SETUP := PYTHONPATH=export $(PYTHON) -m auricle_export
PY := PYTHONPATH=export $(VENV)/bin/python
say = @printf '%s\n' "== $(1)"

# What is tested and measured says what it was given: nobody's settings are read
test accuracy footprint bench-moonshine rolling peers whisper noise vocabulary microphone: export AURICLE_CONFIG := none

help: ## this list
	@printf 'make TARGET [PYTHON=python3.11] [PREFIX=/usr/local] [DESTDIR=] [ARGS="..."]\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## set everything up and caption a recording of real speech, paced as if it were live
	$(call say,captions of $(DEMO))
	@$(AURICLE) listen --input $(DEMO) $(ARGS)

listen: build ## the same from the microphone, until Ctrl-C
	$(call say,captions of the microphone)
	@$(AURICLE) listen $(ARGS)

test: test-packages venv test-venv models test-sources library library-oldest cargo ## set everything up and run every test
	$(call say,cargo test)
	@cargo test --locked
	$(call say,pytest)
	@$(PY) -m pytest -q export benches/accuracy/tests benches/peers/tests benches/whisper/tests benches/noise/tests benches/vocabulary/tests benches/rolling/tests \
		benches/microphone/tests benches/sounds/tests benches/soak/tests tests/parsers
	@if [ -d ../shared/data ]; then $(MAKE) --no-print-directory accuracy ARGS=--check; \
	else printf '%s\n' "== accuracy: skipped, no data in ../shared/data"; fi

build: packages venv models library cargo ## target/release/auricle, ready to run with its models and library
	$(call say,cargo build --release)
	@cargo build --release --locked

install: ## the binary, library, models, man pages and completions under PREFIX (as root: `make build` first, then `sudo make install`)
	@if [ -n "$$SUDO_USER" ] && [ -x $(AURICLE) ]; then :; else $(MAKE) --no-print-directory build; fi
	$(call say,installing into $(DESTDIR)$(PREFIX))
	@install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/auricle $(DESTDIR)$(PREFIX)/share/auricle/models
	@install -m 755 $(AURICLE) $(DESTDIR)$(PREFIX)/bin/auricle
	@install -m 644 $(TARGET)/lib/auricle/libonnxruntime.so $(DESTDIR)$(PREFIX)/lib/auricle/libonnxruntime.so
	@cp -R --preserve=mode,timestamps models/. $(DESTDIR)$(PREFIX)/share/auricle/models
	@install -d $(DESTDIR)$(SHARE)/bash-completion/completions $(DESTDIR)$(SHARE)/zsh/site-functions \
		$(DESTDIR)$(SHARE)/fish/vendor_completions.d
	@$(AURICLE) generate man --folder $(DESTDIR)$(SHARE)/man/man1
	@$(AURICLE) generate completions bash > $(DESTDIR)$(SHARE)/bash-completion/completions/auricle
	@$(AURICLE) generate completions zsh > $(DESTDIR)$(SHARE)/zsh/site-functions/_auricle
	@$(AURICLE) generate completions fish > $(DESTDIR)$(SHARE)/fish/vendor_completions.d/auricle.fish

models: venv ## every file of every model, brought or built, checked by sha256 against its model.toml
	$(call say,models)
	@mkdir -p $(TARGET)/share/auricle
	@ln -srfn models $(TARGET)/share/auricle/models
	@$(PY) -m auricle_export fetch

library: venv ## libonnxruntime.so out of its hash-pinned wheel, where the binary looks for it
	$(call say,ONNX Runtime)
	@$(PY) -m auricle_export library $(TARGET)/lib/auricle

library-oldest: venv ## the oldest ONNX Runtime supported, for the tests that load every model under it
	$(call say,oldest ONNX Runtime)
	@$(PY) -m auricle_export library --oldest $(TARGET)/lib/auricle-oldest

venv: packages ## the Python environment in .venv, from hash-pinned requirements
	$(call say,Python environment)
	@$(SETUP) environment $(VENV) export/requirements.txt

torch: venv ## PyTorch into .venv, for exporters of models trained elsewhere and their tests; 4 GB, never needed otherwise
	$(call say,PyTorch)
	@$(SETUP) environment $(VENV) export/requirements-torch.txt

packages: ## the Debian packages that a build needs, where missing (through sudo when not root)
	$(call say,Debian packages)
	@$(SETUP) packages

audio-transformer: models torch test-venv ## train, measure and export the Audio Transformer: ../shared/data, 45 minutes of two cores
	$(call say,the Audio Transformer)
	@OPENBLAS_NUM_THREADS=1 $(PY) -m auricle_export audio-transformer reproduce $(ARGS)

accuracy: build test-venv ## measure words and sound events against the data in ../shared/data
	$(call say,accuracy)
	@$(PY) benches/accuracy/run.py $(ARGS)

footprint: build ## measure processor share, memory and start-up of a live session on the demo recording
	$(call say,footprint)
	@$(PY) benches/footprint/run.py $(ARGS)

bench: models library cargo ## time the parts of the real-time path: ring, front end, resampling, reading, agreement
	$(call say,cargo bench)
	@cargo bench --locked --bench audio_path --bench captions -- $(ARGS)

bench-moonshine: venv test-venv ## measure Moonshine as shipped against its exports: time, memory, words, drafts
	@$(PY) -m auricle_export fetch --sources moonshine-tiny-en moonshine-base-en
	$(call say,Moonshine as shipped and as exported)
	@PYTHONPATH=export:benches/accuracy OMP_NUM_THREADS=1 $(VENV)/bin/python benches/moonshine/run.py $(ARGS)

rolling: build ## what refresh settings, and each idea of rolling captions, bring: the data in ../shared/data, about 15 minutes
	$(call say,refresh settings)
	@$(PY) benches/rolling/sweep.py curve --sounds yamnet $(ARGS)
	$(call say,ideas)
	@$(PY) benches/rolling/sweep.py ideas $(ARGS)

peers: build test-venv peers-environment ## compare with sherpa-onnx, moonshine-voice and faster-whisper, offline and live
	$(call say,peers)
	@PYTHONPATH=export:benches/accuracy OMP_NUM_THREADS=1 $(VENV)/bin/python benches/peers/run.py $(ARGS)

whisper: build test-venv peers-environment ## Whisper beside faster-whisper: words, speed, trimmed context, word times, invented words
	@$(PY) -m auricle_export fetch --sources whisper-tiny-en
	$(call say,Whisper)
	@PYTHONPATH=export:benches/accuracy:benches/peers OMP_NUM_THREADS=1 $(VENV)/bin/python benches/whisper/run.py $(ARGS)

noise: build test-venv ## words and delays in noise, at levels and in made rooms; ARGS=--peers for the peers' words as well
	$(call say,noise)
	@$(if $(findstring --peers,$(ARGS)),$(MAKE) --no-print-directory peers-environment)
	@PYTHONPATH=export:benches/accuracy:benches/peers OMP_NUM_THREADS=1 $(VENV)/bin/python benches/noise/run.py $(ARGS)

vocabulary: build test-venv test-packages ## names that espeak-ng says, with a list of them and without, and what a list costs elsewhere
	$(call say,vocabulary)
	@PYTHONPATH=export:benches/accuracy:benches/peers OMP_NUM_THREADS=1 $(VENV)/bin/python benches/vocabulary/run.py $(ARGS)

sounds: build test-venv ## sound events against made timelines, alarms by their cadence, and false alarms an hour
	$(call say,sounds)
	@PYTHONPATH=export:benches/accuracy:benches/noise:benches/peers OMP_NUM_THREADS=1 $(VENV)/bin/python benches/sounds/run.py $(ARGS)

microphone: build test-venv test-packages ## how late captions come through capture, beside the same recording as a file
	$(call say,microphone)
	@PYTHONPATH=export:benches/accuracy:benches/peers OMP_NUM_THREADS=1 $(VENV)/bin/python benches/microphone/run.py $(ARGS)

soak: build test-venv ## hours of audio as if live: slopes of memory, lag, threads, open files; ARGS="--hours 2"
	$(call say,soak)
	@PYTHONPATH=export:benches/accuracy:benches/peers OMP_NUM_THREADS=1 $(VENV)/bin/python benches/soak/run.py $(ARGS)

tract: venv models library cargo ## build with tract, which runs sounds with no shared library, and compare it with ONNX Runtime; 15 minutes
	$(call say,cargo test --features tract)
	@cargo test --locked --features tract --test tract -- --nocapture
	$(call say,time beside ONNX Runtime)
	@cargo build --release --locked --features tract
	@$(foreach model,silero-vad yamnet audio-transformer,\
	$(AURICLE) bench model $(model) --provider cpu,tract --compare $(ARGS) &&) true

lint: packages venv test-venv cargo ## format, clippy, documentation and Python style, all without a warning
	$(call say,cargo fmt)
	@cargo fmt --check
	$(call say,cargo clippy)
	@cargo clippy --locked --all-targets -- -D warnings
	$(call say,cargo doc)
	@RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	$(call say,ruff)
	@$(VENV)/bin/ruff check --config export/pyproject.toml export benches tests
	@$(VENV)/bin/ruff format --check --config export/pyproject.toml export benches tests

fuzz: nightly ## hostile bytes for every parser, FUZZ_SECONDS (600) each; TARGETS="audio_file" for some of them
	@command -v cargo-fuzz >/dev/null || { printf '%s\n' \
	"cargo-fuzz is not installed; 'cargo install cargo-fuzz --locked --version 0.13.2' (a C++ compiler is needed as well)" >&2; exit 1; }
	@for target in $(or $(TARGETS),audio_file manifest raw_pcm tokenizer labels); do printf '%s\n' "== fuzz $$target"; \
	mkdir -p fuzz/grown/$$target; seeds=fuzz/corpus/$$target; [ $$target != audio_file ] || seeds="$$seeds tests/data/audio"; \
	cargo +nightly fuzz run $$target fuzz/grown/$$target $$seeds -- -max_total_time=$(FUZZ_SECONDS) -max_len=65536 \
	-rss_limit_mb=2048 -timeout=10 -print_final_stats=1 || exit 1; done

miri: nightly ## the ring between threads, and the clock, by an interpreter that finds undefined behaviour and races
	@rustup component list --toolchain nightly --installed 2>/dev/null | grep -q '^miri' || { printf '%s\n' \
	"Miri is not installed; 'rustup component add miri rust-src --toolchain nightly'" >&2; exit 1; }
	$(call say,miri)
	@MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --locked --lib -- audio::ring time::tests

sanitize: nightly ## rings, bus and live sessions under a thread sanitizer, the standard library too
	@rustup component list --toolchain nightly --installed 2>/dev/null | grep -q '^rust-src' || { printf '%s\n' \
	"the sources of the standard library are missing; 'rustup component add rust-src --toolchain nightly'" >&2; exit 1; }
	$(call say,thread sanitizer)
	@RUSTFLAGS=-Zsanitizer=thread CARGO_TARGET_DIR=$(TARGET)/sanitize cargo +nightly test --locked -Zbuild-std \
	--target $$(rustc -vV | sed -n 's/^host: //p') --test concurrency --test paced_file
	@RUSTFLAGS=-Zsanitizer=thread CARGO_TARGET_DIR=$(TARGET)/sanitize cargo +nightly test --locked -Zbuild-std \
	--target $$(rustc -vV | sed -n 's/^host: //p') --lib -- audio::ring pipeline::bus pipeline::intake

pins: venv ## write every requirements*.txt anew from its .in file, with the hash of every wheel
	$(call say,pins)
	@$(PYTHON) -m venv --clear .cache/pins && .cache/pins/bin/pip install --quiet uv==0.13.9
	@for name in export/requirements export/requirements-test export/requirements-torch benches/peers/requirements; do \
	(cd $${name%/*} && UV_CUSTOM_COMPILE_COMMAND="make pins" $(CURDIR)/.cache/pins/bin/uv pip compile --quiet --upgrade \
	--universal --fork-strategy fewest --python-version 3.11 --generate-hashes --only-binary :all: --no-emit-index-url \
	--output-file $${name##*/}.txt $${name##*/}.in) || exit 1; done

clean: ## remove what was built and the environment; fetched models stay
	@cargo clean
	@rm -rf $(TARGET)/lib/auricle $(TARGET)/lib/auricle-oldest $(TARGET)/share/auricle $(VENV) .cache

# What tests and checks need besides: targets of their own, so that `make build test` gets both
test-packages: packages
	@$(SETUP) packages --tests

test-venv: venv
	@$(SETUP) environment $(VENV) export/requirements-test.txt

# The programs compared with, and their weights: an environment of its own, which nothing else needs
peers-environment: packages
	@$(SETUP) environment .cache/peers benches/peers/requirements.txt

# What the models were made from: `make models` brings it only where it makes one
.PHONY: test-sources
test-sources: models
	$(call say,sources of the models)
	@$(PY) -m auricle_export fetch --sources || printf '%s\n' "== left out: tests of what these are made into"

# Set-up does not bring it: only the three checks above need one
nightly: cargo
	@cargo +nightly --version >/dev/null 2>&1 || { printf '%s\n' \
	"there is no nightly toolchain; 'rustup toolchain install nightly --component rust-src,miri'" >&2; exit 1; }

cargo:
	@command -v cargo >/dev/null || { printf '%s\n' \
	"cargo is not on the path; install a Rust toolchain of 1.92 or newer (rustup), then run this again" >&2; exit 1; }
