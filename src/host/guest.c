/* SPDX-License-Identifier: Apache-2.0 */
#include "host/guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/cpu.h"

static bool is_word(const char *text, const char *word)
{
	return text && strcmp(text, word) == 0;
}

/* Decimal digits alone; HOST_UNKNOWN where it is something else. */
static long number_of(const char *word)
{
	char *end;
	long number;

	if (!*word || word[strspn(word, "0123456789")])
		return HOST_UNKNOWN;
	errno = 0;
	number = strtol(word, &end, 10);
	return errno ? HOST_UNKNOWN : number;
}

const struct guest *host_guest_find(const struct host_guests *guests, const char *word)
{
	const long pid = number_of(word);

	for (unsigned i = 0; i < guests->count; i++) {
		if (is_word(guests->guest[i].name, word) || is_word(guests->guest[i].uuid, word))
			return &guests->guest[i];
	}
	for (unsigned i = 0; i < guests->count && pid != HOST_UNKNOWN; i++) {
		if (guests->guest[i].pid == pid)
			return &guests->guest[i];
	}
	return NULL;
}

const struct guest_disk *guest_disk_find(const struct guest *guest, const char *word)
{
	const long number = number_of(word);

	for (unsigned i = 0; i < guest->disk_count; i++) {
		if (is_word(guest->disk[i].id, word) || is_word(guest->disk[i].target, word))
			return &guest->disk[i];
	}
	return number != HOST_UNKNOWN && number < (long)guest->disk_count ? &guest->disk[number] : NULL;
}

const struct guest_nic *guest_nic_find(const struct guest *guest, const char *word)
{
	const long number = number_of(word);

	for (unsigned i = 0; i < guest->nic_count; i++) {
		if (is_word(guest->nic[i].id, word) || is_word(guest->nic[i].interface, word) ||
		    is_word(guest->nic[i].mac, word))
			return &guest->nic[i];
	}
	return number != HOST_UNKNOWN && number < (long)guest->nic_count ? &guest->nic[number] : NULL;
}

bool guest_thread_is_pinned(const struct guest_thread *thread, const struct host_cpus *cpus)
{
	/* A list that could not be read is no evidence of anything. */
	if (!thread->allowed.count)
		return false;
	for (unsigned i = 0; i < cpus->count; i++) {
		if (!cpu_list_has(&thread->allowed, cpus->cpu[i].number))
			return true;
	}
	return false;
}
