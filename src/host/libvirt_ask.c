/* SPDX-License-Identifier: Apache-2.0 */
#include "host/libvirt_ask.h"

#include <errno.h>

#ifdef HAVE_LIBVIRT
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "host/document.h"
#include "host/libvirt_strip.h"
#include "host/patience.h"

static const char *state_name(int state)
{
	switch (state) {
	case VIR_DOMAIN_RUNNING:
	case VIR_DOMAIN_BLOCKED:
		return "running";
	case VIR_DOMAIN_PAUSED:
		return "paused";
	case VIR_DOMAIN_SHUTDOWN:
		return "in shutdown";
	case VIR_DOMAIN_SHUTOFF:
		return "shut off";
	case VIR_DOMAIN_CRASHED:
		return "crashed";
	case VIR_DOMAIN_PMSUSPENDED:
		return "suspended";
	default:
		return NULL;
	}
}

static void take_domain(virDomain *domain, const char *uri, json_t *domains)
{
	char uuid[VIR_UUID_STRING_BUFLEN] = "", *xml = virDomainGetXMLDesc(domain, 0), *stripped;
	int state = -1, reason;
	json_t *entry;

	/* One that has just gone is none. */
	if (!xml || virDomainGetUUIDString(domain, uuid) < 0 || virDomainGetState(domain, &state, &reason, 0) < 0) {
		free(xml);
		return;
	}
	stripped = libvirt_strip(xml);
	entry = json_pack("{s:s, s:s, s:s?, s:s, s:s?}", "name", virDomainGetName(domain), "uuid", uuid, "state",
			  state_name(state), "uri", uri, "xml", stripped);
	if (entry)
		json_array_append_new(domains, entry);
	free(stripped);
	free(xml);
}

static int compare(const void *a, const void *b)
{
	return strcmp(virDomainGetName(*(virDomain *const *)a), virDomainGetName(*(virDomain *const *)b));
}

static void take_domains(virConnect *connection, const char *uri, json_t *domains)
{
	virDomain **found = NULL;
	const int count = virConnectListAllDomains(connection, &found, 0);

	if (count > 0)
		qsort(found, (size_t)count, sizeof(virDomainPtr), compare);
	for (int i = 0; i < count; i++) {
		take_domain(found[i], uri, domains);
		virDomainFree(found[i]);
	}
	free(found);
}

static void ask(const char *uri, json_t *all)
{
	virConnect *connection = virConnectOpenReadOnly(uri);

	if (!connection) {
		const char *message = virGetLastErrorMessage();
		char text[512];

		snprintf(text, sizeof(text), "%s: %s", uri, message ? message : "no connection");
		json_object_set_new(all, "error", json_string(text));
		return;
	}
	if (!json_object_get(all, "uri"))
		json_object_set_new(all, "uri", json_string(uri));
	take_domains(connection, uri, json_object_get(all, "domains"));
	virConnectClose(connection);
}

static bool has_socket(const char *directory)
{
	static const char *const names[] = {"virtqemud-sock-ro", "libvirt-sock-ro", "virtqemud-sock", "libvirt-sock"};
	char path[4096];

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/libvirt/%s", directory, names[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

/* What is worth a connection; the number of them. */
static unsigned uris(const char *uri[2])
{
	const char *own = getenv("LIBVIRT_DEFAULT_URI"), *runtime = getenv("XDG_RUNTIME_DIR");
	unsigned count = 0;

	if (own && *own) {
		uri[0] = own;
		return 1;
	}
	if (has_socket("/run"))
		uri[count++] = "qemu:///system";
	if (runtime && has_socket(runtime))
		uri[count++] = "qemu:///session";
	return count;
}

static void ignore(void *context, virError *error)
{
	(void)context;
	(void)error;
}

struct asking {
	const char *uri[2];
	unsigned count;
};

static ssize_t provide(void *context, char **text)
{
	const struct asking *asking = context;
	json_t *all = json_pack("{s:[]}", "domains");

	/* To look must not start a daemon. */
	setenv("LIBVIRT_AUTOSTART", "0", 1);
	virSetErrorFunc(NULL, ignore);
	for (unsigned i = 0; i < asking->count; i++)
		ask(asking->uri[i], all);
	return document_text(all, text);
}

/* A daemon that hangs takes its callers with it, and the library knows no time limit. */
int libvirt_gather(json_t **all)
{
	struct asking asking = {.count = 0};
	char *text = NULL;
	ssize_t length;

	*all = NULL;
	asking.count = uris(asking.uri);
	if (!asking.count)
		return -ENOENT;
	length = patience_ask(PATIENCE_MS, provide, &asking, &text);
	if (length < 0)
		return (int)length;
	*all = json_loadb(text, (size_t)length, 0, NULL);
	free(text);
	return *all ? 0 : -EPROTO;
}
#else
int libvirt_gather(json_t **all)
{
	*all = NULL;
	return -ENOENT;
}
#endif
