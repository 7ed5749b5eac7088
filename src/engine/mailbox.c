/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/mailbox.h"

#include <errno.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_init(struct mailbox *mailbox)
{
	mailbox->newest = NULL;
	mailbox->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return mailbox->event_fd < 0 ? -errno : 0;
}

void mailbox_destroy(struct mailbox *mailbox)
{
	close(mailbox->event_fd);
}

void mailbox_post(struct mailbox *mailbox, struct mailbox_message *message)
{
	struct mailbox_message *newest = __atomic_load_n(&mailbox->newest, __ATOMIC_RELAXED);

	do {
		message->next = newest;
		/* Pairs with the exchange in mailbox_run(): what the message points to is seen with it. */
	} while (!__atomic_compare_exchange_n(&mailbox->newest, &newest, message, true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
	/* Once posted the message may be gone already; newest is what lay there before. */
	if (!newest)
		eventfd_write(mailbox->event_fd, 1);
}

bool mailbox_run(struct mailbox *mailbox)
{
	struct mailbox_message *message, *ordered = NULL;

	if (!mailbox_has_messages(mailbox))
		return false;
	message = __atomic_exchange_n(&mailbox->newest, NULL, __ATOMIC_ACQUIRE);
	while (message) {
		struct mailbox_message *next = message->next;

		message->next = ordered;
		ordered = message;
		message = next;
	}
	while (ordered) {
		struct mailbox_message *next = ordered->next;

		ordered->run(ordered);
		ordered = next;
	}
	return true;
}
