/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/clean.h"

#include <stdint.h>
#include <string.h>

#include "host/tree.h"

/* The length of the character of UTF-8 at text, of more than one byte; 0: there is none, or it controls a terminal. */
static size_t character(const unsigned char *text)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const size_t length = *text >= 0xf0 ? 4 : *text >= 0xe0 ? 3 : 2;
	uint32_t code = *text & (0xffu >> (length + 1));

	if (*text < 0xc2 || *text > 0xf4)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	/* C1 controls, surrogates, what XML forbids, directions that make text look like another */
	if (code < smallest[length] || code < 0xa0 || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff ||
	    code == 0xfffe || code == 0xffff || (code >= 0x202a && code <= 0x202e) ||
	    (code >= 0x2066 && code <= 0x2069))
		return 0;
	return length;
}

const char *audit_clean(struct tree *tree, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	char clean[AUDIT_CLEAN_MAX + 4];
	size_t used = 0;

	if (!text)
		return NULL;
	while (*at && used < AUDIT_CLEAN_MAX) {
		const size_t length = *at < 0x80 ? 1 : character(at);

		if (length > 1) {
			if (used + length > AUDIT_CLEAN_MAX)
				break;
			memcpy(clean + used, at, length);
			used += length;
		} else if (strchr("\t\n\v\f\r", *at)) {
			clean[used++] = ' ';
		} else {
			clean[used++] = length && *at >= 0x20 && *at != 0x7f ? (char)*at : '?';
		}
		at += length ? length : 1;
	}
	return tree_format(tree, "%.*s%s", (int)used, clean, *at ? "..." : "");
}

const char *audit_word(struct tree *tree, const char *text)
{
	const char *word = "'";

	text = audit_clean(tree, text);
	if (!text || (*text && !text[strcspn(text, " \t'\"\\$`!*?[](){}<>|&;#~")]))
		return text;
	for (const char *quote; (quote = strchr(text, '\'')); text = quote + 1)
		word = tree_format(tree, "%s%.*s'\\''", word, (int)(quote - text), text);
	return tree_format(tree, "%s%s'", word, text);
}
