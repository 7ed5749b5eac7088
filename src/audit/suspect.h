/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_AUDIT_SUSPECT_H
#define STRAIT_AUDIT_SUSPECT_H

#include "audit/diagnose.h"
#include "audit/observe.h"

/*
 * One thing that may make a guest slow, and how to look at it. look() says what it saw with the functions below; what
 * weighs most decides. Weights, so that suspects can be compared:
 *
 *	90 and more	explains it all: a thread that gets nothing, a device that fails
 *	60 to 90	measured, and large
 *	40 to 60	measured, and no longer small
 *	below 40	nothing measured: a setting that is known for it
 */
struct suspicion {
	const struct suspect *suspect;
	struct diagnosis *diagnosis;
	const struct observation *seen;
	struct cause *cause;
	unsigned room;
};

struct suspect {
	const char *id, *title;
	const char *measures; /* what is looked at, for those who ask why it is unknown */
	const char *cure;
	void (*look)(struct suspicion *suspicion);
};

/* It is (part of) the cause; weight as above. */
void suspect_found(struct suspicion *suspicion, double weight, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* This was seen and speaks against it. */
void suspect_clear(struct suspicion *suspicion, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* This could not be seen. */
void suspect_unknown(struct suspicion *suspicion, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* More about what was found. */
void suspect_tell(struct suspicion *suspicion, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What to type next; the last one counts. */
void suspect_next(struct suspicion *suspicion, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Another cause of the same suspect. title is the tree's or constant. */
void suspect_another(struct suspicion *suspicion, const char *id, const char *title, const char *cure);

/* "12.3 %" and "4.56 ms", "1.2 GiB": the tree's. */
const char *suspect_share(struct suspicion *suspicion, double share);
const char *suspect_ns(struct suspicion *suspicion, double ns);
const char *suspect_size(struct suspicion *suspicion, double bytes);

/* A weight that rises from low to high as value does. */
double suspect_weight(double value, double from, double to, double low, double high);

/* A name of the guest to type: one word of a shell. */
const char *suspect_guest(const struct suspicion *suspicion);

/* Each ends with a NULL id. */
extern const struct suspect suspects_threads[], suspects_storage[], suspects_memory[], suspects_device[],
	suspects_layers[];

#endif
