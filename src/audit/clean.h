/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_AUDIT_CLEAN_H
#define STRAIT_AUDIT_CLEAN_H

struct tree;

/*
 * What a machine says, fit to be shown: valid UTF-8 on one line, without control characters (a "?" each; white
 * space becomes a blank), of at most AUDIT_CLEAN_MAX bytes. NULL stays NULL. The tree's.
 */
#define AUDIT_CLEAN_MAX 400
const char *audit_clean(struct tree *tree, const char *text);

/* The same as one word of a shell's command line: quoted where it has to be. */
const char *audit_word(struct tree *tree, const char *text);

#endif
