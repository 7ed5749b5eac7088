/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BENCH_RESULT_H
#define STRAIT_BENCH_RESULT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hist.h"
#include "bench/options.h"
#include "bench/procstat.h"
#include "bench/verify.h"
#include "frontend/blk.h"

/* What a run found out. Plain data: the reports read it, nothing else happens to it. */

/* What can be wrong with a completion. */
enum bench_error_kind {
	BENCH_ERROR_IO,          /* VIRTIO_BLK_S_IOERR */
	BENCH_ERROR_UNSUPPORTED, /* VIRTIO_BLK_S_UNSUPP */
	BENCH_ERROR_STATUS,      /* no status written, or one that does not exist */
	BENCH_ERROR_SHORT,       /* a good status, but fewer bytes than were asked for */
	BENCH_ERROR_KINDS,
};

/* "io-error", "unsupported", "bad-status", "short". */
extern const char *const bench_error_names[BENCH_ERROR_KINDS];

#define BENCH_ERROR_SAMPLES 8

struct bench_error_sample {
	enum bench_error_kind kind;
	enum bench_op op;
	uint64_t offset;
	uint32_t length;
	uint8_t status;
	uint32_t used_length; /* what the used ring said */
};

struct bench_op_result {
	struct hist latency; /* ns, of requests that succeeded in the measured phase */
	uint64_t bytes;
	uint64_t errors[BENCH_ERROR_KINDS]; /* over the whole run */
};

enum bench_outcome {
	BENCH_FINISHED, /* perhaps with errors of the disk */
	BENCH_REFUSED,  /* the options do not go with this disk */
	BENCH_FAILED,   /* no disk there, or it vanished, or broke the protocol */
};

struct bench_device_info {
	uint64_t capacity; /* bytes */
	uint32_t block_size;
	bool read_only;
	unsigned queues_offered;
	unsigned memory_slots;
	uint64_t features;
	uint64_t protocol_features;
	char serial[DRIVER_BLK_ID_SIZE + 1];
	pid_t pid;
	char process[32];
};

struct bench_reconnect_result {
	uint64_t done;
	uint64_t retries;    /* further attempts to connect that these took */
	uint64_t undrained;  /* requests that came back only after GET_VRING_BASE was answered */
	uint64_t left;       /* requests that stayed in the rings and went to the next connection */
	uint64_t longest_ns; /* from the first GET_VRING_BASE to DRIVER_OK */
};

/* Back ends that died and were followed by others. */
struct bench_survive_result {
	uint64_t count;
	uint64_t retries;          /* further attempts to connect that these took */
	struct hist to_connect;    /* ns from the lost connection to the next one */
	struct hist to_first;      /* ns from that to the first completion */
	struct hist outage;        /* ns from the lost connection to the first completion */
	uint64_t longest_stall_ns; /* between two completions */
};

struct bench_result {
	enum bench_outcome outcome;
	char failure[512]; /* a sentence, where outcome is not BENCH_FINISHED */
	bool interrupted;  /* by a signal: everything is of the part that was run */
	struct bench_device_info device;
	uint64_t region; /* bytes on the disk, as used */
	uint64_t region_size;
	uint64_t connect_ns;          /* from connect(2) to DRIVER_OK */
	uint64_t first_completion_ns; /* from connect(2); 0: none came */

	/* The measured phase, until its last request came back. */
	double seconds;
	struct bench_op_result op[BENCH_OP_COUNT];
	uint64_t kicks, calls, publishes;
	uint64_t backlog; /* --rate: requests due at the end that had not been sent */
	struct bench_procstat back_end, front_end;

	struct bench_reconnect_result reconnect;
	struct bench_survive_result survived;
	uint64_t config_changes;
	unsigned sample_count;
	struct bench_error_sample sample[BENCH_ERROR_SAMPLES];
	bool verified;
	struct bench_verify verify; /* only its counters and samples */
};

/* Requests that failed, of all kinds, over the whole run. */
uint64_t bench_result_errors(const struct bench_result *result);

/* The latencies of all operations together, and how many requests and bytes that was. */
void bench_result_total(const struct bench_result *result, struct hist *latency, uint64_t *bytes);

/* Of "strait bench": 0 clean, 1 errors of the disk, 2 usage, 3 the run failed. */
int bench_result_exit_code(const struct bench_result *result);

#endif
