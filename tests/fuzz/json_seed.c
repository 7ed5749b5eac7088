/* SPDX-License-Identifier: Apache-2.0 */
/* For targets that make JSON: the order of an object's keys is the same each time. */
#include "input.h"

#include <jansson.h>

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	json_object_seed(1);
	return 0;
}
