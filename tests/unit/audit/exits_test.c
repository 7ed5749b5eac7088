/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "audit/exits.h"

static void near(double value, double expected)
{
	assert_true(fabs(value - expected) < 1e-9 + fabs(expected) * 1e-6);
}

/* Two guests: one of two CPUs that we know by name, the other a process of which only KVM knows. */
struct fixture {
	struct host *host;
	struct guest guest;
	struct guest_thread vcpu[2];
	struct hist time[2];
	struct host_exits exits;
	struct host_exit exit[8];
	struct rate_exit rate[4];
};

static int set_up(void **state)
{
	struct fixture *fixture = test_calloc(1, sizeof(*fixture));
	struct error err;
	struct tree *tree = tree_open_live(&err);

	if (!tree)
		return -1;
	fixture->host = tree_alloc(tree, sizeof(*fixture->host));
	fixture->host->tree = tree;
	fixture->vcpu[0].tid = 101;
	fixture->vcpu[1].tid = 102;
	fixture->guest = (struct guest){.name = "vm1", .pid = 100, .vcpu = fixture->vcpu, .vcpu_count = 2};
	fixture->host->guests = (struct host_guests){.guest = &fixture->guest, .count = 1};
	fixture->exits.seconds = 2;
	fixture->exits.exit = fixture->exit;
	for (int i = 0; i < 2; i++)
		hist_reset(&fixture->time[i]);
	hist_add(&fixture->time[0], 1000);
	hist_add(&fixture->time[1], 400000000);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	tree_close(fixture->host->tree);
	test_free(fixture);
	return 0;
}

static void add(struct fixture *fixture, int pid, int tid, const char *reason, uint64_t count, int time)
{
	fixture->exit[fixture->exits.count++] = (struct host_exit){
		.pid = pid, .tid = tid, .reason = reason, .count = count, .time = &fixture->time[time]};
}

static const struct exit_row *row(const struct guest_exits *entry, const char *reason)
{
	for (unsigned i = 0; i < entry->count; i++) {
		if (!strcmp(entry->row[i].reason, reason))
			return &entry->row[i];
	}
	fail_msg("no row %s", reason);
	return NULL;
}

static void cpus_of_a_guest_are_one(void **state)
{
	struct fixture *fixture = *state;
	struct exit_summary summary;
	const struct exit_row *halts;

	/* A trace may tell no process: then the thread does. */
	add(fixture, 100, 101, "HLT", 20, 0);
	add(fixture, HOST_UNKNOWN, 102, "HLT", 40, 1);
	add(fixture, 100, 101, "EPT_VIOLATION", 20, 0);
	add(fixture, 777, 778, "HLT", 2, 0);
	summary = exits_summarize(fixture->host, &fixture->exits, NULL);
	assert_int_equal(summary.count, 2);
	assert_ptr_equal(summary.guest[0].guest, &fixture->guest);
	assert_int_equal(summary.guest[0].threads, 2);
	assert_true(summary.guest[0].traced);
	near(summary.guest[0].rate, 40);
	/* The most frequent first. */
	halts = &summary.guest[0].row[0];
	assert_string_equal(halts->reason, "HLT");
	near(halts->rate, 30);
	near(halts->share, 0.75);
	near(halts->time, 0.400001 / 2 / 2);
	assert_int_equal(halts->taken->count, 2);
	assert_int_equal(halts->taken->min, 1000);
	assert_int_equal(halts->taken->max, 400000000);
	assert_int_equal(halts->verdict, EXIT_NOT_JUDGED);
	assert_null(summary.guest[1].guest);
	assert_int_equal(summary.guest[1].pid, 777);
	summary = exits_summarize(fixture->host, &fixture->exits, &fixture->guest);
	assert_int_equal(summary.count, 1);
}

static enum exit_verdict verdict_of(struct fixture *fixture, const char *reason, uint64_t count)
{
	struct exit_summary summary;

	fixture->exits.count = 0;
	add(fixture, 100, 101, reason, count, 0);
	summary = exits_summarize(fixture->host, &fixture->exits, NULL);
	return row(&summary.guest[0], reason)->verdict;
}

/* In two seconds. */
static void rates_are_judged(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(verdict_of(fixture, "IO_INSTRUCTION", 1998), EXIT_NORMAL);
	assert_int_equal(verdict_of(fixture, "IO_INSTRUCTION", 2002), EXIT_RAISED);
	assert_int_equal(verdict_of(fixture, "io", 19998), EXIT_RAISED);
	assert_int_equal(verdict_of(fixture, "io", 20002), EXIT_WORRYING);
	assert_int_equal(verdict_of(fixture, "EPT_VIOLATION", 198), EXIT_NORMAL);
	assert_int_equal(verdict_of(fixture, "npf", 2002), EXIT_WORRYING);
	assert_int_equal(verdict_of(fixture, "npf (MMIO)", 2002), EXIT_RAISED);
	assert_int_equal(verdict_of(fixture, "CR_ACCESS", 2002), EXIT_WORRYING);
	assert_int_equal(verdict_of(fixture, "hlt", 2000000), EXIT_NOT_JUDGED);
	assert_int_equal(verdict_of(fixture, "EXTERNAL_INTERRUPT", 2000000), EXIT_NOT_JUDGED);
	assert_int_equal(verdict_of(fixture, "CPUID", 2000000), EXIT_NOT_JUDGED);
}

static void reasons_of_a_kind_add_up(void **state)
{
	struct fixture *fixture = *state;
	struct exit_summary summary;

	/* Each alone is raised, together they are worrying. */
	add(fixture, 100, 101, "io", 12000, 0);
	add(fixture, 100, 101, "npf (MMIO)", 12000, 0);
	summary = exits_summarize(fixture->host, &fixture->exits, NULL);
	assert_int_equal(row(&summary.guest[0], "io")->verdict, EXIT_WORRYING);
	assert_int_equal(exits_worst(&summary), EXIT_WORRYING);
	assert_string_equal(exit_verdict_name(exits_worst(&summary)), "worrying");
}

static void statistics_where_nothing_was_traced(void **state)
{
	struct fixture *fixture = *state;
	const struct error why = {.code = -1, .text = "not allowed"};
	struct exit_summary summary;
	json_t *json, *guest;

	fixture->rate[0] = (struct rate_exit){100, "exits", 500};
	fixture->rate[1] = (struct rate_exit){100, "io_exits", 11000};
	fixture->rate[2] = (struct rate_exit){100, "nested_run", NAN};
	fixture->rate[3] = (struct rate_exit){777, "exits", 5};
	fixture->host->rates.exit = fixture->rate;
	fixture->host->rates.exit_count = 4;
	fixture->exits.seconds = 0;
	summary = exits_summarize(fixture->host, &fixture->exits, NULL);
	assert_int_equal(summary.count, 2);
	near(summary.guest[0].rate, 500);
	assert_false(summary.guest[0].traced);
	assert_int_equal(summary.guest[0].count, 1);
	assert_int_equal(row(&summary.guest[0], "io_exits")->verdict, EXIT_WORRYING);
	assert_true(isnan(row(&summary.guest[0], "io_exits")->time));
	assert_int_equal(summary.guest[1].count, 0);
	json = exits_json(&fixture->exits, &summary, &why);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "not-traced")), "not allowed");
	assert_true(json_is_null(json_object_get(json, "seconds")));
	guest = json_array_get(json_object_get(json, "guests"), 0);
	assert_string_equal(json_string_value(json_object_get(guest, "by")), "statistics");
	assert_string_equal(json_string_value(json_object_get(guest, "guest")), "vm1");
	json_decref(json);
	/* A guest that was traced is not counted twice. */
	fixture->exits.seconds = 2;
	add(fixture, 100, 101, "HLT", 20, 0);
	summary = exits_summarize(fixture->host, &fixture->exits, NULL);
	near(summary.guest[0].rate, 10);
	assert_int_equal(summary.guest[0].count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cpus_of_a_guest_are_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rates_are_judged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reasons_of_a_kind_add_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(statistics_where_nothing_was_traced, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
