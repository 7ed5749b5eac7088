/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_STORAGE_RECORD_FORMAT_H
#define STRAIT_STORAGE_RECORD_FORMAT_H

#include <stdint.h>

/*
 * What the record wrapper writes: entries of 64 bytes, a write's followed by
 * the bytes written, in the order in which they happened. All numbers are
 * little endian. A file is one OPEN and what follows it until the next; a
 * recording goes on with a new OPEN each time the disk is opened again.
 *
 * A request is stable in a power cut after entry N if it succeeded and
 *  - it has RECORD_STABLE, and its DONE is at or before N, or
 *  - a flush was submitted after its DONE, and that flush's DONE, which tells
 *    of success, is at or before N.
 * Where OPEN has RECORD_FLUSH_IGNORED nothing is ever stable. Of what is not
 * stable any part may have reached the medium, in any order.
 */
#define RECORD_MAGIC 0x63655253u /* "SRec" */

enum record_kind {
	RECORD_OPEN = 1,   /* length: size of the disk; result: its block size */
	RECORD_SUBMIT = 2, /* a request on its way to the storage; data follows a write */
	RECORD_DONE = 3,   /* its end: id as in its SUBMIT, result 0 or a negative errno */
};

/* record_entry.flags */
enum {
	RECORD_STABLE = 1 << 0,        /* SUBMIT: to be stable when it completes */
	RECORD_UNMAP = 1 << 1,         /* SUBMIT of write-zeroes: may deallocate */
	RECORD_FLUSH_IGNORED = 1 << 2, /* OPEN: flushes are acknowledged and not carried out */
};

struct record_entry {
	uint32_t magic;
	uint8_t kind;
	uint8_t op; /* enum storage_op, of SUBMIT and DONE */
	uint16_t flags;
	uint64_t id; /* counts the requests since OPEN */
	uint64_t offset;
	uint64_t length;
	int64_t result;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint64_t data;    /* bytes that follow this entry */
	uint64_t reserved;
};

_Static_assert(sizeof(struct record_entry) == 64, "entries have one size on all machines");

#endif
