# The one list of commands. `make demo` and `make test` work on a fresh machine with a Rust
# toolchain, gcc, make and python3.

ARCH := $(shell uname -m)
MUSL := $(ARCH)-unknown-linux-musl
# musl where rustup can add it, else glibc linked statically.
ifndef TARGET
TARGET := $(shell rustup target add $(MUSL) >/dev/null 2>&1 && echo $(MUSL) || echo $(ARCH)-unknown-linux-gnu)
endif
CARGO ?= cargo
PREFIX ?= /usr/local
PYTEST := target/venv/bin/python -m pytest -q -p no:cacheprovider -c compat-tests/pytest.ini
# What a build is for; more than one are built side by side.
TARGETS ?= $(TARGET)
BUILD := $(CARGO) build --release --locked $(TARGETS:%=--target %)
BUILT := target/$(TARGET)/release/hopvine

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER ?= rust-lld
ifneq (,$(findstring gnu,$(TARGET)))
export RUSTFLAGS := -C target-feature=+crt-static
endif

.PHONY: demo build wheel wheel-of test compat lint bench fixtures install clean

# The static binary, at target/hopvine; for another machine: make build TARGET=aarch64-unknown-linux-musl
build:
	@for target in $(TARGETS); do case $$target in *-musl) rustup target add $$target >/dev/null 2>&1 || true;; esac; done
	$(BUILD)
	@if [ "$(TARGET)" = "$(MUSL)" ] || [ "$(TARGET)" = "$(ARCH)-unknown-linux-gnu" ]; then \
		cp $(BUILT) target/hopvine.new && mv target/hopvine.new target/hopvine; fi

# target/hopvine-*.whl: the Python API with the binary, for `pip install`.
wheel: build
	@$(MAKE) --no-print-directory wheel-of

WHEEL_OF ?= target/hopvine
WHEEL_TO ?= target

# The same of a binary that is there.
wheel-of:
	rm -rf target/wheel && mkdir -p target/wheel/hopvine/bin
	$(WHEEL_OF) api --package >target/wheel/package.zip
	cd target/wheel && python3 -m zipfile -e package.zip . && rm package.zip
	cp bootstrap/setup.py target/wheel/
	cp bootstrap/hopvine/*.pyi bootstrap/hopvine/py.typed target/wheel/hopvine/
	$(WHEEL_OF) --version | sed 's/.* //' >target/wheel/version
	cp $(WHEEL_OF) target/wheel/hopvine/bin/hopvine
	[ -x target/wheel-venv/bin/pip ] || python3 -m venv target/wheel-venv
	target/wheel-venv/bin/python -c 'import setuptools, wheel.bdist_wheel' 2>/dev/null || \
		target/wheel-venv/bin/pip install -q 'setuptools<81' 'wheel<0.46'
	rm -f $(WHEEL_TO)/hopvine-*.whl
	target/wheel-venv/bin/pip wheel -q --no-deps --no-build-isolation -w $(WHEEL_TO) target/wheel

demo: build
	compat-tests/demo.sh target/hopvine

# Another architecture, for what qemu runs of it.
OTHER := aarch64-unknown-linux-musl

# Installs what is missing, then everything; the last line counts.
test:
	compat-tests/provision.sh & provision=$$!; \
	$(MAKE) --no-print-directory build TARGETS="$(filter-out $(OTHER),$(TARGET)) $$(rustup target add $(OTHER) >/dev/null 2>&1 && echo $(OTHER))"; built=$$?; \
	wait $$provision && exit $$built
	python3 compat-tests/all.py

# Every interpreter found, local and over ssh, as a table; PYTHONS="/a/python2.4 ..." adds more.
compat:
	compat-tests/provision.sh
	$(MAKE) --no-print-directory build
	target/venv/bin/python compat-tests/matrix.py

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

bench:
	compat-tests/provision.sh bench
	$(MAKE) --no-print-directory build
	python3 compat-tests/bench/run.py

# Writes the golden bytes again, from the Rust side; review the difference.
fixtures:
	UPDATE_FIXTURES=1 $(CARGO) test --locked --lib fixtures

SHARE = $(DESTDIR)$(PREFIX)/share

# The program, its manual pages, and completions for bash, fish and zsh; for everybody to read, whatever the umask.
install: build
	rm -rf target/reference && mkdir -p target/reference/man
	target/hopvine man --outdir target/reference/man
	for shell in bash fish zsh; do target/hopvine completions $$shell >target/reference/$$shell || exit; done
	umask 022 && install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/man/man1 $(SHARE)/bash-completion/completions \
		$(SHARE)/fish/vendor_completions.d $(SHARE)/zsh/site-functions
	install -m 0755 target/hopvine $(DESTDIR)$(PREFIX)/bin/hopvine
	install -m 0644 target/reference/man/* $(SHARE)/man/man1
	install -m 0644 target/reference/bash $(SHARE)/bash-completion/completions/hopvine
	install -m 0644 target/reference/fish $(SHARE)/fish/vendor_completions.d/hopvine.fish
	install -m 0644 target/reference/zsh $(SHARE)/zsh/site-functions/_hopvine

clean:
	$(CARGO) clean
