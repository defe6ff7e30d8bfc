# Everything that a developer does here. `make help` lists it.

SWIFT ?= swift
FORMATTED = Sources Tests Benchmarks Package.swift
TRIBUTARY_SOAK_SECONDS ?= 600
TRIBUTARY_CHAOS_SECONDS ?= 600
NEWKAFKA = $(CURDIR)/.build/newkafka/confluent_kafka.libs

.PHONY: help setup build run test newkafka chaos soak bench format lint clean
.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install the system packages that are missing (Debian, Ubuntu)
	@Scripts/setup

build: setup ## Build everything for development
	$(SWIFT) build

run: setup ## Build in release and show the store at work on this repository's history
	$(SWIFT) build -c release
	@Scripts/demo "$$($(SWIFT) build -c release --show-bin-path)/tributary"

test: setup lint ## Check the formatting, build, and run all tests
	$(SWIFT) build --build-tests
	@SWIFT="$(SWIFT)" Scripts/test

newkafka: setup ## Run Kafka's tests with the librdkafka of the Python wheel confluent-kafka
	@rm -rf .build/newkafka
	python3 -m pip download --quiet --no-deps --only-binary :all: --dest .build/newkafka confluent-kafka
	python3 -m zipfile -e .build/newkafka/*.whl .build/newkafka
	ln -s $(NEWKAFKA)/librdkafka-*.so.1 $(NEWKAFKA)/librdkafka.so.1
	$(SWIFT) build --build-tests
	version=$$(python3 -c 'import ctypes, sys; f = ctypes.CDLL(sys.argv[1]).rd_kafka_version_str; \
	    f.restype = ctypes.c_char_p; print(f().decode())' $(NEWKAFKA)/librdkafka.so.1) && echo "librdkafka $$version" && \
	LD_LIBRARY_PATH=$(NEWKAFKA) TRIBUTARY_LIBRDKAFKA=$$version SWIFT="$(SWIFT)" Scripts/test --filter Kafka

chaos: setup ## Break real brokers and processes for TRIBUTARY_CHAOS_SECONDS=600; needs TRIBUTARY_KAFKA_HOME
	TRIBUTARY_CHAOS_SECONDS=$(TRIBUTARY_CHAOS_SECONDS) $(SWIFT) test --no-parallel --filter "ProcessRaceTests.*(chaos|ordered)"

soak: setup ## Run the soak tests, TRIBUTARY_SOAK_SECONDS=600 long
	TRIBUTARY_SOAK_SECONDS=$(TRIBUTARY_SOAK_SECONDS) $(SWIFT) test --no-parallel --filter soak

bench: setup ## Build in release and print the figures, a few minutes long; BENCH="rebuild --events 3000000" for one
	$(SWIFT) build -c release
	@"$$($(SWIFT) build -c release --show-bin-path)/tributary-bench" $(BENCH)

format: ## Format all Swift code in place
	$(SWIFT) format format --in-place --parallel --recursive $(FORMATTED)

lint: ## Check the formatting
	$(SWIFT) format lint --strict --parallel --recursive $(FORMATTED)

clean: ## Delete what was built
	$(SWIFT) package clean
