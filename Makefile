# SPDX-License-Identifier: Apache-2.0
# The front door. Everything is built by meson; this only saves typing.
RELEASE := build/release
PAIRS ?= 5
SECONDS ?= 2

.PHONY: help demo check bench release install clean

help:
	@echo 'make demo      serve a disk to a real Linux guest and show what that brings (3 minutes)'
	@echo 'make check     run every test (10 minutes)'
	@echo 'make bench     measure against qemu-storage-daemon and fio; PAIRS=$(PAIRS) SECONDS=$(SECONDS) (5 minutes)'
	@echo 'make release   build what is installed, in $(RELEASE)'
	@echo 'make install   install it; DESTDIR and PREFIX as usual'
	@echo 'make clean     remove what was built'

release:
	@scripts/install-packages build
	@scripts/build $(RELEASE) --buildtype=release -Db_lto=true -Db_ndebug=true

demo:
	@scripts/install-packages build guest
	@scripts/build $(RELEASE) --buildtype=release -Db_lto=true -Db_ndebug=true
	@scripts/demo --build-dir $(RELEASE)

check:
	@scripts/install-packages build guest test
	@scripts/check

bench:
	@scripts/install-packages build guest
	@scripts/build $(RELEASE) --buildtype=release -Db_lto=true -Db_ndebug=true
	@scripts/bench --build-dir $(RELEASE) --pairs $(PAIRS) --seconds $(SECONDS)

install: release
	$(if $(PREFIX),meson configure $(RELEASE) --prefix=$(PREFIX))
	meson install -C $(RELEASE)

clean:
	rm -rf build
