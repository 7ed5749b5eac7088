/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memguard.h"

#include <errno.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/*
 * What the signal handler reads: a list of blocks that only grows, so that it
 * needs no lock. A guard is one place in it, used again once it is free.
 */
struct memguard {
	uintptr_t start; /* 0: free */
	size_t length;
	size_t page; /* bytes; huge pages are replaced whole */
	bool lost;
};

#define BLOCK_GUARDS 64

static struct block {
	struct memguard guard[BLOCK_GUARDS];
	struct block *next;
} first_block;

static struct sigaction before;
static int lost_event = -1;

/*
 * The mapping that has the address. A place may be given to another mapping
 * while it is looked at: the length is one that belonged to this start if the
 * start is the same before and after. A mapping that is gone had no byte in
 * common with the one that is being touched, which is there.
 */
static struct memguard *find(uintptr_t address)
{
	for (struct block *block = &first_block; block; block = __atomic_load_n(&block->next, __ATOMIC_ACQUIRE)) {
		for (unsigned i = 0; i < BLOCK_GUARDS; i++) {
			struct memguard *guard = &block->guard[i];
			/* Pairs with the stores in memguard_map() and memguard_unmap(). */
			uintptr_t start = __atomic_load_n(&guard->start, __ATOMIC_ACQUIRE);
			size_t length = __atomic_load_n(&guard->length, __ATOMIC_ACQUIRE);

			if (start && address - start < length &&
			    __atomic_load_n(&guard->start, __ATOMIC_RELAXED) == start)
				return guard;
		}
	}
	return NULL;
}

static bool put_zeroes(uintptr_t from, uintptr_t end)
{
	/* The call itself: mmap(3) is not among what a signal handler may call, though here it is the same. */
	return syscall(SYS_mmap, from, end - from, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) >= 0;
}

/*
 * The file may have lost all from here on; up to the end, a mapping is never
 * cut into more than two pieces. One that cannot be cut here, of a device with
 * pages of its own size (device-dax), goes as a whole.
 */
static bool replace(struct memguard *guard, uintptr_t address)
{
	const uintptr_t from = address & ~(guard->page - 1), end = guard->start + guard->length;

	/* First, so that whoever finds zeroes finds out why. */
	__atomic_store_n(&guard->lost, true, __ATOMIC_RELEASE);
	return put_zeroes(from, end) || put_zeroes(guard->start, end);
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	/* Not positive: sent by a process, no access of ours. */
	struct memguard *guard = info->si_code > 0 ? find((uintptr_t)info->si_addr) : NULL;

	(void)context;
	if (guard && replace(guard, (uintptr_t)info->si_addr)) {
		if (lost_event >= 0)
			eventfd_write(lost_event, 1);
		errno = saved;
		return;
	}
	/* Back to the instruction, which faults again, now without us. */
	sigaction(SIGBUS, &before, NULL);
	if (info->si_code <= 0)
		raise(number);
}

int memguard_install(int event_fd)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};

	lost_event = event_fd;
	sigfillset(&action.sa_mask);
	return sigaction(SIGBUS, &action, &before) < 0 ? -errno : 0;
}

static struct memguard *free_place(void)
{
	struct block *block = &first_block;

	for (;;) {
		for (unsigned i = 0; i < BLOCK_GUARDS; i++) {
			if (!block->guard[i].start)
				return &block->guard[i];
		}
		if (!block->next) {
			struct block *more = calloc(1, sizeof(*more));

			if (!more)
				return NULL;
			__atomic_store_n(&block->next, more, __ATOMIC_RELEASE);
		}
		block = block->next;
	}
}

static size_t page_of(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC)
		return (size_t)fs.f_bsize;
	return (size_t)sysconf(_SC_PAGESIZE);
}

void *memguard_map_at(int fd, uint64_t offset, size_t length, struct memguard **guard)
{
	struct memguard *place = free_place();
	const size_t page = page_of(fd), before_it = offset & (page - 1);
	char *at;

	if (!place)
		return NULL;
	if (length > SIZE_MAX / 4 || offset > INT64_MAX) {
		errno = EOVERFLOW;
		return NULL;
	}
	/* Whole pages: a mapping of huge pages can be neither cut nor unmapped inside one. */
	length = (before_it + length + page - 1) & ~(page - 1);
	at = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)(offset - before_it));
	if (at == MAP_FAILED)
		return NULL;
	__atomic_store_n(&place->length, length, __ATOMIC_RELEASE);
	place->page = page;
	place->lost = false;
	__atomic_store_n(&place->start, (uintptr_t)at, __ATOMIC_RELEASE);
	*guard = place;
	return at + before_it;
}

void *memguard_map(int fd, size_t length, struct memguard **guard)
{
	return memguard_map_at(fd, 0, length, guard);
}

void memguard_unmap(struct memguard *guard)
{
	void *at = (void *)guard->start;

	__atomic_store_n(&guard->start, 0, __ATOMIC_RELEASE);
	munmap(at, guard->length);
}

bool memguard_lost(const struct memguard *guard)
{
	return guard && __atomic_load_n(&guard->lost, __ATOMIC_ACQUIRE);
}
