/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "audit/map.h"
#include "host/model_json.h"

static const char *const kinds[] = {[PATH_DISK] = "disk", [PATH_NIC] = "nic", [PATH_HOSTDEV] = "hostdev"};
static const char *const weights[] = {[PATH_COST] = "cost", [PATH_RISK] = "risk"};

static unsigned add_layer(const struct path_layer *layer, const struct path_layer **found, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (found[i] == layer)
			return count;
	}
	if (count == MAP_LAYERS_MAX)
		return count;
	found[count++] = layer;
	for (unsigned i = 0; i < layer->below_count; i++)
		count = add_layer(layer->below[i], found, count);
	return count;
}

unsigned map_layers(const struct path *path, const struct path_layer *layer[MAP_LAYERS_MAX])
{
	return add_layer(path->top, layer, 0);
}

static json_t *facts(const struct path_layer *layer)
{
	json_t *object = json_object(), *list, *value;

	for (unsigned i = 0; i < layer->fact_count; i++) {
		const char *key = layer->fact[i].key;
		json_t *before = json_object_get(object, key);

		value = host_text_json(layer->fact[i].value);
		/* What comes more than once is a list. */
		if (!before) {
			json_object_set_new(object, key, value);
		} else if (json_is_array(before)) {
			json_array_append_new(before, value);
		} else {
			list = json_pack("[O,o]", before, value);
			json_object_set_new(object, key, list);
		}
	}
	return object;
}

static json_t *notes(const struct path_layer *layer)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < layer->note_count; i++)
		json_array_append_new(array, json_pack("{s:s, s:o}", "weight", weights[layer->note[i].weight], "text",
						       host_text_json(layer->note[i].text)));
	return array;
}

static json_t *below(const struct path_layer *layer, const struct path_layer *const *all, unsigned count)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < layer->below_count; i++) {
		for (unsigned id = 0; id < count; id++) {
			if (all[id] == layer->below[i])
				json_array_append_new(array, json_integer(id));
		}
	}
	return array;
}

static json_t *one(const struct path *path)
{
	const struct path_layer *all[MAP_LAYERS_MAX];
	const unsigned count = map_layers(path, all);
	json_t *layers = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(layers,
				      json_pack("{s:i, s:s, s:o, s:o, s:o, s:o}", "id", (int)i, "kind", all[i]->kind,
						"name", host_text_json(all[i]->name), "facts", facts(all[i]), "notes",
						notes(all[i]), "below", below(all[i], all, count)));
	return json_pack("{s:o, s:o, s:s, s:o, s:o}", "guest", host_text_json(path->guest->name), "pid",
			 path->guest->pid == HOST_UNKNOWN ? json_null() : json_integer(path->guest->pid), "kind",
			 kinds[path->kind], "name", host_text_json(path->name), "layers", layers);
}

json_t *map_json(struct tree *tree, const struct path *path, unsigned count)
{
	json_t *array = json_array();

	(void)tree;
	for (unsigned i = 0; i < count; i++)
		json_array_append_new(array, one(&path[i]));
	return array;
}
