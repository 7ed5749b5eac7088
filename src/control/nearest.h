/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_CONTROL_NEAREST_H
#define STRAIT_CONTROL_NEAREST_H

/*
 * "Did you mean": the closer of two candidates to a word that nothing is
 * called, or NULL where neither is close enough to be a slip of the fingers.
 * best may be NULL. Call it over all candidates, with the last result.
 */
const char *nearest_of(const char *word, const char *best, const char *candidate);

#endif
