/* SPDX-License-Identifier: Apache-2.0 */
#include "control/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sanitized.h"
#include "control/units.h"

#define OWN_USER "strait"
#define NOBODY   65534 /* where the user database has no such name either */

static void take_user(struct sandbox *sandbox, const struct passwd *entry)
{
	sandbox->uid = entry->pw_uid;
	sandbox->gid = entry->pw_gid;
	sandbox->has_groups = true;
	snprintf(sandbox->user, sizeof(sandbox->user), "user %.50s", entry->pw_name);
}

/* The user that the configuration names: by its name, or by a number, which need not have one. */
static int find_user(struct sandbox *sandbox, const char *name, struct error *err)
{
	const struct passwd *entry = getpwnam(name);
	uint64_t number;

	if (!entry && units_parse_uint(name, &number) == 0 && number < UINT32_MAX) {
		entry = getpwuid((uid_t)number);
		sandbox->uid = (uid_t)number;
		sandbox->gid = (gid_t)number;
		snprintf(sandbox->user, sizeof(sandbox->user), "user %u", sandbox->uid);
		if (!entry)
			return 0;
	}
	if (!entry)
		return error_set(err, -EINVAL,
				 "user: \"%.60s\": no such user: expected one of this machine's, or a number", name);
	take_user(sandbox, entry);
	return 0;
}

/* One of the daemon's own, else the one that owns nothing; but other programs may run as that, too. */
static void find_default_user(struct sandbox *sandbox)
{
	const struct passwd *entry = getpwnam(OWN_USER);

	if (entry) {
		take_user(sandbox, entry);
		return;
	}
	entry = getpwnam("nobody");
	sandbox->uid = sandbox->gid = NOBODY;
	snprintf(sandbox->user, sizeof(sandbox->user), "user %d", NOBODY);
	if (entry)
		take_user(sandbox, entry);
	strncat(sandbox->user, " (there is no user " OWN_USER ")", sizeof(sandbox->user) - strlen(sandbox->user) - 1);
}

/* Who is not root has no choice. */
static int stay(struct sandbox *sandbox, struct error *err)
{
	const char *wanted = sandbox->options.user;
	uid_t other = geteuid();

	if (wanted) {
		int ret = find_user(sandbox, wanted, err);

		if (ret < 0)
			return ret;
		other = sandbox->uid;
	}
	sandbox->uid = geteuid();
	sandbox->gid = getegid();
	snprintf(sandbox->user, sizeof(sandbox->user), "user %u%s", sandbox->uid,
		 other != sandbox->uid ? " (not root, so not the one configured)" : "");
	sandbox->stays_refused = other != sandbox->uid;
	return 0;
}

int sandbox_init(struct sandbox *sandbox, const struct sandbox_options *options, struct error *err)
{
	int ret = 0;

	*sandbox = (struct sandbox){.options = *options, .uid = geteuid(), .gid = getegid()};
	snprintf(sandbox->user, sizeof(sandbox->user), "user %u", sandbox->uid);
	snprintf(sandbox->landlock, sizeof(sandbox->landlock), "Landlock left out");
	snprintf(sandbox->seccomp, sizeof(sandbox->seccomp), "seccomp left out");
	if (!sandbox_wants(options, SANDBOX_USER))
		return 0;
	if (geteuid() != 0)
		return stay(sandbox, err);
	if (options->user)
		ret = find_user(sandbox, options->user, err);
	else
		find_default_user(sandbox);
	sandbox->change_user = ret == 0 && sandbox->uid != 0;
	return ret;
}

/* A part cannot be had: that is an error if all are required, and else the daemon goes on without it. */
static int miss(const struct sandbox *sandbox, const char *part, int code, struct error *err)
{
	if (sandbox->options.mode == SANDBOX_REQUIRED)
		return error_set(err, code,
				 "sandbox: %s: %s: expected all of the sandbox, which the configuration requires", part,
				 strerror(-code));
	log_warning("sandbox: %s: %s; going on without it", part, strerror(-code));
	return 0;
}

static int drop_paths(struct sandbox *sandbox, struct error *err)
{
	int version;

	if (!sandbox_wants(&sandbox->options, SANDBOX_LANDLOCK))
		return 0;
	if (STRAIT_SANITIZED) {
		snprintf(sandbox->landlock, sizeof(sandbox->landlock), "no Landlock under a sanitizer");
		return 0;
	}
	version = sandbox_landlock(NULL, 0);
	if (version >= 0) {
		snprintf(sandbox->landlock, sizeof(sandbox->landlock), "Landlock ABI %d (no path)", version);
		return 0;
	}
	snprintf(sandbox->landlock, sizeof(sandbox->landlock), "no Landlock (%s)",
		 version == -ENOSYS || version == -EOPNOTSUPP ? "not in this kernel" : strerror(-version));
	return miss(sandbox, "Landlock", version, err);
}

int sandbox_drop(struct sandbox *sandbox, struct error *err)
{
	int ret;

	if (sandbox->options.mode == SANDBOX_OFF)
		return 0;
	if (sandbox->stays_refused && sandbox->options.mode == SANDBOX_REQUIRED)
		return error_set(err, -EPERM,
				 "user: \"%.60s\": only root can become another user, and this is user %u: expected "
				 "to be started as root, or as that user",
				 sandbox->options.user, sandbox->uid);
	ret = sandbox_become(sandbox);
	sandbox->capabilities = ret == 0;
	if (ret < 0)
		ret = miss(sandbox, "user and capabilities", ret, err);
	if (ret == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		ret = miss(sandbox, "no_new_privs", -errno, err);
	if (ret == 0)
		ret = drop_paths(sandbox, err);
	/* The leak check of a sanitizer looks at the process from outside. */
	if (STRAIT_SANITIZED)
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return ret;
}

int sandbox_filter(struct sandbox *sandbox, struct error *err)
{
	int calls;

	if (!sandbox_wants(&sandbox->options, SANDBOX_SECCOMP))
		return 0;
	if (STRAIT_SANITIZED) {
		snprintf(sandbox->seccomp, sizeof(sandbox->seccomp), "no seccomp under a sanitizer");
		return 0;
	}
	calls = sandbox_seccomp();
	if (calls >= 0) {
		snprintf(sandbox->seccomp, sizeof(sandbox->seccomp), "seccomp (%d calls)", calls);
		return 0;
	}
	snprintf(sandbox->seccomp, sizeof(sandbox->seccomp), "no seccomp (%s)", strerror(-calls));
	return miss(sandbox, "seccomp", calls, err);
}

void sandbox_describe(const struct sandbox *sandbox, bool rings_restricted, char *text, size_t capacity)
{
	if (sandbox->options.mode == SANDBOX_OFF)
		snprintf(text, capacity, "off, user %u", geteuid());
	else
		snprintf(text, capacity, "%s, %s, %s, %s, io_uring %s", sandbox->user,
			 sandbox->capabilities ? "no capabilities" : "capabilities as they were", sandbox->landlock,
			 sandbox->seccomp,
			 rings_restricted                                      ? "restricted"
			 : !sandbox_wants(&sandbox->options, SANDBOX_IO_URING) ? "left as it is"
									       : "not restricted by this kernel");
}

void sandbox_describe_build(char *text, size_t capacity)
{
	const struct scmp_version *version = seccomp_version();

	if (STRAIT_SANITIZED)
		snprintf(text, capacity,
			 "sandbox: user, capabilities, io_uring; no seccomp and Landlock under a sanitizer");
	else
		snprintf(text, capacity,
			 "sandbox: user, capabilities, Landlock, seccomp (libseccomp %u.%u.%u), io_uring",
			 version->major, version->minor, version->micro);
}
