# tidegate: `make help` lists what can be asked for.
#
# One profile (release) serves tests and the native tarball, so that OpenSSL, librdkafka and SQLite are built once.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
CARGO ?= cargo
KAFKA_LIB := target/kafka/lib
export CARGO_INCREMENTAL := 0
export TIDEGATE_KAFKA_LIB := $(CURDIR)/$(KAFKA_LIB)
export TIDEGATE_CLIENTS := $(CURDIR)/target/clients

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

# COMMAND:PACKAGE pairs: installs the packages of those commands that are not there.
define install
missing=""; PATH=$$PATH:/usr/sbin; \
for pair in $(1); do command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair##*:}"; done; \
if [ -n "$$missing" ]; then \
  echo "installing:$$missing"; \
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
fi
endef

.PHONY: packages
packages: ## Installs what building and testing needs, from Debian's packages (needs root)
	@$(call install,gcc:gcc g++:g++ make:make perl:perl mosquitto:mosquitto mosquitto_pub:mosquitto-clients \
	  java:default-jre-headless mvn:maven openssl:openssl systemd-analyze:systemd)

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
test: packages kafka ## Everything in its short form: format, lints, tests with a real Kafka and other people's MQTT clients
	$(MAKE) check
	tests/clients/install light
	$(CARGO) test --release --no-fail-fast
	@# Compiled in a hurry: what is short need not be fast.
	CARGO="$(CARGO) --config profile.release.package.tidegate.opt-level=0 --config profile.release.package.tidegate.debug=0" \
	  FUZZ_SECONDS=10 fuzz/run packets connection

# Each long form prints its seed or its counts; tests/README.md keeps the closing lines.
.PHONY: test-long
test-long: packages kafka ## The long forms: more kills and seeds, ten minutes of outage, fuzzing, a real Flink, the ARM binaries under qemu
	$(MAKE) check
	tests/clients/install all
	tests/flink/install
	fuzz/run
	TIDEGATE_LONG=1 TIDEGATE_KILLS=100 TIDEGATE_OUTAGE_MESSAGES=3000000 PROPTEST_CASES=2000 $(CARGO) test --release --no-fail-fast
	cross/dist.sh x86_64-unknown-linux-gnu
	for target in aarch64-unknown-linux-gnu armv7-unknown-linux-gnueabihf; do cross/dist.sh $$target && cross/try.sh $$target || exit 1; done

.PHONY: fuzz
fuzz: packages ## Coverage-guided fuzzing, FUZZ_SECONDS (60) for each target; fuzz/README.md says how
	fuzz/run

.PHONY: demo
demo: packages-demo ## The main job in a minute: devices, SQL, an upstream that goes away; needs neither Kafka nor Java
	$(CARGO) build --release --locked --bin tidegate --example demo
	target/release/examples/demo

.PHONY: packages-demo
packages-demo:
	@$(call install,gcc:gcc g++:g++ make:make perl:perl)

.PHONY: bench
bench: packages kafka ## Messages a second, CPU, memory, bytes written; against Debian's mosquitto, and into a real Kafka
	$(CARGO) bench --bench engine
	$(CARGO) bench --bench throughput

.PHONY: bench-flink
bench-flink: packages ## The same queries on the same files in a real Flink (its job's time without the start of its JVM)
	tests/flink/install
	$(CARGO) build --release --bin tidegate
	python3 benches/flink.py target/release/tidegate target/flink/home

TARGET ?= x86_64-unknown-linux-gnu
.PHONY: dist
dist: packages ## The release tarball: make dist TARGET=aarch64-unknown-linux-gnu (or armv7-unknown-linux-gnueabihf, x86_64-unknown-linux-gnu)
	cross/dist.sh $(TARGET)
