/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "host/array.h"
#include "host/qemu.h"
#include "host/tree.h"

static bool is_x86(const struct guest *guest)
{
	return strstr(guest->binary, "x86_64") || strstr(guest->binary, "i386") || strstr(guest->binary, "kvm");
}

/* The last -machine or -M that has the key. */
static const char *machine_key(const struct qemu_command *command, const char *key)
{
	const char *value = qemu_option_key(command, "machine", key);

	return value ? value : qemu_option_key(command, "M", key);
}

static const char *first_of_list(struct tree *tree, const char *list)
{
	return tree_format(tree, "%.*s", (int)strcspn(list, ":"), list);
}

/* By this name QEMU prefers KVM (softmmu/vl.c): some distributions have a link. */
static bool is_called_kvm(const char *binary)
{
	const size_t length = strlen(binary);

	return length >= 3 && strcmp(binary + length - 3, "kvm") == 0;
}

/* Of several the first one, which QEMU tries first; QMP says which it became. */
static const char *read_accelerator(struct tree *tree, const struct qemu_command *command)
{
	const char *named = machine_key(command, "accel");

	for (unsigned i = 0; i < command->count; i++) {
		const char *accel = strcmp(command->option[i].name, "accel") == 0
					    ? qemu_key(&command->option[i].keys, "accel")
					    : NULL;

		if (accel)
			return first_of_list(tree, accel);
	}
	if (qemu_option_find(command, "enable-kvm"))
		return "kvm";
	if (named)
		return first_of_list(tree, named);
	return is_called_kvm(command->binary) ? "kvm" : "tcg";
}

static void add_feature(struct tree *tree, struct guest *guest, const char *feature)
{
	const char **features;

	features = array_grow(tree, (void *)guest->cpu_features, guest->cpu_feature_count, sizeof(*features));
	features[guest->cpu_feature_count++] = feature;
	guest->cpu_features = features;
	/* hv_relaxed, hv-vapic=on: Hyper-V's interfaces, which only Windows uses */
	if (strncmp(feature, "hv_", 3) == 0 || strncmp(feature, "hv-", 3) == 0)
		guest->windows = 1;
}

/* "host,+invtsc,hv_relaxed=on" */
static void read_cpu(struct tree *tree, const struct qemu_command *command, struct guest *guest)
{
	const struct qemu_option *cpu = qemu_option_find(command, "cpu");
	const char *text = cpu ? cpu->text : is_x86(guest) ? "qemu64" : NULL;
	bool first = true;

	while (text && *text) {
		const size_t length = strcspn(text, ",");
		const char *word = tree_format(tree, "%.*s", (int)length, text);

		if (first)
			guest->cpu_model = word;
		else if (*word && guest->cpu_feature_count < QEMU_KEYS_MAX)
			add_feature(tree, guest, word);
		first = false;
		text += length + (text[length] == ',');
	}
}

/* -smp 4,sockets=2,cores=2: cpus is their product where it is not given */
static unsigned read_cpu_count(const struct qemu_command *command)
{
	static const char *const levels[] = {"drawers", "books",    "sockets", "dies",
					     "modules", "clusters", "cores",   "threads"};
	const struct qemu_option *smp = qemu_option_find(command, "smp");
	int64_t count = smp ? qemu_number(qemu_key(&smp->keys, "cpus"), 0) : 1;
	int64_t product = 1;

	for (unsigned i = 0; smp && i < sizeof(levels) / sizeof(levels[0]); i++) {
		const int64_t number = qemu_number(qemu_key(&smp->keys, levels[i]), 1);

		if (number > 0 && number < CPU_LIST_END && product < CPU_LIST_END)
			product *= number;
	}
	if (count <= 0)
		count = product;
	return count < CPU_LIST_END ? (unsigned)count : CPU_LIST_END - 1;
}

/*
 * "-device host-x86_64-cpu,socket-id=0,core-id=1,thread-id=0": one more, as Proxmox starts guests whose CPUs can be
 * plugged.
 */
static unsigned read_plugged(const struct qemu_command *command)
{
	unsigned count = 0;

	for (unsigned i = 0; i < command->count; i++) {
		const struct qemu_keys *keys = &command->option[i].keys;
		const char *driver = strcmp(command->option[i].name, "device") == 0 ? qemu_key(keys, "driver") : NULL;
		const size_t length = driver ? strlen(driver) : 0;

		count += length > 4 && strcmp(driver + length - 4, "-cpu") == 0 && qemu_key(keys, "core-id");
	}
	return count;
}

static void read_vcpus(struct tree *tree, const struct qemu_command *command, struct guest *guest)
{
	guest->vcpu_count = read_cpu_count(command) + read_plugged(command);
	if (guest->vcpu_count >= CPU_LIST_END)
		guest->vcpu_count = CPU_LIST_END - 1;
	guest->vcpu = tree_alloc(tree, guest->vcpu_count * sizeof(*guest->vcpu));
	for (unsigned i = 0; i < guest->vcpu_count; i++)
		guest->vcpu[i] = (struct guest_thread){.tid = HOST_UNKNOWN, .index = i, .poll_max_ns = HOST_UNKNOWN};
}

/* QEMU's own default of an iothread's polling, since 2.9. */
#define POLL_MAX_NS 32768

static void read_iothreads(struct tree *tree, const struct qemu_command *command, struct guest *guest)
{
	for (unsigned i = 0; i < command->count; i++) {
		const struct qemu_option *option = &command->option[i];
		const char *kind = qemu_key(&option->keys, "qom-type");
		struct guest_thread *thread;

		if (strcmp(option->name, "object") != 0 || !kind || strcmp(kind, "iothread") != 0)
			continue;
		guest->iothread = array_grow(tree, guest->iothread, guest->iothread_count, sizeof(*guest->iothread));
		thread = &guest->iothread[guest->iothread_count];
		thread->tid = HOST_UNKNOWN;
		thread->index = guest->iothread_count++;
		thread->name = qemu_key(&option->keys, "id");
		thread->poll_max_ns = qemu_number(qemu_key(&option->keys, "poll-max-ns"), POLL_MAX_NS);
	}
}

/* On in the PC machines unless it was turned off in one of two ways. */
static host_answer has_hpet(const struct qemu_command *command, const struct guest *guest)
{
	const bool pc =
		guest->machine && (strncmp(guest->machine, "pc", 2) == 0 || strncmp(guest->machine, "q35", 3) == 0);

	if (qemu_option_find(command, "no-hpet"))
		return 0;
	return qemu_answer(machine_key(command, "hpet"), pc);
}

/* -overcommit mem-lock=on, formerly -realtime mlock=on, whose default is on */
static host_answer is_locked(const struct qemu_command *command)
{
	const char *lock = qemu_option_key(command, "overcommit", "mem-lock");

	if (!lock && qemu_option_find(command, "realtime"))
		return qemu_answer(qemu_option_key(command, "realtime", "mlock"), 1);
	/* "on-fault" since 9.2 */
	return lock && strcmp(lock, "on-fault") == 0 ? 1 : qemu_answer(lock, 0);
}

void qemu_machine_read(struct tree *tree, const struct qemu_command *command, struct guest *guest)
{
	const struct qemu_option *uuid = qemu_option_find(command, "uuid");
	const char *smbios = qemu_option_key(command, "smbios", "uuid");

	guest->hypervisor = GUEST_QEMU;
	guest->source = GUEST_OF_COMMAND_LINE;
	guest->binary = command->binary;
	guest->name = qemu_option_key(command, "name", "guest");
	guest->uuid = uuid ? uuid->text : smbios;
	guest->machine = machine_key(command, "type");
	if (!guest->machine && is_x86(guest))
		guest->machine = "pc";
	guest->accelerator = read_accelerator(tree, command);
	guest->windows = guest->quotas_known = HOST_UNKNOWN;
	guest->hpet = has_hpet(command, guest);
	guest->realtime_locked = is_locked(command);
	read_cpu(tree, command, guest);
	read_vcpus(tree, command, guest);
	read_iothreads(tree, command, guest);
	guest->qmp = qemu_qmp_socket(tree, command, guest->pid);
	/* QMP tells of its devices. */
	if (!guest->qmp && command->unread_config)
		guest->unreadable =
			tree_format(tree, "what its -readconfig %s adds is not known", command->unread_config);
}

void qemu_guest_read(struct tree *tree, const struct qemu_command *command, struct guest *guest)
{
	qemu_machine_read(tree, command, guest);
	qemu_memory_read(tree, command, guest);
	qemu_disks_read(tree, command, guest);
	qemu_nics_read(tree, command, guest);
	qemu_hostdevs_read(tree, command, guest);
}
