/* SPDX-License-Identifier: Apache-2.0 */
#include "host/libvirt_ask.h"

#include <errno.h>

#ifdef HAVE_LIBVIRT
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "host/libvirt_strip.h"

#define PATIENCE_MS 5000
#define ANSWER_MAX  (64u << 20)

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

/* In a process of its own: a daemon that hangs takes its callers with it, and the library knows no time limit. */
static void gather_into(int fd, const char *const uri[2], unsigned count)
{
	json_t *all = json_pack("{s:[]}", "domains");
	int ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* To look must not start a daemon. */
	setenv("LIBVIRT_AUTOSTART", "0", 1);
	virSetErrorFunc(NULL, ignore);
	for (unsigned i = 0; i < count; i++)
		ask(uri[i], all);
	ret = json_dumpfd(all, fd, JSON_COMPACT);
	_exit(ret == 0 ? 0 : 1);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* All that comes until the other end is closed: 0, with *text, or an error. */
static int receive(int fd, char **text, size_t *length)
{
	const int64_t deadline = now_ms() + PATIENCE_MS;
	size_t room = 0;

	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		const int64_t left = deadline - now_ms();
		ssize_t got;

		if (left <= 0 || (poll(&ready, 1, (int)left) == 0))
			return -ETIMEDOUT;
		if (*length == room) {
			char *more = realloc(*text, room = room ? room * 2 : 65536);

			if (!more)
				return -ENOMEM;
			*text = more;
		}
		got = read(fd, *text + *length, room - *length);
		if (got == 0)
			return 0;
		if (got < 0 && errno != EINTR)
			return -errno;
		*length += got > 0 ? (size_t)got : 0;
		if (*length > ANSWER_MAX)
			return -E2BIG;
	}
}

static int gather(const char *const uri[2], unsigned count, json_t **all)
{
	char *text = NULL;
	size_t length = 0;
	int fds[2], ret;
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child == 0)
		gather_into(fds[1], uri, count);
	ret = child < 0 ? -errno : 0;
	close(fds[1]);
	if (ret == 0)
		ret = receive(fds[0], &text, &length);
	close(fds[0]);
	if (child > 0) {
		kill(child, SIGKILL);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	*all = ret == 0 ? json_loadb(text, length, 0, NULL) : NULL;
	free(text);
	return ret < 0 ? ret : *all ? 0 : -EPROTO;
}

int libvirt_gather(json_t **all)
{
	const char *uri[2] = {NULL};
	const unsigned count = uris(uri);

	*all = NULL;
	return count ? gather(uri, count, all) : -ENOENT;
}
#else
int libvirt_gather(json_t **all)
{
	*all = NULL;
	return -ENOENT;
}
#endif
