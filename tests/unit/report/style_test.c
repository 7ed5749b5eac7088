/* SPDX-License-Identifier: Apache-2.0 */
#include "report/style.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct report_style ascii = {.width = 80};

static const struct {
	double share[REPORT_PARTS];
	unsigned width;
	const char *bar;
} bars[] = {
	{{1, 1, 0, 0, 0, 0}, 10, "aaaaabbbbb"},
	{{0, 0, 0, 7e9, 0, 0}, 4, "dddd"},
	{{1, 1, 1, 1, 1, 1}, 6, "abcdef"},
	{{98, 0, 0, 1, 0, 1}, 10, "aaaaaaaaaa"},
	{{90, 0, 0, 5, 0, 5}, 20, "aaaaaaaaaaaaaaaaaadf"},
	{{1, 1, 1, 0, 0, 0}, 10, "aaabbbbccc"},
	{{0, 0, 0, 0, 0, 0}, 5, "     "},
};

static void parts_fill_the_bar(void **state)
{
	char text[64];

	(void)state;
	for (unsigned i = 0; i < sizeof(bars) / sizeof(bars[0]); i++) {
		report_bar(&ascii, bars[i].share, "abcdef", bars[i].width, text, sizeof(text));
		assert_string_equal(text, bars[i].bar);
	}
}

/* UTF-8 that ends where a character ends, escapes that end with their m. */
static bool is_whole(const char *text)
{
	while (*text) {
		const unsigned char first = (unsigned char)*text;
		const size_t length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
		const size_t escape = first == '\033' ? strcspn(text, "m") + 1 : length;

		if (strlen(text) < escape)
			return false;
		text += escape;
	}
	return true;
}

/* Neither a character nor a code of a colour is cut in two. */
static void too_little_room(void **state)
{
	const struct report_style styles[] = {{.unicode = true}, {.unicode = true, .colour = true}, {.colour = true}};
	const double share[REPORT_PARTS] = {1, 1, 1, 1, 1, 1};

	(void)state;
	for (unsigned i = 0; i < sizeof(styles) / sizeof(styles[0]); i++) {
		for (size_t size = 1; size < 300; size++) {
			char *text = malloc(size);

			report_bar(&styles[i], share, "abcdef", 30, text, size);
			assert_true(strlen(text) < size);
			assert_true(is_whole(text));
			free(text);
		}
	}
}

static void marks(void **state)
{
	const struct report_style unicode = {.unicode = true}, colour = {.colour = true};
	char text[32], other[32];

	(void)state;
	report_mark(&ascii, 2, "abcdef", text, sizeof(text));
	assert_string_equal(text, "c");
	for (unsigned i = 0; i < REPORT_PARTS; i++) {
		for (unsigned k = 0; k < i; k++) {
			report_mark(&unicode, i, "abcdef", text, sizeof(text));
			report_mark(&unicode, k, "abcdef", other, sizeof(other));
			assert_string_not_equal(text, other);
			report_mark(&colour, i, "------", text, sizeof(text));
			report_mark(&colour, k, "------", other, sizeof(other));
			assert_string_not_equal(text, other);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_fill_the_bar),
		cmocka_unit_test(too_little_room),
		cmocka_unit_test(marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
