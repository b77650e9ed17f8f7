# tidegate: `make help` lists what can be asked for.
#
# One profile (release) serves tests and the native tarball, so that OpenSSL, librdkafka and SQLite are built once.

SHELL := /bin/bash
CARGO ?= cargo
KAFKA_LIB := target/kafka/lib
export CARGO_INCREMENTAL := 0
export TIDEGATE_KAFKA_LIB := $(CURDIR)/$(KAFKA_LIB)

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

.PHONY: packages
packages: ## Installs what building and testing needs, from Debian's packages (needs root)
	@missing=""; \
	for pair in gcc:gcc g++:g++ make:make perl:perl cmake:cmake mosquitto:mosquitto mosquitto_pub:mosquitto-clients java:default-jre-headless mvn:maven systemd-analyze:systemd; do \
	  command -v $${pair%%:*} >/dev/null || PATH=$$PATH:/usr/sbin command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair##*:}"; \
	done; \
	if [ -n "$$missing" ]; then echo "installing:$$missing"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi

.PHONY: kafka
kafka: $(KAFKA_LIB)/.complete ## Fetches a real Kafka for the tests from Maven Central

$(KAFKA_LIB)/.complete: tests/support/kafka/pom.xml | packages
	mkdir -p $(KAFKA_LIB)
	mvn -q -f tests/support/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$(KAFKA_LIB)
	touch $@

.PHONY: check
check: packages ## Format, lints, and the tests that need nothing but this repository
	$(CARGO) fmt --check
	$(CARGO) clippy --release --all-targets -- -D warnings
	systemd-analyze security --offline=true --threshold=20 --no-pager systemd/tidegate.service | tail -n 1

.PHONY: test
test: packages kafka ## Everything in its short form: format, lints, tests with a real Kafka and mosquitto's clients
	$(MAKE) check
	$(CARGO) test --release --no-fail-fast

TARGET ?= x86_64-unknown-linux-gnu
.PHONY: dist
dist: packages ## The release tarball: make dist TARGET=aarch64-unknown-linux-gnu (or armv7-unknown-linux-gnueabihf, x86_64-unknown-linux-gnu)
	cross/dist.sh $(TARGET)
