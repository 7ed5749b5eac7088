/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An in-flight region with any contents, as a front end may hand it over, under
 * a split or packed ring with any contents; both change while they are used.
 * The ring is used as a queue does: chains are taken, remembered by their name,
 * given back and published. Between two openings lies a crash at any moment.
 */
#include "driver_side.h"
#include "ram.h"
#include "virtio/virtq.h"

enum { SPLIT_ENTRY = 16, PACKED_ENTRY = 32, SPLIT_HEADER = 16, PACKED_HEADER = 32 };

struct run {
	struct input input;
	struct driver_side driver;
	struct virtq_setup setup;
	struct virtq vq;
	bool open;
	uint8_t *region;
	uint64_t region_bytes;
	bool taken[DRIVER_SIDE_MOST];
	struct virtq_chain chains[DRIVER_SIDE_MOST]; /* of those taken, by name */
	uint32_t held;                               /* that are taken */
};

static struct ram ram;
static struct iovec iov[DRIVER_SIDE_MOST][VIRTQ_MAX_IOV];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	ram_create(&ram);
	return 0;
}

/* This process is killed: whatever it knew is gone. */
static void crash(struct run *run)
{
	if (run->open)
		virtq_destroy(&run->vq);
	run->open = false;
	run->held = 0;
	memset(run->taken, 0, sizeof(run->taken));
}

static void open_ring(struct run *run)
{
	struct error err = {0};

	crash(run);
	run->open = virtq_init(&run->vq, &run->setup, &err) == 0;
	MUST(run->open || (err.code < 0 && err.text[0]));
	if (!run->open)
		virtq_destroy(&run->vq);
}

static void check_chain(const struct virtq_chain *chain)
{
	MUST(chain->readable + chain->writable <= VIRTQ_MAX_IOV);
	for (unsigned i = 0; i < chain->readable + chain->writable; i++)
		ram_check(&ram, chain->iov[i].iov_base, chain->iov[i].iov_len);
}

/* Take chains as queue_take() does, which refuses a name that is out already. */
static void take(struct run *run, unsigned most)
{
	while (run->open && most--) {
		struct virtq_chain chain;
		uint16_t head = UINT16_MAX;
		int ret = virtq_next(&run->vq, &head);

		if (ret == 0)
			return;
		if (ret > 0) {
			MUST(head < run->setup.size);
			if (run->taken[head])
				ret = virtq_break(&run->vq, "twice");
		}
		chain.iov = iov[head % DRIVER_SIDE_MOST];
		if (ret > 0)
			ret = virtq_walk(&run->vq, head, &chain);
		if (ret < 0) {
			MUST(run->vq.broken);
			return;
		}
		check_chain(&chain);
		MUST(chain.head == head);
		run->taken[head] = true;
		run->chains[head] = chain;
		run->held++;
		MUST(run->held <= run->setup.size);
	}
}

static void give_back(struct run *run, unsigned which)
{
	for (uint32_t i = 0; run->open && i < run->setup.size; i++) {
		const uint32_t head = (which + i) % run->setup.size;

		if (!run->taken[head])
			continue;
		virtq_push(&run->vq, &run->chains[head], which % 2 ? 512 : 0);
		run->taken[head] = false;
		run->held--;
		return;
	}
}

static void publish(struct run *run)
{
	if (run->open && virtq_unpublished(&run->vq))
		virtq_publish(&run->vq);
	if (run->open)
		(void)virtq_wants_call(&run->vq);
}

static void put_region(struct run *run, uint64_t at, const void *bytes, size_t length)
{
	if (at <= run->region_bytes && length <= run->region_bytes - at)
		memcpy(run->region + at, bytes, length);
}

/* A header that may be right. */
static void any_header(struct run *run)
{
	static const uint16_t versions[] = {1, 1, 1, 1, 0, 2, 65535};
	const uint64_t features = input_u8(&run->input) == 255;
	uint16_t fields[4] = {INPUT_PICK(&run->input, versions), (uint16_t)run->setup.inflight.entries};

	if (input_u8(&run->input) > 250)
		fields[1] = input_u16(&run->input);
	fields[2] = input_u16(&run->input) % (DRIVER_SIDE_MOST + 2);
	fields[3] = input_u16(&run->input) % (DRIVER_SIDE_MOST + 2);
	put_region(run, 0, &features, sizeof(features));
	put_region(run, 8, fields, sizeof(fields));
}

/* Used positions of a packed region. */
static void any_progress(struct run *run)
{
	const uint16_t used[2] = {input_u8(&run->input) % (DRIVER_SIDE_MOST + 1),
				  input_u8(&run->input) % (DRIVER_SIDE_MOST + 1)};
	const uint8_t wraps[2] = {input_u8(&run->input) % 3, input_u8(&run->input) % 3};

	put_region(run, 16, used, sizeof(used));
	put_region(run, 20, wraps, sizeof(wraps));
}

static void any_entry(struct run *run)
{
	struct input *input = &run->input;
	const uint8_t which = input_u8(input) % DRIVER_SIDE_MOST, state = input_u8(input) % 4;
	const uint16_t next = input_u8(input) % (DRIVER_SIDE_MOST + 2);
	const uint64_t counter = input_u8(input);
	const bool packed = run->driver.packed;
	const uint64_t at = packed ? PACKED_HEADER + which * PACKED_ENTRY : SPLIT_HEADER + which * SPLIT_ENTRY;
	uint16_t links[2], names[2];
	uint64_t address;
	uint32_t length;

	put_region(run, at, &state, sizeof(state));
	put_region(run, at + (packed ? 2 : 6), &next, sizeof(next));
	put_region(run, at + 8, &counter, sizeof(counter));
	if (!packed)
		return;
	links[0] = input_u8(input) % (DRIVER_SIDE_MOST + 1);
	links[1] = input_u8(input) % 8;
	names[0] = input_u8(input) % (DRIVER_SIDE_MOST + 1);
	names[1] = input_u8(input) % 16;
	length = input_u16(input);
	address = ram_any_address(input);
	put_region(run, at + 4, links, sizeof(links));
	put_region(run, at + 16, names, sizeof(names));
	put_region(run, at + 20, &length, sizeof(length));
	put_region(run, at + 24, &address, sizeof(address));
}

static void any_region_bytes(struct run *run)
{
	const uint16_t at = input_u16(&run->input);
	const uint64_t value = input_u64(&run->input);

	put_region(run, at % run->region_bytes, &value, 1 + at % 8);
}

static void step(struct run *run)
{
	struct input *input = &run->input;

	switch (input_u8(input) % 16) {
	case 0:
		driver_side_bytes(&run->driver, input);
		break;
	case 1:
		driver_side_descriptor(&run->driver, input);
		break;
	case 2:
		any_header(run);
		break;
	case 3:
		any_progress(run);
		break;
	case 4:
	case 5:
		any_entry(run);
		break;
	case 6:
		any_region_bytes(run);
		break;
	case 7:
		crash(run);
		break;
	case 8:
		open_ring(run);
		break;
	case 9:
	case 10:
		take(run, 1 + input_u8(input) % DRIVER_SIDE_MOST);
		break;
	case 11:
		give_back(run, input_u8(input));
		break;
	case 12:
		publish(run);
		break;
	default:
		driver_side_request(&run->driver, input);
	}
}

static void put_into_ram(void *memory, uint64_t guest, const void *bytes, size_t length)
{
	ram_write(memory, guest, bytes, length);
}

static void set_up(struct run *run)
{
	const uint8_t layout = input_u8(&run->input), more = input_u8(&run->input);
	const bool packed = layout & 1;
	const uint32_t size = packed ? 1u + (layout >> 2) % DRIVER_SIDE_MOST : 1u << (layout >> 2) % 7;
	const uint32_t entries = more & 0x80 ? 1u + more % DRIVER_SIDE_MOST : size;

	ram_clear(&ram);
	run->driver = (struct driver_side){
		.put = put_into_ram,
		.any_address = ram_any_address,
		.memory = &ram,
		.desc = RAM_DESC,
		.avail = RAM_AVAIL,
		.tables = RAM_TABLES,
		.headers = RAM_HEADERS,
		.data = RAM_DATA,
		.size = size,
		.packed = packed,
		.wrap = true,
	};
	/* Of exactly the size that there is said to be, for the sanitizer to watch. */
	run->region_bytes = inflight_bytes(packed, entries);
	run->region = calloc(1, run->region_bytes);
	MUST(run->region);
	run->setup = (struct virtq_setup){
		.map = &ram.map,
		.size = size,
		.base = virtq_first_base(packed),
		.desc = RAM_USER + RAM_DESC,
		.avail = RAM_USER + RAM_AVAIL,
		.used = RAM_USER + RAM_USED,
		.packed = packed,
		.event_idx = more & 1,
		.indirect = true,
		.inflight = {.at = run->region, .entries = entries},
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run run;

	run = (struct run){.input = {data, size}};
	set_up(&run);
	while (run.input.left)
		step(&run);
	/* And once more, whatever there is now, from the beginning to the end. */
	open_ring(&run);
	take(&run, 2 * DRIVER_SIDE_MOST);
	for (unsigned i = 0; i < DRIVER_SIDE_MOST; i++)
		give_back(&run, i);
	publish(&run);
	crash(&run);
	free(run.region);
	return 0;
}
