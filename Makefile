# SPDX-License-Identifier: Apache-2.0
# The front door. Everything is built by meson; this only saves typing.
RELEASE := build/release
PAIRS ?= 7
SECONDS ?= 2
PEER_SOCKETS ?=
ONLY ?=
DRAW ?=
JSON ?=
TIME ?= 60
COUNT ?= 1000
GUEST_COUNT ?= 50

.PHONY: help demo lab check fuzz soak bench release install clean

help:
	@echo 'make demo      serve a disk to a real Linux guest and show what that brings (4 minutes)'
	@echo 'make lab       boot a whole host with a guest in it, to try the tools on, and log in (1 minute)'
	@echo 'make check     run every test (30 minutes)'
	@echo 'make fuzz      hunt for inputs that break it; TIME=$(TIME) seconds for each target'
	@echo 'make soak      kill straitd COUNT=$(COUNT) times under verified load, GUEST_COUNT=$(GUEST_COUNT) times under a real guest;'
	@echo '               then migrations, upgrades, a device that hangs (scripts/soak; 4 hours)'
	@echo 'make bench     measure against qemu-storage-daemon and fio, a verdict a line; PAIRS=$(PAIRS) SECONDS=$(SECONDS) (14 minutes)'
	@echo '               PEER_SOCKETS=[NAME=]SOCKET,... more peers   ONLY=WORD some of it (scripts/bench --list)'
	@echo '               DRAW=DIRECTORY latency against IOPS, drawn (20 minutes)   JSON=FILE'
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

lab:
	@scripts/install-packages build guest
	@scripts/build $(RELEASE) --buildtype=release -Db_lto=true -Db_ndebug=true
	@scripts/lab --build-dir $(RELEASE)

check:
	@scripts/install-packages build guest test
	@scripts/check

fuzz:
	@scripts/install-packages build test
	@scripts/fuzz --time $(TIME)

soak:
	@scripts/install-packages build guest test
	@scripts/build $(RELEASE) --buildtype=release -Db_lto=true -Db_ndebug=true
	@scripts/soak --build-dir $(RELEASE) --kills $(COUNT) --guest-kills $(GUEST_COUNT)

bench:
	@scripts/install-packages build guest bench
	@scripts/build $(RELEASE) --buildtype=release -Db_lto=true -Db_ndebug=true
	@scripts/bench --build-dir $(RELEASE) --pairs $(PAIRS) --seconds $(SECONDS) $(if $(PEER_SOCKETS),--peers $(PEER_SOCKETS)) \
		$(addprefix --only ,$(ONLY)) $(if $(DRAW),--draw $(DRAW)) $(if $(JSON),--json $(JSON))

install: release
	$(if $(PREFIX),meson configure $(RELEASE) --prefix=$(PREFIX))
	meson install -C $(RELEASE)

clean:
	rm -rf build
