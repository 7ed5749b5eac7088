/* SPDX-License-Identifier: Apache-2.0 */
#include "recorder.h"

#include <errno.h>
#include <string.h>

static void transfer(struct recorder *recorder, const struct storage_io *io)
{
	char *at = recorder->data + io->offset;

	for (uint32_t i = 0; i < io->iov_count; at += io->iov[i++].iov_len) {
		if (io->op == STORAGE_READ)
			memcpy(io->iov[i].iov_base, at, io->iov[i].iov_len);
		else
			memcpy(at, io->iov[i].iov_base, io->iov[i].iov_len);
	}
}

static int serve(struct recorder *recorder, const struct storage_io *io)
{
	if (recorder->result && recorder->count > recorder->after)
		return recorder->result;
	/* The device is to have checked this. */
	if (io->offset > RECORDER_SIZE || io->length > RECORDER_SIZE - io->offset)
		return -ERANGE;
	if (io->op == STORAGE_READ || io->op == STORAGE_WRITE)
		transfer(recorder, io);
	else if (io->op != STORAGE_FLUSH)
		memset(recorder->data + io->offset, 0, io->length);
	return 0;
}

static void recorder_submit(struct storage *storage, struct storage_thread *thread, struct storage_io *io)
{
	struct recorder *recorder = (struct recorder *)storage;
	struct record *record = &recorder->record[recorder->count++ % RECORDER_MOST];

	(void)thread;
	*record = (struct record){.op = io->op,
				  .flags = io->flags,
				  .offset = io->offset,
				  .length = io->length,
				  .iov_count = io->iov_count};
	if (io->op <= STORAGE_WRITE && io->iov_count)
		record->first = io->iov[0];
	io->done(io, serve(recorder, io));
}

/* Where it lies in memory is the test's affair. */
static void recorder_close(struct storage *storage)
{
	(void)storage;
}

static const struct storage_ops recorder_ops = {
	.name = "recorder",
	.submit = recorder_submit,
	.close = recorder_close,
};

void recorder_init(struct recorder *recorder)
{
	memset(recorder, 0, sizeof(*recorder));
	recorder->storage = (struct storage){
		.ops = &recorder_ops,
		.info =
			{
				.size = RECORDER_SIZE,
				.block_size = 512,
				.physical_block = 4096,
				.optimal_io = 65536,
				.discard_granularity = 4096,
				.write_zeroes = true,
				.volatile_cache = true,
				.writeback = true,
			},
		.name = "test",
	};
}

void recorder_expect(struct recorder *recorder, unsigned after, int result)
{
	recorder->count = 0;
	recorder->after = after;
	recorder->result = result;
}
