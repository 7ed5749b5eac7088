/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_ENGINE_MAILBOX_H
#define STRAIT_ENGINE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

/*
 * How work crosses threads: a message names a function that the owner of the
 * mailbox calls. Messages are part of what they are about, so that sending
 * allocates nothing; one may be sent again once its function has been called.
 * Any thread posts; one thread receives, in the order of posting.
 */
struct mailbox_message {
	struct mailbox_message *next;
	void (*run)(struct mailbox_message *message);
};

struct mailbox {
	struct mailbox_message *newest; /* last in, first out until received */
	int event_fd;                   /* readable when a message was posted into an empty mailbox */
};

/* 0 or a negative errno. */
int mailbox_init(struct mailbox *mailbox);
void mailbox_destroy(struct mailbox *mailbox);

void mailbox_post(struct mailbox *mailbox, struct mailbox_message *message);

static inline bool mailbox_has_messages(const struct mailbox *mailbox)
{
	return __atomic_load_n(&mailbox->newest, __ATOMIC_RELAXED) != NULL;
}

/* Run all messages there are; false if there were none. Does not touch event_fd. */
bool mailbox_run(struct mailbox *mailbox);

#endif
