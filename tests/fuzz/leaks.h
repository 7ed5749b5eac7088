/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TESTS_FUZZ_LEAKS_H
#define STRAIT_TESTS_FUZZ_LEAKS_H

/* Descriptors that this process has open: as many after an input as before. */
unsigned open_descriptors(void);

#endif
