/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "host/model_json.h"

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void test_guest(void **state)
{
	static const unsigned numbers[] = {0, 1, 2, 5, 7, 8};
	const char *const features[] = {"+invtsc", "hv_relaxed=on"};
	struct guest_thread vcpus[] = {
		{.tid = HOST_UNKNOWN, .index = 3, .allowed = {6, numbers}, .poll_max_ns = HOST_UNKNOWN},
		{.tid = 17, .index = 4},
	};
	struct guest_disk disk = {.id = "virtio-disk0", .queues = HOST_UNKNOWN, .read_only = 1, .cdrom = HOST_UNKNOWN};
	struct guest guest = {
		.name = "db1",
		.pid = 4711,
		.source = GUEST_OF_LIBVIRT,
		.cpu_features = features,
		.cpu_feature_count = 2,
		.vcpu = vcpus,
		.vcpu_count = 2,
		.disk = &disk,
		.disk_count = 1,
		.memory = {.size = 1 << 30, .huge_bytes = (uint64_t)HOST_UNKNOWN, .locked = 0},
	};
	json_t *json = host_guest_json(&guest), *vcpu, *found;

	(void)state;
	assert_string_equal(text_of(json, "name"), "db1");
	assert_true(json_is_null(json_object_get(json, "uuid")));
	assert_int_equal(json_integer_value(json_object_get(json, "pid")), 4711);
	assert_string_equal(text_of(json, "source"), "libvirt");
	assert_string_equal(text_of(json, "hypervisor"), "qemu");
	assert_string_equal(json_string_value(json_array_get(json_object_get(json, "cpu-features"), 1)),
			    "hv_relaxed=on");
	vcpu = json_array_get(json_object_get(json, "vcpu"), 0);
	assert_int_equal(json_array_size(json_object_get(json, "vcpu")), 2);
	assert_true(json_is_null(json_object_get(vcpu, "tid")));
	assert_string_equal(text_of(vcpu, "allowed"), "0-2,5,7-8");
	assert_string_equal(text_of(json_array_get(json_object_get(json, "vcpu"), 1), "allowed"), "");
	found = json_array_get(json_object_get(json, "disk"), 0);
	assert_true(json_is_true(json_object_get(found, "read-only")));
	assert_true(json_is_null(json_object_get(found, "cdrom")));
	assert_true(json_is_null(json_object_get(found, "queues")));
	found = json_object_get(json, "memory");
	assert_int_equal(json_integer_value(json_object_get(found, "size")), 1 << 30);
	assert_true(json_is_null(json_object_get(found, "huge-bytes")));
	assert_true(json_is_false(json_object_get(found, "locked")));
	json_decref(json);
}

static void test_machine(void **state)
{
	const uint64_t counts[] = {5, 9};
	struct host_cpu cpus[] = {{.number = 0}, {.number = 1}};
	struct host_irq irq = {.number = 24, .counts = counts, .total = 14};
	struct host_block block = {.name = "dm-0", .kind = HOST_BLOCK_DM};
	struct rate_cpu rate = {.number = 1, .busy = 0.5, .steal = NAN};
	struct host host = {
		.cpus = {.cpu = cpus, .count = 2},
		.irqs = {.irq = &irq, .count = 1},
		.blocks = {.block = &block, .count = 1},
		.rates = {.cpu = &rate, .cpu_count = 1},
	};
	json_t *json = host_json(&host), *found;

	(void)state;
	found = json_array_get(json_object_get(json_object_get(json, "irqs"), "irq"), 0);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(found, "counts"), 1)), 9);
	found = json_array_get(json_object_get(json_object_get(json, "blocks"), "block"), 0);
	assert_string_equal(text_of(found, "kind"), "dm");
	assert_true(json_is_null(json_object_get(found, "nvme")));
	found = json_array_get(json_object_get(json_object_get(json, "rates"), "cpu"), 0);
	assert_true(json_real_value(json_object_get(found, "busy")) == 0.5);
	assert_true(json_is_null(json_object_get(found, "steal")));
	json_decref(json);
}

static void check_text(const char *text, const char *expected)
{
	json_t *json = host_text_json(text);

	assert_non_null(json);
	assert_string_equal(json_string_value(json), expected);
	json_decref(json);
}

static void test_texts(void **state)
{
	json_t *null = host_text_json(NULL);

	(void)state;
	assert_true(json_is_null(null));
	json_decref(null);
	check_text("vm-\xc3\xa4", "vm-\xc3\xa4");
	check_text("a\xff"
		   "b\xc3",
		   "a\xef\xbf\xbd"
		   "b\xef\xbf\xbd");
	/* Overlong, a surrogate, and past the last character. */
	check_text("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");
	check_text("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	check_text("\xf4\x90\x80\x80|\xf0\x9f\x98\x80",
		   "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|\xf0\x9f\x98\x80");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guest),
		cmocka_unit_test(test_machine),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
