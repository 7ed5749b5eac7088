/* SPDX-License-Identifier: Apache-2.0 */
#include "host/exit_text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "host/exit_reason.h"

/* A line that is longer is cut, which loses none of what is looked at. */
#define LINE 4096

/*
 * Where the CPU in brackets is, which follows the thread: "CPU 0/KVM-123   [001]". Names may have brackets, too.
 */
static const char *find_cpu(const char *line)
{
	for (const char *open = strchr(line, '['); open; open = strchr(open + 1, '[')) {
		const size_t digits = strspn(open + 1, "0123456789");

		if (digits && open[1 + digits] == ']' && open > line && open[-1] == ' ')
			return open;
	}
	return NULL;
}

/* The number that ends at *end, which moves to its beginning; 0: there is none. */
static int number_before(const char *line, const char **end)
{
	const char *at = *end;

	while (at > line && isdigit((unsigned char)at[-1]))
		at--;
	if (at == *end || *end - at > 9)
		return 0;
	*end = at;
	return atoi(at);
}

static void skip_spaces_back(const char *line, const char **end)
{
	while (*end > line && (*end)[-1] == ' ')
		--*end;
}

/*
 * The thread that stands before the bracket, "name-123" or "name 123", and its process, where that is told: "(  120)"
 * behind it with the option record-tgid, or perf's "name 120/123".
 */
static int find_thread(const char *line, const char *bracket, int *pid)
{
	const char *end = bracket;
	int tid;

	*pid = 0;
	skip_spaces_back(line, &end);
	if (end > line && end[-1] == ')') {
		end--;
		*pid = number_before(line, &end);
		while (end > line && (end[-1] == ' ' || end[-1] == '-'))
			end--;
		if (end > line && end[-1] == '(')
			end--;
		skip_spaces_back(line, &end);
	}
	tid = number_before(line, &end);
	if (tid && end > line && end[-1] == '/') {
		end--;
		*pid = number_before(line, &end);
	}
	return tid;
}

/* "5678.123456:" behind the flags, in ns; false where there is none. */
static bool find_time(const char **at, uint64_t *ns)
{
	for (const char *word = *at; *word; word += strcspn(word, " "), word += strspn(word, " ")) {
		const size_t whole = strspn(word, "0123456789");
		const size_t parts = whole && word[whole] == '.' ? strspn(word + whole + 1, "0123456789") : 0;

		if (!parts || parts > 9 || word[whole + 1 + parts] != ':')
			continue;
		*ns = strtoull(word + whole + 1, NULL, 10);
		for (size_t i = parts; i < 9; i++)
			*ns *= 10;
		*ns += strtoull(word, NULL, 10) % 1000000000 * 1000000000;
		*at = word + whole + 1 + parts + 1;
		return true;
	}
	return false;
}

static bool takes(const char **at, const char *word)
{
	const size_t length = strlen(word);

	if (strncmp(*at, word, length))
		return false;
	*at += length;
	return true;
}

/*
 * trace-cmd has names of its own for AMD's reasons, by the plugin for KVM of libtraceevent: "EXIT_NPF". What the kernel
 * calls them, so that one reason is one wherever it comes from. None gets longer.
 */
static void take_kernels_name(char *name)
{
	static const struct {
		const char *plugins, *kernels;
	} others[] = {{"EXIT_INTR", "interrupt"}, {"EXIT_IOIO", "io"}, {"EXIT_VMMCALL", "hypercall"}};
	const char *at = name;

	if (!takes(&at, "EXIT_"))
		return;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (!strcmp(name, others[i].plugins)) {
			strcpy(name, others[i].kernels);
			return;
		}
	}
	if (takes(&at, "EXCP_")) {
		memmove(name, at, strlen(at) + 1);
		strcat(name, " excp");
		return;
	}
	for (; *at; at++)
		*name++ = (char)tolower((unsigned char)*at);
	*name = 0;
}

/* The first number about an exit: "info1 0x000000010000000d", or of old kernels and of trace-cmd, "info 10000000d 0".
 */
static uint64_t find_info(const char *text)
{
	const char *at = strstr(text, " info1 ");

	if (at)
		return strtoull(at + strlen(" info1 "), NULL, 16);
	at = strstr(text, " info ");
	return at ? strtoull(at + strlen(" info "), NULL, 16) : 0;
}

/* "reason EPT_VIOLATION rip 0x..": it may be of several words, and rip may have another name. */
static const char *find_reason(struct exit_counts *counts, const char *text)
{
	const char *at = strstr(text, "reason "), *end;
	char name[64];

	if (!at)
		return NULL;
	at += strlen("reason ");
	end = strstr(at, " rip ");
	if (!end)
		end = at + strcspn(at, " \n");
	if (end == at || (size_t)(end - at) >= sizeof(name))
		return NULL;
	memcpy(name, at, (size_t)(end - at));
	name[end - at] = 0;
	take_kernels_name(name);
	/* As the kernel's numbers are told apart. */
	if (!strcmp(name, "npf"))
		return exit_reason_name(EXIT_ISA_SVM, 0x400, find_info(text));
	return exit_counts_name(counts, name);
}

static bool read_line(struct exit_counts *counts, const char *line)
{
	const char *at = find_cpu(line), *reason;
	int pid, tid = at ? find_thread(line, at, &pid) : 0;
	uint64_t ns;

	if (tid <= 0 || !find_time(&at, &ns))
		return false;
	at += strspn(at, " ");
	takes(&at, "kvm:");
	if (pid > 0 && !strncmp(at, "kvm_e", 5))
		exit_counts_process(counts, tid, pid);
	if (takes(&at, "kvm_entry:")) {
		exit_counts_entry(counts, tid, ns);
		return true;
	}
	reason = takes(&at, "kvm_exit:") ? find_reason(counts, at) : NULL;
	if (!reason)
		return false;
	exit_counts_exit(counts, tid, reason, ns);
	return true;
}

/*
 * How many events a line says were lost: the kernel's "CPU:1 [LOST 12 EVENTS]", trace-cmd's "CPU:1 [12 EVENTS
 * DROPPED]". Both leave out the number where it is not known, which counts as one. 0: it says nothing of it.
 */
static uint64_t read_lost(const char *line)
{
	const char *at = line, *number;
	size_t digits;

	if (!takes(&at, "CPU:"))
		return 0;
	at += strspn(at, "0123456789");
	if (!takes(&at, " ["))
		return 0;
	takes(&at, "LOST ");
	number = at;
	digits = strspn(at, "0123456789");
	at += digits;
	if (digits)
		takes(&at, " ");
	if (!takes(&at, "EVENTS]") && !takes(&at, "EVENTS DROPPED]"))
		return 0;
	/* More digits are no number of events, and would overflow the sum. */
	return digits && digits < 10 ? strtoull(number, NULL, 10) : 1;
}

size_t exit_text_read(struct exit_counts *counts, FILE *file, uint64_t *lost)
{
	char line[LINE];
	size_t events = 0;
	bool whole = true;

	*lost = 0;
	while (fgets(line, sizeof(line), file)) {
		/* What follows in a line that was cut is not a line. */
		if (whole) {
			events += read_line(counts, line);
			*lost += read_lost(line);
		}
		whole = strchr(line, '\n') != NULL;
	}
	return events;
}
