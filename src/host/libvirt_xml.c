/* SPDX-License-Identifier: Apache-2.0 */
#include "host/libvirt_xml.h"

#include <string.h>

#include "host/libvirt.h"

/* As QEMU calls it: host-passthrough is -cpu host. */
static const char *cpu_model(struct tree *tree, const xmlNode *cpu)
{
	const char *mode = xml_get(tree, cpu, NULL, "mode");

	if (is(mode, "host-passthrough"))
		return "host";
	if (is(mode, "maximum"))
		return "max";
	/* Not yet started: which model it comes to is found out by then. */
	if (is(mode, "host-model") && !xml_child(cpu, "model"))
		return mode;
	return xml_text(tree, cpu, "model");
}

struct features {
	const char **word;
	unsigned count;
};

static void add_feature(struct features *features, const char *word)
{
	if (features->count < LIBVIRT_XML_MOST)
		features->word[features->count++] = word;
}

static void take_cpu_features(struct tree *tree, const xmlNode *cpu, struct features *features)
{
	for (const xmlNode *node = xml_child(cpu, "feature"); node; node = xml_next(node)) {
		const char *name = xml_get(tree, node, NULL, "name"), *policy = xml_get(tree, node, NULL, "policy");
		const bool off = is(policy, "disable") || is(policy, "forbid");

		if (name)
			add_feature(features, tree_format(tree, "%s=%s", name, off ? "off" : "on"));
	}
}

/* Of <hyperv>: QEMU's names are the same with "hv-" before them, but for one that counts. */
static void take_hyperv(struct tree *tree, const xmlNode *hyperv, struct features *features)
{
	if (xml_has(hyperv, NULL, "mode", "passthrough"))
		add_feature(features, "hv-passthrough=on");
	for (const xmlNode *node = hyperv ? hyperv->children : NULL; node; node = node->next) {
		const char *retries;

		if (node->type != XML_ELEMENT_NODE || xml_answer(node, NULL, "state") != 1)
			continue;
		retries = xml_get(tree, node, NULL, "retries");
		add_feature(features,
			    tree_format(tree, "hv-%s=%s", (const char *)node->name, retries ? retries : "on"));
	}
}

void libvirt_xml_cpu(struct tree *tree, const xmlNode *domain, struct guest *guest)
{
	const xmlNode *cpu = xml_child(domain, "cpu"), *features = xml_child(domain, "features");
	const xmlNode *hyperv = xml_child(features, "hyperv");
	/* Each element makes one at most. */
	size_t room = xml_count(cpu, "feature") + 2;
	struct features found = {0};

	for (const xmlNode *node = hyperv ? hyperv->children : NULL; node; node = node->next)
		room++;
	room = room < LIBVIRT_XML_MOST ? room : LIBVIRT_XML_MOST;
	found.word = tree_alloc(tree, room * sizeof(*found.word));
	guest->cpu_model = cpu_model(tree, cpu);
	take_cpu_features(tree, cpu, &found);
	take_hyperv(tree, hyperv, &found);
	if (xml_answer(xml_child(features, "kvm"), "hidden", "state") == 1)
		add_feature(&found, "kvm=off");
	guest->cpu_features = found.word;
	guest->cpu_feature_count = found.count;
}

/* <vcpupin vcpu='2' cpuset='3'/> and <iothreadpin iothread='1' cpuset='4'/>: of each thread of that number. */
static void take_pins(struct tree *tree, const xmlNode *domain, const char *element, const char *key,
		      struct guest_thread *thread, const int64_t *number, unsigned count)
{
	const xmlNode *pin = xml_child(xml_child(domain, "cputune"), element);
	const struct cpu_list all = cpu_list_parse(tree, xml_get(tree, domain, "vcpu", "cpuset"));

	for (unsigned i = 0; i < count; i++)
		thread[i].allowed = all;
	for (unsigned seen = 0; pin && seen < LIBVIRT_XML_MOST; pin = xml_next(pin), seen++) {
		const int64_t of = xml_number(pin, NULL, key);
		const struct cpu_list list = cpu_list_parse(tree, xml_get(tree, pin, NULL, "cpuset"));

		for (unsigned i = 0; i < count; i++) {
			if (number[i] == of)
				thread[i].allowed = list;
		}
	}
}

static void take_vcpus(struct tree *tree, const xmlNode *domain, struct guest *guest)
{
	int64_t count = xml_number(domain, "vcpu", "current"), *numbers;

	if (count < 0)
		count = xml_text_number(domain, "vcpu");
	if (count <= 0 || count > LIBVIRT_XML_MOST)
		return;
	guest->vcpu = tree_alloc(tree, (size_t)count * sizeof(*guest->vcpu));
	numbers = tree_alloc(tree, (size_t)count * sizeof(*numbers));
	for (; guest->vcpu_count < count; guest->vcpu_count++) {
		numbers[guest->vcpu_count] = guest->vcpu_count;
		guest->vcpu[guest->vcpu_count] = (struct guest_thread){
			.tid = HOST_UNKNOWN,
			.index = guest->vcpu_count,
			.poll_max_ns = HOST_UNKNOWN,
		};
	}
	take_pins(tree, domain, "vcpupin", "vcpu", guest->vcpu, numbers, guest->vcpu_count);
}

/* They are numbered from 1 where <iothreadids> does not say otherwise. */
static void take_iothreads(struct tree *tree, const xmlNode *domain, struct guest *guest)
{
	const xmlNode *ids = xml_child(domain, "iothreadids"), *id = xml_child(ids, "iothread");
	const int64_t said = xml_text_number(domain, "iothreads"), listed = xml_count(ids, "iothread");
	const int64_t count = said > listed ? said : listed;
	int64_t *numbers;

	if (count <= 0 || count > LIBVIRT_XML_MOST)
		return;
	guest->iothread = tree_alloc(tree, (size_t)count * sizeof(*guest->iothread));
	numbers = tree_alloc(tree, (size_t)count * sizeof(*numbers));
	for (unsigned i = 0; i < count; i++) {
		const int64_t number = id ? xml_number(id, NULL, "id") : HOST_UNKNOWN;

		numbers[i] = number > 0 ? number : i + 1;
		guest->iothread[i] = (struct guest_thread){
			.tid = HOST_UNKNOWN,
			.index = i,
			.name = tree_format(tree, "iothread%lld", (long long)numbers[i]),
			.poll_max_ns = xml_number(id, "poll", "max"),
		};
		id = id ? xml_next(id) : NULL;
	}
	guest->iothread_count = (unsigned)count;
	take_pins(tree, domain, "iothreadpin", "iothread", guest->iothread, numbers, guest->iothread_count);
}

void libvirt_xml_threads(struct tree *tree, const xmlNode *domain, struct guest *guest)
{
	const char *emulator = xml_get(tree, xml_child(domain, "cputune"), "emulatorpin", "cpuset");

	take_vcpus(tree, domain, guest);
	take_iothreads(tree, domain, guest);
	if (!emulator)
		return;
	guest->other = tree_alloc(tree, sizeof(*guest->other));
	guest->other_count = 1;
	guest->other[0] = (struct guest_thread){
		.tid = HOST_UNKNOWN,
		.name = "emulator",
		.allowed = cpu_list_parse(tree, emulator),
		.poll_max_ns = HOST_UNKNOWN,
	};
}

/* Hyper-V's enlightenments are of no use to another system; else libosinfo's word in the metadata. */
static host_answer is_windows(struct tree *tree, const xmlNode *domain, const struct guest *guest)
{
	const xmlNode *libosinfo = xml_child(xml_child(domain, "metadata"), "libosinfo");
	const char *os = xml_get(tree, libosinfo, "os", "id");

	for (unsigned i = 0; i < guest->cpu_feature_count; i++) {
		if (strncmp(guest->cpu_features[i], "hv-", 3) == 0)
			return 1;
	}
	return os ? strstr(os, "microsoft.com") != NULL : HOST_UNKNOWN;
}

static host_answer hpet(const xmlNode *domain)
{
	const xmlNode *timer = xml_child(xml_child(domain, "clock"), "timer");

	for (; timer; timer = xml_next(timer)) {
		if (xml_has(timer, NULL, "name", "hpet"))
			return xml_answer(timer, NULL, "present");
	}
	return HOST_UNKNOWN;
}

static void read_domain(struct tree *tree, const xmlNode *domain, struct guest *guest)
{
	const char *type = xml_get(tree, domain, NULL, "type");
	const xmlNode *devices = xml_child(domain, "devices");

	guest->name = xml_text(tree, domain, "name");
	guest->uuid = xml_text(tree, domain, "uuid");
	guest->accelerator = is(type, "kvm") ? "kvm" : is(type, "qemu") ? "tcg" : NULL;
	guest->hypervisor = guest->accelerator ? GUEST_QEMU : GUEST_OTHER;
	guest->binary = xml_text(tree, devices, "emulator");
	guest->machine = xml_get(tree, xml_child(domain, "os"), "type", "machine");
	guest->hpet = hpet(domain);
	libvirt_xml_cpu(tree, domain, guest);
	guest->windows = is_windows(tree, domain, guest);
	libvirt_xml_threads(tree, domain, guest);
	libvirt_xml_memory(tree, domain, guest);
	libvirt_xml_disks(tree, devices, guest);
	libvirt_xml_nics(tree, devices, guest);
	libvirt_xml_hostdevs(tree, devices, guest);
}

bool guest_read_xml(struct tree *tree, const char *xml, size_t length, struct guest *guest)
{
	xmlDoc *document = xml_parse(xml, length);
	const xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
	const bool is_domain = root && root->name && strcmp((const char *)root->name, "domain") == 0;

	*guest = (struct guest){
		.pid = HOST_UNKNOWN,
		.source = GUEST_OF_LIBVIRT,
		.quotas_known = HOST_UNKNOWN,
		.memory = {.locked = HOST_UNKNOWN, .balloon = HOST_UNKNOWN, .merge = HOST_UNKNOWN},
	};
	guest->memory.huge_bytes = (uint64_t)HOST_UNKNOWN;
	if (is_domain)
		read_domain(tree, root, guest);
	if (document)
		xmlFreeDoc(document);
	return is_domain && guest->name;
}
