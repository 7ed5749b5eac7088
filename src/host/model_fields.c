/* SPDX-License-Identifier: Apache-2.0 */
#include "host/model_fields.h"

/* In the order of the enums. */
static const char *const block_kinds[] = {"disk", "partition", "dm", "md", "loop", "other", NULL};
static const char *const net_kinds[] = {"physical", "virtual-function", "tap",   "bridge", "bond",
					"vlan",     "macvtap",          "other", NULL};
static const char *const hypervisors[] = {"qemu", "cloud-hypervisor", "firecracker", "other", NULL};
static const char *const sources[] = {"command-line", "libvirt", NULL};

static const struct model_field host_cpu_fields[] = {
	FIELD(host_cpu, number),
	FIELD(host_cpu, node),
	FIELD(host_cpu, package),
	FIELD(host_cpu, core),
	FIELD(host_cpu, siblings),
	FIELD(host_cpu, governor),
	FIELD(host_cpu, idle_latency_us),
	FIELD(host_cpu, idle_state),
	{.name = NULL},
};

static const struct model_field host_node_fields[] = {
	FIELD(host_node, number), FIELD(host_node, cpus), FIELD(host_node, memory),
	FIELD(host_node, free),   {.name = NULL},
};

static const struct model_field host_cpus_fields[] = {
	LIST(host_cpus, cpu, count, host_cpu, host_cpu_fields),
	LIST(host_cpus, node, node_count, host_node, host_node_fields),
	FIELD(host_cpus, vendor),
	FIELD(host_cpus, model),
	FIELD(host_cpus, virtualization),
	FIELD(host_cpus, amd),
	FIELD(host_cpus, hypervisor),
	FIELD(host_cpus, isolated),
	FIELD(host_cpus, nohz_full),
	FIELD(host_cpus, rcu_nocbs),
	FIELD(host_cpus, clocksource),
	{.name = NULL},
};

static const struct model_field host_hugepages_fields[] = {
	FIELD(host_hugepages, node),
	FIELD(host_hugepages, page),
	FIELD(host_hugepages, total),
	FIELD(host_hugepages, free),
	{.name = NULL},
};

static const struct model_field host_memory_fields[] = {
	FIELD(host_memory, total),
	FIELD(host_memory, available),
	FIELD(host_memory, swap_total),
	FIELD(host_memory, swap_free),
	FIELD(host_memory, dirty),
	FIELD(host_memory, writeback),
	LIST(host_memory, hugepages, hugepages_count, host_hugepages, host_hugepages_fields),
	FIELD(host_memory, thp),
	FIELD(host_memory, thp_defrag),
	FIELD(host_memory, ksm_run),
	FIELD(host_memory, ksm_merge_across_nodes),
	FIELD(host_memory, numa_balancing),
	FIELD(host_memory, swappiness),
	{.name = NULL},
};

static const struct model_field host_irq_fields[] = {
	FIELD(host_irq, number),  FIELD(host_irq, action),    FIELD(host_irq, pci),   FIELD(host_irq, device),
	FIELD(host_irq, allowed), FIELD(host_irq, effective), FIELD(host_irq, total), {.name = NULL},
};

static const struct model_field host_vector_fields[] = {
	FIELD(host_vector, name),
	FIELD(host_vector, about),
	FIELD(host_vector, total),
	{.name = NULL},
};

static const struct model_field host_irqs_fields[] = {
	LIST(host_irqs, irq, count, host_irq, host_irq_fields),
	LIST(host_irqs, vector, vector_count, host_vector, host_vector_fields),
	FIELD(host_irqs, irqbalance),
	FIELD(host_irqs, banned),
	{.name = NULL},
};

static const struct model_field host_pci_device_fields[] = {
	FIELD(host_pci_device, address),
	FIELD(host_pci_device, vendor),
	FIELD(host_pci_device, device),
	FIELD(host_pci_device, class),
	FIELD(host_pci_device, driver),
	FIELD(host_pci_device, node),
	FIELD(host_pci_device, iommu_group),
	FIELD(host_pci_device, local_cpus),
	FIELD(host_pci_device, vfs),
	FIELD(host_pci_device, vfs_max),
	FIELD(host_pci_device, physical),
	FIELD(host_pci_device, link_speed),
	FIELD(host_pci_device, link_speed_max),
	FIELD(host_pci_device, link_width),
	FIELD(host_pci_device, link_width_max),
	FIELD(host_pci_device, aer_correctable),
	FIELD(host_pci_device, aer_nonfatal),
	FIELD(host_pci_device, aer_fatal),
	{.name = NULL},
};

static const struct model_field host_iommu_group_fields[] = {
	FIELD(host_iommu_group, number),
	FIELD(host_iommu_group, type),
	TEXTS(host_iommu_group, address, count),
	{.name = NULL},
};

static const struct model_field host_pci_fields[] = {
	LIST(host_pci, device, count, host_pci_device, host_pci_device_fields),
	LIST(host_pci, group, group_count, host_iommu_group, host_iommu_group_fields),
	{.name = NULL},
};

static const struct model_field host_nvme_health_fields[] = {
	FIELD(host_nvme_health, critical_warning),
	FIELD(host_nvme_health, media_errors),
	FIELD(host_nvme_health, error_log_entries),
	FIELD(host_nvme_health, percent_used),
	{.name = NULL},
};

static const struct model_field host_block_fields[] = {
	FIELD(host_block, name),
	FIELD(host_block, major),
	FIELD(host_block, minor),
	ENUM(host_block, kind, block_kinds),
	FIELD(host_block, dm_name),
	FIELD(host_block, dm_kind),
	FIELD(host_block, md_level),
	FIELD(host_block, md_degraded),
	FIELD(host_block, loop_file),
	FIELD(host_block, loop_direct),
	FIELD(host_block, size),
	FIELD(host_block, start),
	TEXTS(host_block, below, below_count),
	FIELD(host_block, controller),
	FIELD(host_block, pci),
	FIELD(host_block, transport),
	FIELD(host_block, model),
	FIELD(host_block, node),
	FIELD(host_block, scheduler),
	FIELD(host_block, rotational),
	FIELD(host_block, nr_requests),
	FIELD(host_block, rq_affinity),
	FIELD(host_block, wbt_lat_us),
	FIELD(host_block, nomerges),
	FIELD(host_block, io_poll),
	FIELD(host_block, logical_block),
	FIELD(host_block, physical_block),
	FIELD(host_block, minimum_io),
	FIELD(host_block, optimal_io),
	FIELD(host_block, hardware_queues),
	FIELD(host_block, queue_tags),
	FIELD(host_block, aligned),
	FIELD(host_block, write_cache),
	POINTER(host_block, nvme, host_nvme_health_fields),
	FIELD(host_block, nvme_unreadable),
	FIELD(host_block, content),
	{.name = NULL},
};

static const struct model_field host_mount_fields[] = {
	FIELD(host_mount, source),  FIELD(host_mount, target), FIELD(host_mount, type),
	FIELD(host_mount, options), FIELD(host_mount, id),     FIELD(host_mount, parent),
	FIELD(host_mount, major),   FIELD(host_mount, minor),  {.name = NULL},
};

static const struct model_field host_blocks_fields[] = {
	LIST(host_blocks, block, count, host_block, host_block_fields),
	LIST(host_blocks, mount, mount_count, host_mount, host_mount_fields),
	POINTER(host_blocks, root, host_mount_fields),
	{.name = NULL},
};

static const struct model_field host_net_fields[] = {
	FIELD(host_net, name),
	FIELD(host_net, index),
	ENUM(host_net, kind, net_kinds),
	FIELD(host_net, master),
	FIELD(host_net, lower),
	FIELD(host_net, driver),
	FIELD(host_net, pci),
	FIELD(host_net, node),
	FIELD(host_net, state),
	FIELD(host_net, speed),
	FIELD(host_net, mtu),
	FIELD(host_net, adaptive_rx),
	FIELD(host_net, adaptive_tx),
	FIELD(host_net, rx_usecs),
	FIELD(host_net, tx_usecs),
	FIELD(host_net, rx_ring),
	FIELD(host_net, rx_ring_max),
	FIELD(host_net, tx_ring),
	FIELD(host_net, tx_ring_max),
	FIELD(host_net, channels),
	FIELD(host_net, channels_max),
	FIELD(host_net, defer_hard_irqs),
	FIELD(host_net, gro_flush_timeout),
	FIELD(host_net, threaded),
	FIELD(host_net, rx_dropped),
	FIELD(host_net, tx_dropped),
	FIELD(host_net, rx_errors),
	FIELD(host_net, tx_errors),
	FIELD(host_net, queues),
	{.name = NULL},
};

static const struct model_field host_nets_fields[] = {
	LIST(host_nets, net, count, host_net, host_net_fields),
	{.name = NULL},
};

static const struct model_field host_straitd_disk_fields[] = {
	FIELD(host_straitd_disk, name),   FIELD(host_straitd_disk, socket), FIELD(host_straitd_disk, file),
	FIELD(host_straitd_disk, queues), FIELD(host_straitd_disk, state),  JSON(host_straitd_disk, disk),
	JSON(host_straitd_disk, budget),  JSON(host_straitd_disk, profile), {.name = NULL},
};

static const struct model_field host_straitd_fields[] = {
	FIELD(host_straitd, socket),
	FIELD(host_straitd, unreadable),
	LIST(host_straitd, disk, count, host_straitd_disk, host_straitd_disk_fields),
	{.name = NULL},
};

const struct model_field model_guest_thread[] = {
	FIELD(guest_thread, tid),        FIELD(guest_thread, index),
	FIELD(guest_thread, name),       FIELD(guest_thread, allowed),
	FIELD(guest_thread, nodes),      FIELD(guest_thread, poll_max_ns),
	FIELD(guest_thread, cpu_cgroup), {.name = NULL},
};

const struct model_field model_guest_memory_backend[] = {
	FIELD(guest_memory_backend, id),         FIELD(guest_memory_backend, ram),
	FIELD(guest_memory_backend, size),       FIELD(guest_memory_backend, path),
	FIELD(guest_memory_backend, page),       FIELD(guest_memory_backend, share),
	FIELD(guest_memory_backend, prealloc),   FIELD(guest_memory_backend, merge),
	FIELD(guest_memory_backend, policy),     FIELD(guest_memory_backend, host_nodes),
	FIELD(guest_memory_backend, guest_cpus), {.name = NULL},
};

static const struct model_field guest_memory_place_fields[] = {
	FIELD(guest_memory_place, node),
	FIELD(guest_memory_place, bytes),
	{.name = NULL},
};

static const struct model_field guest_memory_fields[] = {
	FIELD(guest_memory, size),
	LIST(guest_memory, backend, backend_count, guest_memory_backend, model_guest_memory_backend),
	FIELD(guest_memory, locked),
	FIELD(guest_memory, balloon),
	FIELD(guest_memory, merge),
	LIST(guest_memory, place, place_count, guest_memory_place, guest_memory_place_fields),
	FIELD(guest_memory, huge_bytes),
	{.name = NULL},
};

static const struct model_field guest_image_fields[] = {
	FIELD(guest_image, format),      FIELD(guest_image, protocol),
	FIELD(guest_image, file),        FIELD(guest_image, preallocated),
	FIELD(guest_image, size),        FIELD(guest_image, cluster),
	FIELD(guest_image, cache_bytes), {.name = NULL},
};

static const struct model_field guest_throttle_fields[] = {
	FIELD(guest_throttle, iops),
	FIELD(guest_throttle, bps),
	{.name = NULL},
};

const struct model_field model_guest_disk[] = {
	FIELD(guest_disk, id),
	FIELD(guest_disk, target),
	FIELD(guest_disk, model),
	FIELD(guest_disk, bus),
	FIELD(guest_disk, controller),
	FIELD(guest_disk, queues),
	FIELD(guest_disk, queue_size),
	FIELD(guest_disk, iothread),
	TEXTS(guest_disk, iothreads, iothread_count),
	FIELD(guest_disk, cache),
	FIELD(guest_disk, aio),
	FIELD(guest_disk, discard),
	FIELD(guest_disk, detect_zeroes),
	FIELD(guest_disk, read_only),
	FIELD(guest_disk, cdrom),
	LIST(guest_disk, image, image_count, guest_image, guest_image_fields),
	FIELD(guest_disk, whole),
	FIELD(guest_disk, vhost_socket),
	PART(guest_disk, throttle, guest_throttle_fields),
	{.name = NULL},
};

const struct model_field model_guest_nic[] = {
	FIELD(guest_nic, id),           FIELD(guest_nic, mac),
	FIELD(guest_nic, model),        FIELD(guest_nic, backend),
	FIELD(guest_nic, interface),    FIELD(guest_nic, vhost),
	FIELD(guest_nic, queues),       FIELD(guest_nic, vhost_socket),
	FIELD(guest_nic, vhost_server), {.name = NULL},
};

static const struct model_field guest_hostdev_fields[] = {
	FIELD(guest_hostdev, id),
	FIELD(guest_hostdev, address),
	{.name = NULL},
};

static const struct model_field guest_quota_fields[] = {
	FIELD(guest_quota, cgroup),
	FIELD(guest_quota, max),
	{.name = NULL},
};

const struct model_field model_guest[] = {
	FIELD(guest, name),
	FIELD(guest, uuid),
	FIELD(guest, pid),
	FIELD(guest, state),
	ENUM(guest, hypervisor, hypervisors),
	ENUM(guest, source, sources),
	FIELD(guest, binary),
	FIELD(guest, version),
	FIELD(guest, accelerator),
	FIELD(guest, machine),
	FIELD(guest, cpu_model),
	TEXTS(guest, cpu_features, cpu_feature_count),
	FIELD(guest, hpet),
	FIELD(guest, realtime_locked),
	FIELD(guest, windows),
	LIST(guest, vcpu, vcpu_count, guest_thread, model_guest_thread),
	LIST(guest, iothread, iothread_count, guest_thread, model_guest_thread),
	LIST(guest, other, other_count, guest_thread, model_guest_thread),
	PART(guest, memory, guest_memory_fields),
	LIST(guest, disk, disk_count, guest_disk, model_guest_disk),
	LIST(guest, nic, nic_count, guest_nic, model_guest_nic),
	LIST(guest, hostdev, hostdev_count, guest_hostdev, guest_hostdev_fields),
	FIELD(guest, cgroup),
	FIELD(guest, cpu_cgroup),
	LIST(guest, quota, quota_count, guest_quota, guest_quota_fields),
	FIELD(guest, quotas_known),
	FIELD(guest, io_max),
	FIELD(guest, io_cgroup),
	FIELD(guest, io_weight),
	FIELD(guest, qmp),
	FIELD(guest, unreadable),
	{.name = NULL},
};

const struct model_field model_guests[] = {
	LIST(host_guests, guest, count, guest, model_guest),
	FIELD(host_guests, libvirt),
	FIELD(host_guests, libvirt_unreadable),
	{.name = NULL},
};

const struct model_field model_host[] = {
	FIELD(host, name),
	FIELD(host, kernel),
	FIELD(host, cmdline),
	PART(host, cpus, host_cpus_fields),
	PART(host, memory, host_memory_fields),
	PART(host, irqs, host_irqs_fields),
	PART(host, pci, host_pci_fields),
	PART(host, blocks, host_blocks_fields),
	PART(host, nets, host_nets_fields),
	PART(host, straitd, host_straitd_fields),
	PART(host, guests, model_guests),
	PART(host, rates, model_rates),
	{.name = NULL},
};
