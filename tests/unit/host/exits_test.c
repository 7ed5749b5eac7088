/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/exit_counts.h"
#include "host/exit_reason.h"
#include "host/exits.h"
#include "scratch.h"

static void names_of_reasons(void **state)
{
	(void)state;
	assert_string_equal(exit_reason_name(EXIT_ISA_VMX, 0, 0), "EXCEPTION_NMI");
	assert_string_equal(exit_reason_name(EXIT_ISA_VMX, 12, 0), "HLT");
	assert_string_equal(exit_reason_name(EXIT_ISA_VMX, 48, 0), "EPT_VIOLATION");
	assert_string_equal(exit_reason_name(EXIT_ISA_VMX, 0x80000021, 0), "FAILED_VMENTRY");
	/* Bits beside the reason: from an enclave, with a bus lock. */
	assert_string_equal(exit_reason_name(EXIT_ISA_VMX, 0x08000030, 0), "EPT_VIOLATION");
	assert_null(exit_reason_name(EXIT_ISA_VMX, 999, 0));
	assert_string_equal(exit_reason_name(EXIT_ISA_SVM, 0, 0), "read_cr0");
	assert_string_equal(exit_reason_name(EXIT_ISA_SVM, 0x4e, 0), "PF excp");
	assert_string_equal(exit_reason_name(EXIT_ISA_SVM, 0x78, 0), "hlt");
	assert_string_equal(exit_reason_name(EXIT_ISA_SVM, 0x400, 0x100000004), "npf");
	assert_string_equal(exit_reason_name(EXIT_ISA_SVM, 0x400, 0x10000000d), EXIT_NPF_MMIO);
	assert_string_equal(exit_reason_name(EXIT_ISA_SVM, 0xffffffff, 0), "invalid_guest_state");
	assert_null(exit_reason_name(EXIT_ISA_SVM, 0x500, 0));
	assert_null(exit_reason_name(7, 12, 0));
}

static void kinds_of_both_vendors(void **state)
{
	(void)state;
	assert_int_equal(exit_reason_kind("HLT"), EXIT_KIND_HALT);
	assert_int_equal(exit_reason_kind("hlt"), EXIT_KIND_HALT);
	assert_int_equal(exit_reason_kind("EPT_MISCONFIG"), EXIT_KIND_IO);
	assert_int_equal(exit_reason_kind(EXIT_NPF_MMIO), EXIT_KIND_IO);
	assert_int_equal(exit_reason_kind("npf"), EXIT_KIND_MEMORY);
	assert_int_equal(exit_reason_kind("write_cr8"), EXIT_KIND_CONTROL_REGISTER);
	assert_int_equal(exit_reason_kind("read_dr0"), EXIT_KIND_OTHER);
	assert_int_equal(exit_reason_kind(""), EXIT_KIND_OTHER);
}

static int pid_of(int tid)
{
	return tid / 10;
}

/* What was added up is written down and read again. */
static void counts_and_times(void **state)
{
	struct exit_origin origin = {.seconds = 2, .source = "here", .lost = 5, .pid_of = pid_of};
	struct exit_counts *counts = exit_counts_new();
	struct host_exits exits;
	struct scratch scratch;
	struct tree *tree;
	json_t *json;
	char *text;

	(void)state;
	exit_counts_entry(counts, 101, 1000);
	exit_counts_exit(counts, 101, exit_counts_name(counts, "HLT"), 2000);
	exit_counts_exit(counts, 102, exit_counts_name(counts, "HLT"), 2500);
	exit_counts_entry(counts, 101, 3000);
	exit_counts_exit(counts, 101, exit_counts_name(counts, "HLT"), 4000);
	exit_counts_entry(counts, 101, 14000);
	exit_counts_exit(counts, 0, "none", 4000);
	exit_counts_exit(counts, 103, NULL, 4000);
	assert_ptr_equal(exit_counts_name(counts, "HLT"), exit_counts_name(counts, "HLT"));
	json = exit_counts_json(counts, &origin);
	text = json_dumps(json, 0);
	assert_non_null(text);
	scratch_make(&scratch);
	tree = scratch_open(&scratch);
	assert_int_equal(host_exits_parse(tree, text, strlen(text), &exits), 0);
	assert_string_equal(exits.source, "here");
	assert_true(exits.seconds == 2 && exits.lost == 5);
	assert_int_equal(exits.count, 2);
	assert_int_equal(exits.exit[0].tid, 101);
	assert_int_equal(exits.exit[0].pid, 10);
	assert_int_equal(exits.exit[0].count, 2);
	assert_int_equal(exits.exit[0].time->count, 2);
	assert_int_equal(exits.exit[0].time->sum, 11000);
	assert_int_equal(exits.exit[0].time->min, 1000);
	assert_int_equal(exits.exit[0].time->max, 10000);
	assert_true(hist_quantile(exits.exit[0].time, 0.99) > 9800);
	assert_int_equal(exits.exit[1].count, 1);
	assert_int_equal(exits.exit[1].time->count, 0);
	tree_close(tree);
	scratch_remove(&scratch);
	free(text);
	json_decref(json);
	exit_counts_free(counts);
}

/* More threads and names than there is room for are passed over. */
static void too_many(void **state)
{
	struct exit_counts *counts = exit_counts_new();
	char name[32];

	(void)state;
	for (int i = 1; i <= 20000; i++) {
		snprintf(name, sizeof(name), "reason %d", i);
		exit_counts_exit(counts, i, exit_counts_name(counts, name), (uint64_t)i);
		exit_counts_entry(counts, i, (uint64_t)i + 1);
	}
	assert_null(exit_counts_name(counts, "one more"));
	assert_non_null(exit_counts_name(counts, "reason 7"));
	exit_counts_free(counts);
}

static void hostile_documents(void **state)
{
	static const char *const refused[] = {
		"",
		"[]",
		"{}",
		"{\"seconds\": 1}",
		"{\"seconds\": \"1\", \"exits\": []}",
		"{\"seconds\": -1, \"exits\": []}",
		"{\"seconds\": 0, \"exits\": []}",
		"{\"seconds\": 1, \"exits\": {}}",
	};
	static const char odd[] =
		"{\"seconds\": 1, \"source\": 7, \"lost\": -3, \"exits\": [7, {}, {\"reason\": \"a\"}, "
		"{\"reason\": \"b\", \"count\": -1}, {\"reason\": \"c\", \"count\": 1, \"histogram\": [[1, 1]]}, "
		"{\"reason\": \"d\", \"count\": 1, \"tid\": 99999999999, \"ns\": 5, \"min-ns\": 5, \"max-ns\": 5, "
		"\"histogram\": [7, [], [-1, 1], [\"x\", \"y\"], [5, 1], [9223372036854775807, "
		"9223372036854775807]]}]}";
	struct host_exits exits;
	struct scratch scratch;
	struct tree *tree;

	(void)state;
	scratch_make(&scratch);
	tree = scratch_open(&scratch);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_true(host_exits_parse(tree, refused[i], strlen(refused[i]), &exits) < 0);
	assert_int_equal(host_exits_parse(tree, odd, strlen(odd), &exits), 0);
	assert_null(exits.source);
	assert_int_equal(exits.lost, 0);
	assert_int_equal(exits.count, 2);
	assert_string_equal(exits.exit[0].reason, "c");
	assert_int_equal(exits.exit[0].time->count, 0);
	assert_int_equal(exits.exit[1].tid, HOST_UNKNOWN);
	assert_int_equal(exits.exit[1].time->count, 1);
	tree_close(tree);
	scratch_remove(&scratch);
}

/* Each line of a capture that is compressed to nothing would be a histogram. */
static void more_exits_than_there_are(void **state)
{
	enum { MANY = 20000 };
	static const char entry[] = "{\"reason\":\"a\",\"count\":1},";
	char *text = malloc(MANY * sizeof(entry) + 64), *at = text;
	struct host_exits exits;
	struct scratch scratch;
	struct tree *tree;

	(void)state;
	at += sprintf(at, "{\"seconds\":1,\"exits\":[");
	for (unsigned i = 0; i < MANY; i++)
		at += sprintf(at, "%s", entry);
	strcpy(at - 1, "]}");
	scratch_make(&scratch);
	tree = scratch_open(&scratch);
	assert_int_equal(host_exits_parse(tree, text, strlen(text), &exits), 0);
	assert_int_equal(exits.count, 8192);
	tree_close(tree);
	scratch_remove(&scratch);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_exits_than_there_are),
		cmocka_unit_test(names_of_reasons),
		cmocka_unit_test(kinds_of_both_vendors),
		cmocka_unit_test(counts_and_times),
		cmocka_unit_test(too_many),
		cmocka_unit_test(hostile_documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
