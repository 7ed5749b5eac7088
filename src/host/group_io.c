/* SPDX-License-Identifier: Apache-2.0 */
#include "host/group_io.h"

#include <stdio.h>
#include <string.h>

/* More than the kernel writes. */
#define LINE_MOST 256

/* "rbps=1024"; "rbps=max" is no number. */
static void take_word(const char *word, struct group_io *io)
{
	const struct {
		int64_t *value;
		const char *limit, *count;
	} keys[] = {
		{&io->read_bytes, "rbps", "rbytes"},
		{&io->write_bytes, "wbps", "wbytes"},
		{&io->reads, "riops", "rios"},
		{&io->writes, "wiops", "wios"},
	};
	char key[8];
	long long value;

	if (sscanf(word, "%7[a-z]=%lld", key, &value) != 2 || value < 0)
		return;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(key, keys[i].limit) == 0 || strcmp(key, keys[i].count) == 0)
			*keys[i].value = value;
	}
}

/* A copy is taken of the line: what somebody else's text has behind it may be long. */
static bool take_line(const char *text, size_t length, struct group_io *io)
{
	char line[LINE_MOST];

	snprintf(line, sizeof(line), "%.*s", (int)(length < LINE_MOST ? length : LINE_MOST), text);
	*io = (struct group_io){0, 0, HOST_UNKNOWN, HOST_UNKNOWN, HOST_UNKNOWN, HOST_UNKNOWN};
	if (sscanf(line, "%9u:%9u ", &io->major, &io->minor) != 2)
		return false;
	for (const char *at = strchr(line, ' '); at; at = strchr(at + 1, ' '))
		take_word(at + 1, io);
	return true;
}

const char *group_io_next(const char *text, struct group_io *io)
{
	while (text && *text) {
		const char *line = text;
		const size_t length = strcspn(text, "\n");

		text += length + (text[length] == '\n');
		if (take_line(line, length, io))
			return text;
	}
	return NULL;
}
