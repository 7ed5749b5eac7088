/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox_attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/sandbox.h"

struct sandbox_world world;

static struct sockaddr_un listening_address(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", world.listening_path);
	return address;
}

/* What a completion of the ring says: 0 or more is success. */
static int by_ring(void)
{
	struct io_uring_cqe *cqe;

	if (io_uring_submit_and_wait(&world.ring, 1) < 0 || io_uring_peek_cqe(&world.ring, &cqe) < 0)
		return -EIO;
	return cqe->res;
}

static int result(long value)
{
	return value < 0 ? -errno : 0;
}

/* The attempts: 0 or more where it worked, a negative errno where not. */

static int open_another_file(void)
{
	return result(open("/etc/passwd", O_RDONLY));
}

static int open_the_image_again(void)
{
	return result(open(world.file, O_RDWR));
}

static int make_a_directory(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/made", world.directory);
	return result(mkdir(path, 0700));
}

static int remove_a_file(void)
{
	return result(unlink(world.file));
}

static int change_a_mode(void)
{
	return result(chmod(world.file, 0666));
}

static int run_a_program(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return -errno;
}

static int start_a_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int connect_to_a_socket(void)
{
	struct sockaddr_un address = listening_address();
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return fd < 0 ? -errno : result(connect(fd, (struct sockaddr *)&address, sizeof(address)));
}

static int make_an_internet_socket(void)
{
	return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int trace_a_process(void)
{
	return result(ptrace(PTRACE_ATTACH, world.victim, NULL, NULL));
}

static int read_its_memory(void)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {&world, 1};

	return result(process_vm_readv(world.victim, &here, 1, &there, 1, 0));
}

static int signal_a_process(void)
{
	return result(kill(world.victim, SIGCONT));
}

/* The kernel would send it whenever the descriptor is ready. */
static int signal_by_a_descriptor(void)
{
	return result(fcntl(world.pair[0], F_SETOWN, world.victim));
}

static int become_root(void)
{
	return result(setuid(0));
}

static int make_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		       ? -errno
		       : 0;
}

static int set_up_another_ring(void)
{
	struct io_uring ring;

	return io_uring_queue_init(2, &ring, 0);
}

static int open_by_ring(void)
{
	io_uring_prep_openat(io_uring_get_sqe(&world.ring), AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	return by_ring();
}

static int connect_by_ring(void)
{
	struct sockaddr_un address = listening_address();
	int ret;

	io_uring_prep_connect(io_uring_get_sqe(&world.ring), world.pair[0], (struct sockaddr *)&address,
			      sizeof(address));
	ret = by_ring();
	/* The socket is connected already, which is not what keeps a sandboxed one. */
	return ret == -EISCONN || ret == -EINVAL ? 0 : ret;
}

static int unlink_by_ring(void)
{
	io_uring_prep_unlinkat(io_uring_get_sqe(&world.ring), AT_FDCWD, world.file, 0);
	return by_ring();
}

/* What a daemon goes on doing. */

static int read_and_write_the_image(void)
{
	char text[4] = "abc";

	if (pwrite(world.file_fd, text, 4, 0) != 4 || pread(world.file_fd, text, 4, 0) != 4)
		return -errno;
	return fdatasync(world.file_fd) < 0 ? -errno : 0;
}

static int read_the_image_by_ring(void)
{
	char text[4];

	io_uring_prep_read(io_uring_get_sqe(&world.ring), world.file_fd, text, sizeof(text), 0);
	return by_ring();
}

static int share_memory(void)
{
	int fd = memfd_create("shared", MFD_CLOEXEC);
	void *at;

	if (fd < 0 || ftruncate(fd, 8192) < 0)
		return -errno;
	at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	memset(at, 1, 8192);
	return mprotect(at, 4096, PROT_READ) < 0 || munmap(at, 8192) < 0 ? -errno : 0;
}

static int hand_a_descriptor_over(void)
{
	char byte = 0;
	struct iovec iov = {&byte, 1};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.header), &world.file_fd, sizeof(int));
	if (sendmsg(world.pair[0], &message, MSG_NOSIGNAL) != 1)
		return -errno;
	return recvmsg(world.pair[1], &message, MSG_CMSG_CLOEXEC) == 1 ? 0 : -errno;
}

/* Nobody is waiting: that is all an attempt to accept can find out here. */
static int accept_a_front_end(void)
{
	return accept4(world.listener, NULL, NULL, SOCK_CLOEXEC) < 0 && errno == EAGAIN ? 0 : -errno;
}

static int signal_events(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	return fd < 0 || eventfd_write(fd, 1) < 0 ? -errno : close(fd);
}

const struct attempt escapes[] = {
	{"open another file", open_another_file, ALONE_SECCOMP | ALONE_LANDLOCK, 1},
	{"open the image again", open_the_image_again, ALONE_SECCOMP | ALONE_LANDLOCK, 1},
	{"make a directory", make_a_directory, ALONE_SECCOMP | ALONE_LANDLOCK, 1},
	{"remove a file", remove_a_file, ALONE_SECCOMP | ALONE_LANDLOCK, 1},
	{"change a mode", change_a_mode, ALONE_SECCOMP, 0},
	{"run a program", run_a_program, ALONE_SECCOMP | ALONE_LANDLOCK, 1},
	{"start a process", start_a_process, ALONE_SECCOMP, 0},
	{"connect to a socket", connect_to_a_socket, ALONE_SECCOMP, 0},
	{"make an internet socket", make_an_internet_socket, ALONE_SECCOMP, 0},
	{"trace a process", trace_a_process, ALONE_SECCOMP | ALONE_LANDLOCK, 1},
	{"read the memory of a process", read_its_memory, ALONE_SECCOMP | ALONE_LANDLOCK, 1},
	{"signal a process", signal_a_process, ALONE_SECCOMP | ALONE_LANDLOCK, 6},
	{"signal by a descriptor", signal_by_a_descriptor, ALONE_SECCOMP, 0},
	{"become root", become_root, ALONE_SECCOMP | NEEDS_ROOT, 0},
	{"make code", make_code, ALONE_SECCOMP, 0},
	{"set up another ring", set_up_another_ring, ALONE_SECCOMP, 0},
	{"open by the ring", open_by_ring, ALONE_RING | ALONE_LANDLOCK, 1},
	{"connect by the ring", connect_by_ring, ALONE_RING, 0},
	{"unlink by the ring", unlink_by_ring, ALONE_RING | ALONE_LANDLOCK, 1},
};

const struct attempt chores[] = {
	{"read and write the image", read_and_write_the_image, 0, 0},
	{"read the image by the ring", read_the_image_by_ring, 0, 0},
	{"share memory", share_memory, 0, 0},
	{"hand a descriptor over", hand_a_descriptor_over, 0, 0},
	{"accept a front end", accept_a_front_end, 0, 0},
	{"signal events", signal_events, 0, 0},
};

const unsigned escape_count = sizeof(escapes) / sizeof(escapes[0]);
const unsigned chore_count = sizeof(chores) / sizeof(chores[0]);

int set_world(void **state)
{
	struct sockaddr_un address;

	(void)state;
	snprintf(world.directory, sizeof(world.directory), "/tmp/strait-sandbox-XXXXXX");
	assert_non_null(mkdtemp(world.directory));
	/* Whoever the sandbox becomes: it is not this that keeps it. */
	assert_int_equal(chmod(world.directory, 0777), 0);
	snprintf(world.file, sizeof(world.file), "%s/image", world.directory);
	snprintf(world.listening_path, sizeof(world.listening_path), "%s/socket", world.directory);
	world.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	address = listening_address();
	assert_int_equal(bind(world.listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(world.listener, 1), 0);
	assert_int_equal(chmod(world.listening_path, 0777), 0);
	world.victim = fork();
	if (world.victim == 0) {
		struct sandbox sandbox = {.change_user = false};

		/* With no more rights than who attacks it. */
		for (sandbox_become(&sandbox);;)
			pause();
	}
	return 0;
}

int clear_world(void **state)
{
	(void)state;
	kill(world.victim, SIGKILL);
	waitpid(world.victim, NULL, 0);
	close(world.listener);
	unlink(world.listening_path);
	return rmdir(world.directory);
}

/* The world as it is before each attempt. */
void renew_world(void)
{
	char made[128];
	int connected;

	snprintf(made, sizeof(made), "%s/made", world.directory);
	rmdir(made);
	unlink(world.file);
	world.file_fd = open(world.file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	assert_true(world.file_fd >= 0);
	assert_int_equal(fchmod(world.file_fd, 0666), 0);
	assert_int_equal(ftruncate(world.file_fd, 4096), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, world.pair), 0);
	while ((connected = accept4(world.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(connected);
}

void close_world(void)
{
	close(world.file_fd);
	close(world.pair[0]);
	close(world.pair[1]);
	unlink(world.file);
}
