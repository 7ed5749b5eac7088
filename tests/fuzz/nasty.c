/* SPDX-License-Identifier: Apache-2.0 */
#include "nasty.h"

#include <errno.h>

#include "virtio/virtq.h"

static void check_data(const struct nasty *nasty, const struct storage_io *io)
{
	uint64_t sum = 0;

	MUST(io->length && io->iov_count && io->iov_count <= VIRTQ_MAX_IOV);
	for (uint32_t i = 0; i < io->iov_count; i++) {
		ram_check(nasty->ram, io->iov[i].iov_base, io->iov[i].iov_len);
		sum += io->iov[i].iov_len;
	}
	MUST(sum == io->length);
}

static void check(const struct nasty *nasty, const struct storage_io *io)
{
	const struct storage_info *info = &nasty->storage.info;

	MUST(io->op < STORAGE_OP_COUNT && io->done);
	MUST(!(io->flags & ~(uint32_t)(STORAGE_STABLE | STORAGE_UNMAP)));
	if (io->op == STORAGE_FLUSH)
		return;
	MUST(io->op == STORAGE_READ || !info->read_only);
	MUST(io->op != STORAGE_DISCARD || info->discard_granularity);
	MUST(io->op != STORAGE_WRITE_ZEROES || info->write_zeroes);
	MUST(((io->offset | io->length) & (info->block_size - 1)) == 0 && io->length);
	MUST(io->offset <= nasty->largest && io->length <= nasty->largest - io->offset);
	if (io->op <= STORAGE_WRITE)
		check_data(nasty, io);
}

/* Memory that changes under the device, at a moment of its choice. */
static void flip(struct nasty *nasty)
{
	for (unsigned count = input_u8(&nasty->script) % 4; count; count--) {
		uint64_t at = ram_any_address(&nasty->script);
		uint16_t value = input_u16(&nasty->script);

		ram_write(nasty->ram, at, &value, sizeof(value));
	}
}

__attribute__((no_sanitize("thread"))) static void transfer(const struct storage_io *io)
{
	volatile uint8_t sum = 0;

	for (uint32_t i = 0; io->op <= STORAGE_WRITE && i < io->iov_count; i++) {
		volatile uint8_t *at = io->iov[i].iov_base;

		for (size_t k = 0; k < io->iov[i].iov_len; k++) {
			if (io->op == STORAGE_READ)
				at[k] = (uint8_t)(k + io->offset / 512);
			else
				sum = (uint8_t)(sum + at[k]);
		}
	}
}

static int outcome(struct nasty *nasty)
{
	static const int results[] = {0, 0, 0, 0, 0, -EIO, -ENOSPC, -EOPNOTSUPP, -EFAULT};

	return INPUT_PICK(&nasty->script, results);
}

static void finish(struct nasty *nasty, struct storage_io *io, int result)
{
	if (result == 0)
		transfer(io);
	flip(nasty);
	io->done(io, result);
}

static void on_event(struct storage_io *io, int32_t result)
{
	struct nasty *nasty = (struct nasty *)io->owner;

	MUST(result == 0);
	finish(nasty, io, outcome(nasty));
}

static void nasty_submit(struct storage *storage, struct storage_thread *thread, struct storage_io *io)
{
	struct nasty *nasty = (struct nasty *)storage;
	struct io_uring_sqe *sqe;

	check(nasty, io);
	flip(nasty);
	switch (input_u8(&nasty->script) % 8) {
	case 0:
		sqe = storage_sqe(thread);
		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data(sqe, io);
		io->event = on_event;
		io->owner = storage;
		break;
	case 1:
		/* As from a thread of its own. */
		thread->post(thread, io, outcome(nasty));
		break;
	case 2:
	case 3:
		if (nasty->held_count < NASTY_MOST_HELD) {
			nasty->held[nasty->held_count++] = io;
			break;
		}
		__attribute__((fallthrough));
	default:
		finish(nasty, io, outcome(nasty));
	}
}

/* Now and then one of those that were held back, not always the oldest. */
static int nasty_poll(struct storage *storage, struct storage_thread *thread)
{
	struct nasty *nasty = (struct nasty *)storage;
	struct storage_io *io;
	unsigned which;

	(void)thread;
	if (!nasty->held_count)
		return 0;
	which = input_u8(&nasty->script) % nasty->held_count;
	io = nasty->held[which];
	nasty->held[which] = nasty->held[--nasty->held_count];
	finish(nasty, io, outcome(nasty));
	return 1;
}

static void nasty_close(struct storage *storage)
{
	(void)storage;
}

static const struct storage_ops nasty_ops = {
	.name = "nasty",
	.submit = nasty_submit,
	.poll = nasty_poll,
	.close = nasty_close,
};

void nasty_init(struct nasty *nasty, struct ram *ram, struct input script, uint8_t flags)
{
	*nasty = (struct nasty){.ram = ram, .script = script, .largest = NASTY_SIZE};
	nasty->storage = (struct storage){
		.ops = &nasty_ops,
		.info =
			{
				.size = NASTY_SIZE,
				.block_size = flags & 1 ? 4096 : 512,
				.physical_block = 4096,
				.discard_granularity = flags & 2 ? 0 : 4096,
				.read_only = flags & 4,
				.write_zeroes = !(flags & 8),
				.volatile_cache = true,
				.writeback = !(flags & 16),
			},
		.name = "fuzz",
	};
}
