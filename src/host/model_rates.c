/* SPDX-License-Identifier: Apache-2.0 */
#include "host/model_fields.h"

static const struct model_field rate_cpu_fields[] = {
	FIELD(rate_cpu, number), FIELD(rate_cpu, busy), FIELD(rate_cpu, steal),
	FIELD(rate_cpu, iowait), FIELD(rate_cpu, irq),  {.name = NULL},
};

static const struct model_field rate_thread_fields[] = {
	FIELD(rate_thread, pid),         FIELD(rate_thread, tid),   FIELD(rate_thread, comm),
	FIELD(rate_thread, run),         FIELD(rate_thread, delay), FIELD(rate_thread, switches),
	FIELD(rate_thread, involuntary), FIELD(rate_thread, cpu),   {.name = NULL},
};

static const struct model_field rate_irq_fields[] = {
	FIELD(rate_irq, number),   FIELD(rate_irq, total), FIELD(rate_irq, most),
	FIELD(rate_irq, most_cpu), {.name = NULL},
};

static const struct model_field rate_disk_fields[] = {
	FIELD(rate_disk, name),
	FIELD(rate_disk, reads),
	FIELD(rate_disk, writes),
	FIELD(rate_disk, read_bytes),
	FIELD(rate_disk, write_bytes),
	FIELD(rate_disk, utilization),
	FIELD(rate_disk, await_ns),
	FIELD(rate_disk, read_await_ns),
	FIELD(rate_disk, write_await_ns),
	FIELD(rate_disk, depth),
	{.name = NULL},
};

static const struct model_field rate_net_fields[] = {
	FIELD(rate_net, name),     FIELD(rate_net, rx_packets), FIELD(rate_net, tx_packets), FIELD(rate_net, rx_bytes),
	FIELD(rate_net, tx_bytes), FIELD(rate_net, rx_dropped), FIELD(rate_net, tx_dropped), {.name = NULL},
};

static const struct model_field rate_exit_fields[] = {
	FIELD(rate_exit, pid),
	FIELD(rate_exit, reason),
	FIELD(rate_exit, rate),
	{.name = NULL},
};

static const struct model_field rate_process_fields[] = {
	FIELD(rate_process, pid), FIELD(rate_process, comm), FIELD(rate_process, run), FIELD(rate_process, cpu),
	{.name = NULL},
};

static const struct model_field rate_quota_fields[] = {
	FIELD(rate_quota, pid),
	FIELD(rate_quota, cgroup),
	FIELD(rate_quota, throttled),
	{.name = NULL},
};

static const struct model_field rate_group_fields[] = {
	FIELD(rate_group, pid),         FIELD(rate_group, major),
	FIELD(rate_group, minor),       FIELD(rate_group, reads),
	FIELD(rate_group, writes),      FIELD(rate_group, read_bytes),
	FIELD(rate_group, write_bytes), {.name = NULL},
};

static const struct model_field rate_guest_disk_fields[] = {
	FIELD(rate_guest_disk, pid),
	FIELD(rate_guest_disk, id),
	FIELD(rate_guest_disk, reads),
	FIELD(rate_guest_disk, writes),
	FIELD(rate_guest_disk, flushes),
	FIELD(rate_guest_disk, bytes),
	FIELD(rate_guest_disk, await_ns),
	FIELD(rate_guest_disk, flush_await_ns),
	{.name = NULL},
};

static const struct model_field rate_pressure_fields[] = {
	FIELD(rate_pressure, some),
	FIELD(rate_pressure, full),
	{.name = NULL},
};

const struct model_field model_rates[] = {
	FIELD(host_rates, seconds),
	LIST(host_rates, cpu, cpu_count, rate_cpu, rate_cpu_fields),
	LIST(host_rates, thread, thread_count, rate_thread, rate_thread_fields),
	LIST(host_rates, irq, irq_count, rate_irq, rate_irq_fields),
	LIST(host_rates, disk, disk_count, rate_disk, rate_disk_fields),
	LIST(host_rates, net, net_count, rate_net, rate_net_fields),
	LIST(host_rates, exit, exit_count, rate_exit, rate_exit_fields),
	LIST(host_rates, process, process_count, rate_process, rate_process_fields),
	LIST(host_rates, quota, quota_count, rate_quota, rate_quota_fields),
	LIST(host_rates, group, group_count, rate_group, rate_group_fields),
	LIST(host_rates, guest_disk, guest_disk_count, rate_guest_disk, rate_guest_disk_fields),
	PART(host_rates, cpu_pressure, rate_pressure_fields),
	PART(host_rates, io_pressure, rate_pressure_fields),
	PART(host_rates, memory_pressure, rate_pressure_fields),
	FIELD(host_rates, dirty),
	FIELD(host_rates, writeback),
	FIELD(host_rates, swap_in),
	FIELD(host_rates, swap_out),
	FIELD(host_rates, reclaim),
	{.name = NULL},
};
