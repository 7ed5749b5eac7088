/* SPDX-License-Identifier: Apache-2.0 */
#include "control/nearest.h"

#include <stddef.h>
#include <string.h>

#define LONGEST 32 /* longer than any key or option */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned smaller = a < b ? a : b;

	return smaller < c ? smaller : c;
}

/* Letters to insert, delete or change to get from one word to the other; LONGEST for a word that is too long. */
static unsigned distance(const char *from, const char *to)
{
	const size_t from_length = strlen(from), to_length = strlen(to);
	unsigned row[LONGEST + 1];

	if (from_length > LONGEST || to_length > LONGEST)
		return LONGEST;
	for (unsigned j = 0; j <= to_length; j++)
		row[j] = j;
	for (unsigned i = 1; i <= from_length; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= to_length; j++) {
			unsigned changed = diagonal + (from[i - 1] != to[j - 1]);

			diagonal = row[j];
			row[j] = least(row[j] + 1, row[j - 1] + 1, changed);
		}
	}
	return row[to_length];
}

const char *nearest_of(const char *word, const char *best, const char *candidate)
{
	unsigned now = distance(word, candidate);
	/* A third of the letters may differ: "quees" is near "queues", "size" is near nothing. */
	unsigned limit = (unsigned)strlen(candidate) / 3;

	if (best && distance(word, best) <= now)
		return best;
	return now && now <= (limit ? limit : 1) ? candidate : best;
}
