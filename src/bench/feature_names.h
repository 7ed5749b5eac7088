/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BENCH_FEATURE_NAMES_H
#define STRAIT_BENCH_FEATURE_NAMES_H

/* Names of feature bits as the specifications write them; NULL where this version knows none. */
const char *bench_feature_name(unsigned bit);
const char *bench_protocol_feature_name(unsigned bit);

#endif
