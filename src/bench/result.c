/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/result.h"

const char *const bench_error_names[BENCH_ERROR_KINDS] = {
	[BENCH_ERROR_IO] = "io-error",
	[BENCH_ERROR_UNSUPPORTED] = "unsupported",
	[BENCH_ERROR_STATUS] = "bad-status",
	[BENCH_ERROR_SHORT] = "short",
};

uint64_t bench_result_errors(const struct bench_result *result)
{
	uint64_t total = 0;

	for (unsigned op = 0; op < BENCH_OP_COUNT; op++) {
		for (unsigned kind = 0; kind < BENCH_ERROR_KINDS; kind++)
			total += result->op[op].errors[kind];
	}
	return total;
}

void bench_result_total(const struct bench_result *result, struct hist *latency, uint64_t *bytes)
{
	hist_reset(latency);
	*bytes = 0;
	for (unsigned op = 0; op < BENCH_OP_COUNT; op++) {
		hist_merge(latency, &result->op[op].latency);
		*bytes += result->op[op].bytes;
	}
}

int bench_result_exit_code(const struct bench_result *result)
{
	if (result->outcome == BENCH_REFUSED)
		return 2;
	if (result->outcome == BENCH_FAILED)
		return 3;
	return bench_result_errors(result) || (result->verified && bench_verify_errors(&result->verify)) ? 1 : 0;
}
