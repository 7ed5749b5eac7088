/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include <cmocka.h>

#include "base/cpus.h"

/* The set as the bits of a number; CPUs beyond 63 make the test fail. */
static uint64_t bits_of(const cpu_set_t *set)
{
	uint64_t bits = 0;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, set)) {
			assert_true(cpu < 64);
			bits |= 1ull << cpu;
		}
	}
	return bits;
}

static void lists(void **state)
{
	static const struct {
		const char *text;
		uint64_t bits;
	} table[] = {
		{"0", 0x1},       {"3", 0x8},    {"0-3", 0xf},         {"0-3,8", 0x10f},
		{"8,0-3", 0x10f}, {"5-5", 0x20}, {"0,1,2,3", 0xf},     {"1-2,2-3", 0xe},
		{"7,7,7", 0x80},  {"007", 0x80}, {"0-63", UINT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct error err = {0};
		cpu_set_t set;

		/* What was in it before is gone. */
		memset(&set, 0xff, sizeof(set));
		assert_int_equal(cpus_parse(table[i].text, &set, &err), 0);
		assert_int_equal(err.code, 0);
		assert_true(bits_of(&set) == table[i].bits);
	}
}

static void the_last_cpu(void **state)
{
	char text[32];
	cpu_set_t set;

	(void)state;
	snprintf(text, sizeof(text), "0-%d", CPU_SETSIZE - 1);
	assert_int_equal(cpus_parse(text, &set, NULL), 0);
	assert_int_equal(CPU_COUNT(&set), CPU_SETSIZE);
	snprintf(text, sizeof(text), "%d", CPU_SETSIZE);
	assert_int_equal(cpus_parse(text, &set, NULL), -EINVAL);
}

static void not_lists(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"a",
		"-",
		"-1",
		"1-",
		"1,",
		",1",
		"1,,2",
		"3-1",
		"1-2-3",
		"1 2",
		"+1",
		"1;",
		"0x1",
		"1.5",
		"1024",
		"0-1024",
		"99999999999999999999",
		"all",
		"0-3, 8",
		" 0",
		"0 ",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct error err = {0};
		cpu_set_t set;

		assert_int_equal(cpus_parse(texts[i], &set, &err), -EINVAL);
		assert_int_equal(err.code, -EINVAL);
		/* The value and what is expected. */
		assert_non_null(strstr(err.text, texts[i]));
		assert_non_null(strstr(err.text, "0-3,8"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(the_last_cpu),
		cmocka_unit_test(not_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
