/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_FUZZ_INPUT_H
#define STRAIT_TESTS_FUZZ_INPUT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The bytes of a fuzzer's input, taken one value after the other. Behind the end there are zeroes. */
struct input {
	const uint8_t *at;
	size_t left;
};

static inline void input_bytes(struct input *input, void *to, size_t length)
{
	size_t there = length < input->left ? length : input->left;

	if (there)
		memcpy(to, input->at, there);
	memset((char *)to + there, 0, length - there);
	input->at += there;
	input->left -= there;
}

static inline uint8_t input_u8(struct input *input)
{
	uint8_t value;

	input_bytes(input, &value, sizeof(value));
	return value;
}

static inline uint16_t input_u16(struct input *input)
{
	uint16_t value;

	input_bytes(input, &value, sizeof(value));
	return value;
}

static inline uint32_t input_u32(struct input *input)
{
	uint32_t value;

	input_bytes(input, &value, sizeof(value));
	return value;
}

static inline uint64_t input_u64(struct input *input)
{
	uint64_t value;

	input_bytes(input, &value, sizeof(value));
	return value;
}

/* One of the count entries of a table of values. */
#define INPUT_PICK(input, table) ((table)[input_u8(input) % (sizeof(table) / sizeof((table)[0]))])

/* Cut the first part off, as long as the input says. */
static inline struct input input_cut(struct input *input)
{
	size_t length = input_u16(input);
	struct input part = {.at = input->at, .left = length < input->left ? length : input->left};

	input->at += part.left;
	input->left -= part.left;
	return part;
}

/* What must hold whatever a peer does. It holds in every build: never an assert() that NDEBUG takes away. */
#define MUST(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                 \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

/* What libFuzzer calls (LibFuzzer's own names). */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
