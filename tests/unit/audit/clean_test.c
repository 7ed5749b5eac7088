/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "audit/clean.h"
#include "host/tree.h"

static struct tree *tree;

static int set_up(void **state)
{
	struct error err;

	(void)state;
	tree = tree_open_directory("/", &err);
	return tree ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	tree_close(tree);
	return 0;
}

static void text_stays_as_it_is(void **state)
{
	(void)state;
	assert_null(audit_clean(tree, NULL));
	assert_string_equal(audit_clean(tree, ""), "");
	assert_string_equal(audit_clean(tree, "none [mq-deadline] kyber"), "none [mq-deadline] kyber");
	assert_string_equal(audit_clean(tree, "Müller €  𝄞"), "Müller €  𝄞");
}

static void nothing_moves_a_terminal(void **state)
{
	(void)state;
	assert_string_equal(audit_clean(tree, "a\033[31mb\177"), "a?[31mb?");
	assert_string_equal(audit_clean(tree, "a\nb\tc\r"), "a b c ");
	/* NEL and CSI as one character, and text that runs backwards */
	assert_string_equal(audit_clean(tree, "a\xc2\x85\xc2\x9b"), "a????");
	assert_string_equal(audit_clean(tree, "a\xe2\x80\xae"), "a???");
}

static void what_is_no_utf8_is_replaced(void **state)
{
	(void)state;
	assert_string_equal(audit_clean(tree, "a\xff\xfe"), "a??");
	assert_string_equal(audit_clean(tree, "\xc3"), "?");
	assert_string_equal(audit_clean(tree, "\xe2\x82"), "??");
	assert_string_equal(audit_clean(tree, "\xc0\xaf"), "??");                     /* longer than need be */
	assert_string_equal(audit_clean(tree, "\xed\xa0\x80"), "???");                /* half a pair of UTF-16 */
	assert_string_equal(audit_clean(tree, "\xef\xbf\xbe\xef\xbf\xbf"), "??????"); /* not in XML */
	assert_string_equal(audit_clean(tree, "\xef\xbf\xbd"), "\xef\xbf\xbd");
	assert_string_equal(audit_clean(tree, "\xf5\x80\x80\x80"), "????"); /* beyond the last one */
}

static void long_text_ends_with_dots(void **state)
{
	char text[AUDIT_CLEAN_MAX * 2];
	const char *clean;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[AUDIT_CLEAN_MAX] = '\0';
	assert_int_equal(strlen(audit_clean(tree, text)), AUDIT_CLEAN_MAX);
	text[AUDIT_CLEAN_MAX] = 'x';
	text[sizeof(text) - 1] = '\0';
	clean = audit_clean(tree, text);
	assert_int_equal(strlen(clean), AUDIT_CLEAN_MAX + 3);
	assert_string_equal(clean + AUDIT_CLEAN_MAX, "...");
	/* never half a character */
	memcpy(text + AUDIT_CLEAN_MAX - 1, "\xe2\x82\xac", 3);
	assert_int_equal(strlen(audit_clean(tree, text)), AUDIT_CLEAN_MAX - 1 + 3);
}

/* Whatever goes in, a report in JSON takes it. */
static void any_bytes_make_a_string_of_json(void **state)
{
	(void)state;
	srand(1);
	for (unsigned round = 0; round < 20000; round++) {
		char text[12];
		json_t *string;

		for (unsigned i = 0; i < sizeof(text) - 1; i++)
			text[i] = (char)(rand() % 4 ? 0x80 + rand() % 0x80 : 1 + rand() % 0x7f);
		text[sizeof(text) - 1] = '\0';
		string = json_string(audit_clean(tree, text));
		assert_non_null(string);
		json_decref(string);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_stays_as_it_is),
		cmocka_unit_test(nothing_moves_a_terminal),
		cmocka_unit_test(what_is_no_utf8_is_replaced),
		cmocka_unit_test(long_text_ends_with_dots),
		cmocka_unit_test(any_bytes_make_a_string_of_json),
	};

	return cmocka_run_group_tests_name("clean", tests, set_up, tear_down);
}
