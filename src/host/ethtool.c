/* SPDX-License-Identifier: Apache-2.0 */
#include "host/ethtool.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "host/document.h"
#include "host/tree.h"

/* A kernel that does not answer is none that has ethtool. */
#define PATIENCE_S 2

struct ask {
	struct mnl_socket *socket;
	uint16_t family;
	uint32_t sequence;
	const char *name;
	const struct request *request; /* under way */
	json_t *object;                /* what it adds to */
};

struct request {
	uint8_t command;
	uint16_t header; /* attribute that names the interface */
	const char *name;
	struct {
		uint16_t type;
		const char *name;
		bool is_answer; /* u8 that is yes or no; else u32 */
	} attribute[9];
};

static const struct request requests[] = {
	{ETHTOOL_MSG_COALESCE_GET,
	 ETHTOOL_A_COALESCE_HEADER,
	 "coalesce",
	 {{ETHTOOL_A_COALESCE_USE_ADAPTIVE_RX, "adaptive_rx", true},
	  {ETHTOOL_A_COALESCE_USE_ADAPTIVE_TX, "adaptive_tx", true},
	  {ETHTOOL_A_COALESCE_RX_USECS, "rx_usecs", false},
	  {ETHTOOL_A_COALESCE_TX_USECS, "tx_usecs", false},
	  {ETHTOOL_A_COALESCE_RX_MAX_FRAMES, "rx_frames", false},
	  {ETHTOOL_A_COALESCE_TX_MAX_FRAMES, "tx_frames", false}}},
	{ETHTOOL_MSG_RINGS_GET,
	 ETHTOOL_A_RINGS_HEADER,
	 "rings",
	 {{ETHTOOL_A_RINGS_RX, "rx", false},
	  {ETHTOOL_A_RINGS_TX, "tx", false},
	  {ETHTOOL_A_RINGS_RX_MAX, "rx_max", false},
	  {ETHTOOL_A_RINGS_TX_MAX, "tx_max", false}}},
	{ETHTOOL_MSG_CHANNELS_GET,
	 ETHTOOL_A_CHANNELS_HEADER,
	 "channels",
	 {{ETHTOOL_A_CHANNELS_RX_COUNT, "rx", false},
	  {ETHTOOL_A_CHANNELS_TX_COUNT, "tx", false},
	  {ETHTOOL_A_CHANNELS_COMBINED_COUNT, "combined", false},
	  {ETHTOOL_A_CHANNELS_RX_MAX, "rx_max", false},
	  {ETHTOOL_A_CHANNELS_TX_MAX, "tx_max", false},
	  {ETHTOOL_A_CHANNELS_COMBINED_MAX, "combined_max", false}}},
};

static struct nlmsghdr *begin(struct ask *ask, char *buffer, uint16_t family, uint8_t command)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *generic;

	message->nlmsg_type = family;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message->nlmsg_seq = ++ask->sequence;
	generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));
	generic->cmd = command;
	generic->version = 1;
	return message;
}

/* Send a message and hand what comes back to take(), until the kernel has acknowledged it. */
static int converse(struct ask *ask, const struct nlmsghdr *message, mnl_cb_t take)
{
	char buffer[16384];
	int result = 1;

	if (mnl_socket_sendto(ask->socket, message, message->nlmsg_len) < 0)
		return -errno;
	while (result > 0) {
		const ssize_t length = mnl_socket_recvfrom(ask->socket, buffer, sizeof(buffer));

		if (length <= 0)
			return length < 0 ? -errno : -EIO;
		result = mnl_cb_run(buffer, (size_t)length, ask->sequence, mnl_socket_get_portid(ask->socket), take,
				    ask);
	}
	return result < 0 ? -errno : 0;
}

static int take_family(const struct nlmsghdr *message, void *context)
{
	struct ask *ask = context;
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attribute) == CTRL_ATTR_FAMILY_ID &&
		    mnl_attr_validate(attribute, MNL_TYPE_U16) >= 0)
			ask->family = mnl_attr_get_u16(attribute);
	}
	return MNL_CB_OK;
}

static void take_attribute(const struct ask *ask, const struct nlattr *attribute)
{
	for (size_t i = 0; i < sizeof(ask->request->attribute) / sizeof(ask->request->attribute[0]); i++) {
		const uint16_t type = ask->request->attribute[i].type;
		const char *name = ask->request->attribute[i].name;

		if (!name || type != mnl_attr_get_type(attribute))
			continue;
		if (ask->request->attribute[i].is_answer && mnl_attr_validate(attribute, MNL_TYPE_U8) >= 0)
			json_object_set_new(ask->object, name, json_boolean(mnl_attr_get_u8(attribute)));
		else if (mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			json_object_set_new(ask->object, name, json_integer(mnl_attr_get_u32(attribute)));
	}
}

static int take_attributes(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct genlmsghdr)) take_attribute(context, attribute);
	return MNL_CB_OK;
}

static int ask_family(struct ask *ask)
{
	char buffer[4096];
	struct nlmsghdr *message = begin(ask, buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	int result;

	mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, ETHTOOL_GENL_NAME);
	result = converse(ask, message, take_family);
	if (result == -ENOENT || (!result && !ask->family))
		return -EOPNOTSUPP;
	return result;
}

/* What a driver does not have is no error. */
static int ask_one(struct ask *ask, const struct request *request, json_t *answer)
{
	char buffer[4096];
	struct nlmsghdr *message = begin(ask, buffer, ask->family, request->command);
	struct nlattr *header = mnl_attr_nest_start(message, request->header);
	int result;

	mnl_attr_put_strz(message, ETHTOOL_A_HEADER_DEV_NAME, ask->name);
	mnl_attr_nest_end(message, header);
	ask->request = request;
	ask->object = json_object();
	result = converse(ask, message, take_attributes);
	if (!result && json_object_size(ask->object))
		json_object_set(answer, request->name, ask->object);
	json_decref(ask->object);
	ask->object = NULL;
	return result == -EOPNOTSUPP ? 0 : result;
}

static int ask_all(struct ask *ask, json_t *answer)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	int result;

	/* An unbound sequence would be 0, which mnl_cb_run() takes for "do not compare". */
	ask->sequence = (uint32_t)time(NULL) | 1;
	if (setsockopt(mnl_socket_get_fd(ask->socket), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    mnl_socket_bind(ask->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	result = ask_family(ask);
	for (size_t i = 0; !result && i < sizeof(requests) / sizeof(requests[0]); i++)
		result = ask_one(ask, &requests[i], answer);
	return result;
}

static ssize_t ask_kernel(void *context, char **text)
{
	struct ask ask = {.name = context};
	json_t *answer;
	int result;

	if (strlen(ask.name) >= IFNAMSIZ)
		return -ENAMETOOLONG;
	ask.socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!ask.socket)
		return -errno;
	answer = json_object();
	result = answer ? ask_all(&ask, answer) : -ENOMEM;
	mnl_socket_close(ask.socket);
	if (result < 0) {
		json_decref(answer);
		return result;
	}
	return document_text(answer, text);
}

/* Channels for both directions, or the more of the two directions where a driver has them apart. */
static int64_t channels(const json_t *object, const char *combined, const char *rx, const char *tx)
{
	const int64_t both = document_number(object, combined), in = document_number(object, rx),
		      out = document_number(object, tx);

	if (both > 0)
		return both;
	return in > out ? in : out;
}

void host_ethtool_read(struct tree *tree, struct host_net *net)
{
	const char *text = NULL;
	ssize_t length = tree_ask(tree, &text, ask_kernel, (void *)net->name, "ethtool/%s.json", net->name);
	json_t *object = document_object(text, length);
	const json_t *part = document_member(object, "coalesce");

	net->adaptive_rx = document_answer(part, "adaptive_rx");
	net->adaptive_tx = document_answer(part, "adaptive_tx");
	net->rx_usecs = document_number(part, "rx_usecs");
	net->tx_usecs = document_number(part, "tx_usecs");
	part = document_member(object, "rings");
	net->rx_ring = document_number(part, "rx");
	net->tx_ring = document_number(part, "tx");
	net->rx_ring_max = document_number(part, "rx_max");
	net->tx_ring_max = document_number(part, "tx_max");
	part = document_member(object, "channels");
	net->channels = channels(part, "combined", "rx", "tx");
	net->channels_max = channels(part, "combined_max", "rx_max", "tx_max");
	json_decref(object);
}
