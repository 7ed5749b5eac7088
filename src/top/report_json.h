/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_TOP_REPORT_JSON_H
#define STRAIT_TOP_REPORT_JSON_H

#include "top/view.h"

/* One object for programs, with what the view lets through, in its order. Unknown is null. NULL: no memory. */
json_t *top_report_json(const struct top_view *view, struct top_rates *rates);

#endif
