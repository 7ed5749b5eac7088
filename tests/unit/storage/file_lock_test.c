/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Who may have an image open beside whom: two of ours, and one of ours beside QEMU's own programs. */

static int try_open(const char *path, bool read_only, struct storage **storage, struct error *err)
{
	struct storage_file_options options = {.path = path, .cache = STORAGE_CACHE_WRITEBACK, .read_only = read_only};

	memset(err, 0, sizeof(*err));
	return storage_file_open("vda", &options, storage, err);
}

static void must_open(const char *path, bool read_only, struct storage **storage)
{
	struct error err;

	if (try_open(path, read_only, storage, &err))
		fail_msg("%s", err.text);
}

static void must_refuse(const char *path, bool read_only, const char *who)
{
	struct storage *storage;
	struct error err;

	assert_int_equal(try_open(path, read_only, &storage, &err), -EBUSY);
	assert_contains(err.text, path);
	assert_contains(err.text, who);
}

static void a_writer_is_alone_in_this_process(void **state)
{
	const char *path = make_file("disk", 65536), *us = "another disk of this process";
	struct storage *first, *second;

	(void)state;
	must_open(path, false, &first);
	must_refuse(path, false, us);
	must_refuse(path, true, us);
	storage_close(first);
	/* Neither the one that was closed nor those that were refused have left a lock. */
	must_open(path, true, &first);
	must_refuse(path, false, us);
	must_open(path, true, &second);
	storage_close(first);
	must_refuse(path, false, us);
	storage_close(second);
	must_open(path, false, &first);
	storage_close(first);
}

/* A link is another name of the same image. */
static void another_name_is_no_way_round(void **state)
{
	const char *path = make_file("disk", 65536), *other = in_directory("link");
	struct storage *storage;

	(void)state;
	assert_int_equal(link(path, other), 0);
	must_open(path, false, &storage);
	must_refuse(other, false, "another disk of this process");
	storage_close(storage);
}

/* A lock of the old kind, over the whole file, by a process the kernel names. */
static void other_locks_count(void **state)
{
	const char *path = make_file("disk", 65536);
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int ready[2], status;
	char byte, who[64];
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		int fd = open(path, O_RDWR);

		if (fd < 0 || fcntl(fd, F_SETLK, &lock) || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	snprintf(who, sizeof(who), "process %d (", child);
	must_refuse(path, false, who);
	must_refuse(path, true, who);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	close(ready[0]);
	close(ready[1]);
}

static bool have(const char *program)
{
	char command[128];

	snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", program);
	return system(command) == 0;
}

#define need(program)                                                                                                  \
	do {                                                                                                           \
		if (!have(program))                                                                                    \
			skip_because("%s is not installed", program);                                                  \
	} while (0)

/* qemu-io with an image open, waiting for commands. */
struct qemu_io {
	pid_t pid;
	FILE *commands, *answers;
};

/* False where it would not open the image. */
static bool qemu_io_start(struct qemu_io *qemu, const char *path, bool read_only)
{
	int in[2], out[2], status;
	char line[256];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	qemu->pid = fork();
	assert_true(qemu->pid >= 0);
	if (!qemu->pid) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		if (freopen("/dev/null", "w", stderr))
			execlp("qemu-io", "qemu-io", "-f", "raw", read_only ? "-r" : path, read_only ? path : NULL,
			       NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	qemu->commands = fdopen(in[1], "w");
	qemu->answers = fdopen(out[0], "r");
	/* It answers when the image is open, and ends where it cannot be. */
	fprintf(qemu->commands, "length\n");
	fflush(qemu->commands);
	if (fgets(line, sizeof(line), qemu->answers))
		return true;
	fclose(qemu->commands);
	fclose(qemu->answers);
	waitpid(qemu->pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	return false;
}

static void qemu_io_stop(struct qemu_io *qemu)
{
	int status;

	fprintf(qemu->commands, "quit\n");
	fclose(qemu->commands);
	waitpid(qemu->pid, &status, 0);
	fclose(qemu->answers);
}

static void qemu_keeps_us_out(void **state)
{
	const char *path = make_file("disk", 65536);
	struct storage *storage;
	struct qemu_io qemu;
	char who[64];

	(void)state;
	need("qemu-io");
	signal(SIGPIPE, SIG_IGN);
	assert_true(qemu_io_start(&qemu, path, false));
	snprintf(who, sizeof(who), "process %d (qemu-io)", qemu.pid);
	must_refuse(path, false, who);
	must_refuse(path, true, who);
	qemu_io_stop(&qemu);
	must_open(path, false, &storage);
	storage_close(storage);
}

static void we_keep_qemu_out(void **state)
{
	const char *path = make_file("disk", 65536);
	struct storage *storage;
	struct qemu_io qemu;

	(void)state;
	need("qemu-io");
	signal(SIGPIPE, SIG_IGN);
	for (int read_only = 0; read_only < 2; read_only++) {
		must_open(path, read_only, &storage);
		assert_false(qemu_io_start(&qemu, path, false));
		storage_close(storage);
		assert_true(qemu_io_start(&qemu, path, false));
		qemu_io_stop(&qemu);
	}
}

static void readers_get_along_with_qemu(void **state)
{
	const char *path = make_file("disk", 65536);
	struct storage *storage;
	struct qemu_io qemu;

	(void)state;
	need("qemu-io");
	signal(SIGPIPE, SIG_IGN);
	must_open(path, true, &storage);
	assert_true(qemu_io_start(&qemu, path, true));
	storage_close(storage);
	must_open(path, true, &storage);
	qemu_io_stop(&qemu);
	storage_close(storage);
}

static int qemu_img(const char *command, const char *path)
{
	const char *size = !strncmp(command, "resize", 6) ? "1M" : "";
	char line[1024];

	snprintf(line, sizeof(line), "qemu-img %s '%s' %s >/dev/null 2>&1", command, path, size);
	return system(line);
}

static void qemu_img_does_not_touch_our_disk(void **state)
{
	const char *path = make_file("disk", 65536);
	struct storage *storage;

	(void)state;
	need("qemu-img");
	must_open(path, false, &storage);
	assert_int_not_equal(qemu_img("bench -w -c 1 -f raw", path), 0);
	assert_int_not_equal(qemu_img("resize -f raw", path), 0);
	/* QEMU's tools share what they only look at with a writer, one of QEMU's or ours. */
	assert_int_equal(qemu_img("info -f raw", path), 0);
	storage_close(storage);
	must_open(path, true, &storage);
	assert_int_equal(qemu_img("info -f raw", path), 0);
	assert_int_not_equal(qemu_img("bench -w -c 1 -f raw", path), 0);
	storage_close(storage);
	assert_int_equal(qemu_img("bench -w -c 1 -f raw", path), 0);
	assert_int_equal(qemu_img("resize -f raw", path), 0);
}

/* Two that are locked only while they run: open beside each other, active one at a time. */
static void handed_over(void **state)
{
	const char *path = make_file("disk", 65536);
	struct storage_file_options options = {.path = path, .cache = STORAGE_CACHE_WRITEBACK, .lock_running = true};
	struct storage *first, *second, *third;
	struct error err = {0};

	(void)state;
	assert_int_equal(storage_file_open("vda", &options, &first, &err), 0);
	assert_int_equal(storage_file_open("vdb", &options, &second, &err), 0);
	assert_int_equal(storage_activate(first, &err), 1);
	assert_int_equal(storage_activate(first, &err), 0);
	/* However often it is refused, it leaves nothing behind. */
	for (unsigned i = 0; i < 3; i++) {
		err.text[0] = '\0';
		assert_int_equal(storage_activate(second, &err), -EBUSY);
		assert_contains(err.text, "in use by another disk of this process");
	}
	must_refuse(path, false, "another disk");
	storage_deactivate(first);
	storage_deactivate(first);
	assert_int_equal(storage_activate(second, &err), 1);
	assert_int_equal(storage_activate(first, &err), -EBUSY);
	/* It may also just end. */
	storage_close(second);
	assert_int_equal(storage_activate(first, &err), 1);
	storage_deactivate(first);
	/* Whoever locks it for good locks out both. */
	must_open(path, false, &third);
	assert_int_equal(storage_activate(third, &err), 0);
	storage_deactivate(third);
	assert_int_equal(storage_activate(first, &err), -EBUSY);
	storage_close(third);
	storage_close(first);
}

/* Of a descriptor that is on its way through a socket the lock is held, by nobody that can be found. */
static void send_descriptor(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = {0}, byte = 0;
	struct iovec data = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	assert_int_equal(sendmsg(socket, &message, 0), 1);
}

static void *close_later(void *socket)
{
	usleep(1500000);
	close(*(int *)socket);
	return NULL;
}

static void what_a_dead_one_left_is_waited_for(void **state)
{
	const char *path = make_file("disk", 65536);
	struct storage_file_options options = {.path = path, .cache = STORAGE_CACHE_WRITEBACK, .at_once = true};
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1000};
	struct storage *storage;
	pthread_t thread;
	struct error err;
	int ends[2], fd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	send_descriptor(ends[0], fd);
	close(fd);
	assert_int_equal(storage_file_open("vda", &options, &storage, &err), -EBUSY);
	close(ends[0]);
	assert_int_equal(pthread_create(&thread, NULL, close_later, &ends[1]), 0);
	must_open(path, false, &storage);
	pthread_join(thread, NULL);
	storage_close(storage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_writer_is_alone_in_this_process),
		cmocka_unit_test(another_name_is_no_way_round),
		cmocka_unit_test(handed_over),
		cmocka_unit_test(other_locks_count),
		cmocka_unit_test(qemu_keeps_us_out),
		cmocka_unit_test(we_keep_qemu_out),
		cmocka_unit_test(readers_get_along_with_qemu),
		cmocka_unit_test(qemu_img_does_not_touch_our_disk),
		cmocka_unit_test(what_a_dead_one_left_is_waited_for),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
