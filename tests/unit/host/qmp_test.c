/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/qmp.h"
#include "host/tree.h"

/* What is there instead of QEMU, in a process of its own: what it says to each command. */
struct stand_in {
	char path[64];
	pid_t child;
};

typedef void answer(FILE *out, const char *command);

static void serve(int listener, answer *say)
{
	const int fd = accept(listener, NULL, NULL);
	FILE *in = fd < 0 ? NULL : fdopen(fd, "r"), *out = fd < 0 ? NULL : fdopen(dup(fd), "w");
	char line[1024];

	if (!in || !out)
		_exit(1);
	fputs("{\"QMP\":{\"version\":{},\"capabilities\":[]}}\n", out);
	while (fflush(out) == 0 && fgets(line, sizeof(line), in)) {
		fputs("{\"return\":", out);
		say(out, line);
		fputs("}\n", out);
	}
	_exit(0);
}

static struct stand_in begin(answer *say)
{
	struct stand_in made = {.child = -1};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(made.path, sizeof(made.path), "/tmp/strait-qmp-test-%d", getpid());
	strcpy(address.sun_path, made.path);
	unlink(made.path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	made.child = fork();
	assert_true(made.child >= 0);
	if (made.child == 0)
		serve(listener, say);
	close(listener);
	return made;
}

static void end(const struct stand_in *made)
{
	kill(made->child, SIGKILL);
	waitpid(made->child, NULL, 0);
	unlink(made->path);
}

static void repeat(FILE *out, const char *text, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		fputs(text, out);
}

/* Two megabytes, of which indentation makes two gigabytes. */
static void nest(FILE *out, const char *command)
{
	if (!strstr(command, "query-block")) {
		fputs("{}", out);
		return;
	}
	repeat(out, "[", 2000);
	repeat(out, "1,", 1000000);
	fputs("1", out);
	repeat(out, "]", 2000);
}

static void what_is_nested_stays_small(void **state)
{
	const struct stand_in made = begin(nest);
	const struct guest guest = {.pid = getpid(), .qmp = made.path};
	struct error err;
	struct tree *tree = tree_open_live(&err);
	struct qmp *qmp = qmp_new(tree, &guest);
	const char *text;
	json_t *answer;

	(void)state;
	answer = qmp_ask(qmp, "query-status", NULL, "query-status");
	assert_true(json_is_object(answer));
	json_decref(answer);
	assert_null(qmp_ask(qmp, "query-block", NULL, "query-block"));
	assert_int_equal(tree_ask(tree, &text, NULL, NULL, "qmp/%d/query-block.json", guest.pid), -E2BIG);
	/* and the next question is answered all the same */
	answer = qmp_ask(qmp, "query-kvm", NULL, "query-kvm");
	assert_true(json_is_object(answer));
	json_decref(answer);
	qmp_hang_up(qmp);
	tree_close(tree);
	end(&made);
}

/* Many devices on either list, and none is on both. */
static void list(FILE *out, const char *command)
{
	const bool blocks = strstr(command, "query-block");

	if (!blocks && !strstr(command, "qom-list")) {
		fputs("{}", out);
		return;
	}
	fputs("[{}", out);
	repeat(out, blocks ? ",{\"qdev\":\"a\"}" : ",{\"name\":\"b\"}", 100000);
	fputs("]", out);
}

static void long_lists_are_no_work(void **state)
{
	const struct stand_in made = begin(list);
	struct guest_disk disk = {.id = "mine"};
	struct guest guest = {.pid = getpid(), .qmp = made.path, .disk = &disk, .disk_count = 1};
	struct error err;
	struct tree *tree = tree_open_live(&err);

	(void)state;
	guest_qmp_read(tree, &guest);
	assert_int_equal(guest.disk_count, 1);
	assert_null(guest.unreadable);
	tree_close(tree);
	end(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_nested_stays_small),
		cmocka_unit_test(long_lists_are_no_work),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
