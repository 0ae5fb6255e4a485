/* The routes of docs/api.md under "Controller". */
#include "api_call.h"

#include "daemon.h"
#include "json_of.h"
#include "owner.h"

#include <stdio.h>
#include <string.h>

#define INVITE_TTL_S (7 * 24 * 3600) /* when none is asked for */
#define SEE_NETS     "ovpn net list shows them"

static struct ov_controller *controller(struct ov_api_call *c)
{
    return ov_owner_controller(c->d->owner);
}

static struct ov_store *store(struct ov_api_call *c)
{
    return ov_owner_store(c->d->owner);
}

/* As ov_api_failed(), of a member of the network that the path names. */
static void member_failed(struct ov_api_call *c, int err, const char *why)
{
    char hint[160];
    snprintf(hint, sizeof(hint), "ovpn net members %.100s shows them", c->args[0]);
    ov_api_failed(c, err, why, err == OV_ENOENT ? hint : NULL);
}

/* The network that the path names; false: answered with an error. */
static bool named_net(struct ov_api_call *c, struct ov_net_record *out)
{
    char why[OV_WHY_MAX];
    int err = ov_controller_net_find(controller(c), c->args[0], out, why);
    if (err != OV_OK)
        ov_api_failed(c, err, why, err == OV_ENOENT ? SEE_NETS : NULL);
    return err == OV_OK;
}

struct list {
    struct ov_api_call *c;
    json_t *items;
};

static void reply_list(struct ov_api_call *c, const char *key, int err, json_t *items)
{
    if (err == OV_OK) {
        ov_api_reply(c, 200, json_pack("{s:o}", key, items));
        return;
    }
    json_decref(items);
    ov_api_failed(c, err, store(c)->error, NULL);
}

/* ---- networks ---- */

static int add_net(void *arg, const struct ov_net_record *n)
{
    struct list *l = arg;
    json_array_append_new(l->items, ov_json_of_net(l->c->d, n));
    return OV_OK;
}

static void get_nets(struct ov_api_call *c)
{
    struct list l = {c, json_array()};
    reply_list(c, "networks", store(c)->ops->net_each(store(c), add_net, &l), l.items);
}

static void get_net(struct ov_api_call *c)
{
    struct ov_net_record n;
    if (named_net(c, &n))
        ov_api_reply(c, 200, ov_json_of_net(c->d, &n));
}

#define SETTINGS_MAX 32 /* more than there are */

/* Read {"set": {key: text}} in order; *n is 0 when there is none. False: answered with an error. */
static bool read_set(struct ov_api_call *c, struct ov_setting v[SETTINGS_MAX], size_t *n)
{
    const json_t *set = json_object_get(c->body, "set");
    const char *key;
    json_t *value;
    *n = 0;
    if (set == NULL)
        return true;
    if (!json_is_object(set) || json_object_size(set) > SETTINGS_MAX) {
        ov_api_error(c, 400, "bad_request", NULL, "\"set\" must be an object of at most %d texts",
                     SETTINGS_MAX);
        return false;
    }
    json_object_foreach((json_t *)set, key, value)
    {
        if (!json_is_string(value)) {
            ov_api_error(c, 400, "bad_request", NULL, "the value of \"%.40s\" must be text", key);
            return false;
        }
        v[(*n)++] = (struct ov_setting){key, json_string_value(value)};
    }
    return true;
}

/* All of "set", or nothing of it. False: answered with an error. */
static bool set_net(struct ov_api_call *c)
{
    struct ov_setting v[SETTINGS_MAX];
    char why[OV_WHY_MAX];
    size_t n;
    if (!read_set(c, v, &n))
        return false;
    if (n == 0)
        return true;
    int err = ov_controller_net_change(controller(c), c->args[0], v, n, ov_daemon_wall(), why);
    if (err != OV_OK)
        ov_api_failed(c, err, why, NULL);
    return err == OV_OK;
}

static void post_net(struct ov_api_call *c)
{
    static const char *const KEYS[] = {"name", "set", NULL};
    const char *name = NULL;
    char why[OV_WHY_MAX], netid[OV_NETID_TEXT];
    struct ov_net_record n;
    if (!ov_api_keys(c, KEYS) || !ov_api_text(c, "name", &name))
        return;
    if (name == NULL) {
        ov_api_error(c, 400, "bad_request", "ovpn net create NAME", "\"name\" is missing");
        return;
    }
    int err = ov_controller_net_create(controller(c), name, &n, ov_daemon_wall(), why);
    if (err != OV_OK) {
        ov_api_failed(c, err, why, NULL);
        return;
    }
    c->args[0] = ov_netid_format(n.netid, netid);
    if (!set_net(c)) {
        /* Nothing half made stays; the error of the setting is the answer. */
        (void)!ov_controller_net_delete(controller(c), netid, ov_daemon_wall(), why);
        return;
    }
    if (named_net(c, &n))
        ov_api_reply(c, 201, ov_json_of_net(c->d, &n));
}

static void patch_net(struct ov_api_call *c)
{
    static const char *const KEYS[] = {"set", NULL};
    char netid[OV_NETID_TEXT];
    struct ov_net_record n;
    if (!ov_api_keys(c, KEYS) || !named_net(c, &n))
        return;
    c->args[0] = ov_netid_format(n.netid, netid); /* its name may be what is set */
    if (set_net(c) && named_net(c, &n))
        ov_api_reply(c, 200, ov_json_of_net(c->d, &n));
}

static void delete_net(struct ov_api_call *c)
{
    char why[OV_WHY_MAX];
    int err = ov_controller_net_delete(controller(c), c->args[0], ov_daemon_wall(), why);
    if (err == OV_OK)
        ov_api_reply(c, 204, NULL);
    else
        ov_api_failed(c, err, why, err == OV_ENOENT ? SEE_NETS : NULL);
}

/* ---- members ---- */

struct search {
    const char *word;
    ov_addr addr; /* 0: by name */
    struct ov_member_record found;
    unsigned count;
};

static int match(void *arg, const struct ov_member_record *m)
{
    struct search *s = arg;
    if (s->addr != 0 ? m->id.addr != s->addr : strcmp(m->name, s->word) != 0)
        return OV_OK;
    s->found = *m;
    s->count++;
    return OV_OK;
}

/* The member that the path names; its address goes into `addr`. False: answered with an error. */
static bool named_member(struct ov_api_call *c, const struct ov_net_record *n,
                         struct ov_member_record *out)
{
    struct search s = {.word = c->args[1]};
    char why[OV_WHY_MAX];
    if (ov_addr_parse(c->args[1], &s.addr) != OV_OK)
        s.addr = 0;
    int err = store(c)->ops->member_each(store(c), n->netid, match, &s);
    if (err != OV_OK)
        ov_api_failed(c, err, store(c)->error, NULL);
    else if (s.count == 0) {
        snprintf(why, sizeof(why), "no member \"%.60s\" in %.60s", c->args[1], n->name);
        member_failed(c, OV_ENOENT, why);
    } else if (s.count > 1)
        ov_api_error(c, 409, "conflict", "name it by its address", "%u members have the name %.60s",
                     s.count, c->args[1]);
    else
        *out = s.found;
    return err == OV_OK && s.count == 1;
}

static int add_member(void *arg, const struct ov_member_record *m)
{
    struct list *l = arg;
    json_array_append_new(l->items, ov_json_of_member(l->c->d, m));
    return OV_OK;
}

static void get_members(struct ov_api_call *c)
{
    struct ov_net_record n;
    struct list l = {c, NULL};
    if (!named_net(c, &n))
        return;
    l.items = json_array();
    reply_list(c, "members", store(c)->ops->member_each(store(c), n.netid, add_member, &l),
               l.items);
}

static void get_member(struct ov_api_call *c)
{
    struct ov_net_record n;
    struct ov_member_record m;
    if (named_net(c, &n) && named_member(c, &n, &m))
        ov_api_reply(c, 200, ov_json_of_member(c->d, &m));
}

/* "set", in order up to the first that fails. False: answered with an error. */
static bool set_member(struct ov_api_call *c)
{
    struct ov_setting v[SETTINGS_MAX];
    char why[OV_WHY_MAX];
    size_t n;
    int err = OV_OK;
    if (!read_set(c, v, &n))
        return false;
    for (size_t i = 0; err == OV_OK && i < n; i++)
        err = ov_controller_member_set(controller(c), c->args[0], c->args[1], v[i].key, v[i].value,
                                       ov_daemon_wall(), why);
    if (err != OV_OK)
        ov_api_failed(c, err, why, NULL);
    return err == OV_OK;
}

/* {"state"} and {"name"}; false: answered with an error. */
static bool change_member(struct ov_api_call *c, const char *state, const char *name)
{
    const char *net = c->args[0], *member = c->args[1];
    char why[OV_WHY_MAX];
    int err = OV_OK;
    if (state != NULL && strcmp(state, "admitted") == 0)
        err = ov_controller_authorize(controller(c), net, member, ov_daemon_wall(), why);
    else if (state != NULL)
        err = ov_controller_deauthorize(controller(c), net, member, ov_daemon_wall(), why);
    if (err == OV_OK && name != NULL)
        err = ov_controller_member_name(controller(c), net, member, name, ov_daemon_wall(), why);
    if (err != OV_OK)
        member_failed(c, err, why);
    return err == OV_OK;
}

/* Until the owner has admitted a node, its name is what it calls itself, and a stranger may have
 * been the first to call itself so. False: answered with an error. */
static bool admits_knowingly(struct ov_api_call *c, const char *state,
                             const struct ov_member_record *m)
{
    char addr[OV_ADDR_TEXT];
    ov_addr named;
    if (state == NULL || strcmp(state, "admitted") != 0 || m->state != OV_MEMBER_PENDING ||
        ov_addr_parse(c->args[1], &named) == OV_OK)
        return true;
    ov_addr_format(m->id.addr, addr);
    ov_api_error(c, 409, "conflict",
                 "ask its user whether \"ovpn status\" there shows that address, and admit it by "
                 "the address",
                 "any node may call itself %.60s; the one that does has the address %s", m->name,
                 addr);
    return false;
}

static void patch_member(struct ov_api_call *c)
{
    static const char *const KEYS[] = {"state", "name", "set", NULL};
    const char *state = NULL, *name = NULL;
    char netid[OV_NETID_TEXT], addr[OV_ADDR_TEXT];
    struct ov_net_record n;
    struct ov_member_record m;
    if (!ov_api_keys(c, KEYS) || !ov_api_text(c, "state", &state) || !ov_api_text(c, "name", &name))
        return;
    if (state != NULL && strcmp(state, "admitted") != 0 && strcmp(state, "denied") != 0) {
        ov_api_error(c, 400, "bad_request", NULL, "\"state\" must be \"admitted\" or \"denied\"");
        return;
    }
    if (!named_net(c, &n) || !named_member(c, &n, &m))
        return;
    if (!admits_knowingly(c, state, &m))
        return;
    c->args[0] = ov_netid_format(n.netid, netid);
    c->args[1] = ov_addr_format(m.id.addr, addr); /* its name may be what changes */
    if (change_member(c, state, name) && set_member(c) && named_member(c, &n, &m))
        ov_api_reply(c, 200, ov_json_of_member(c->d, &m));
}

static void delete_member(struct ov_api_call *c)
{
    char why[OV_WHY_MAX];
    int err =
        ov_controller_member_delete(controller(c), c->args[0], c->args[1], ov_daemon_wall(), why);
    if (err == OV_OK)
        ov_api_reply(c, 204, NULL);
    else
        member_failed(c, err, why);
}

/* ---- invites ---- */

/* The hosts of the body, or else those by which this server is known. False: answered with an
 * error. */
static bool invite_hosts(struct ov_api_call *c, struct ov_host out[OV_INVITE_HOSTS_MAX], size_t *n)
{
    const json_t *list = json_object_get(c->body, "hosts");
    if (list != NULL && (!json_is_array(list) || json_array_size(list) > OV_INVITE_HOSTS_MAX)) {
        ov_api_error(c, 400, "bad_request", NULL, "\"hosts\" must be a list of at most %d servers",
                     OV_INVITE_HOSTS_MAX);
        return false;
    }
    *n = json_array_size(list);
    for (size_t i = 0; i < *n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL || ov_host_parse(text, &out[i]) != OV_OK) {
            ov_api_error(c, 400, "bad_request", "as in vpn.example.org or 203.0.113.5:4793",
                         "\"%.60s\" is no server", text != NULL ? text : "(not text)");
            return false;
        }
    }
    if (*n == 0)
        *n = ov_owner_hosts(c->d->owner, out);
    if (*n == 0)
        ov_api_error(c, 400, "bad_request",
                     "name one with --host HOST[:PORT], or set public = HOST under [root]",
                     "this server knows no address at which it can be reached");
    return *n > 0;
}

static void post_invite(struct ov_api_call *c)
{
    static const char *const KEYS[] = {"note", "ttl_s", "hosts", NULL};
    const json_t *ttl = json_object_get(c->body, "ttl_s");
    const char *note = "";
    struct ov_host hosts[OV_INVITE_HOSTS_MAX];
    size_t nhosts = 0;
    struct ov_net_record n;
    char text[OV_INVITE_TEXT], why[OV_WHY_MAX];
    if (!ov_api_keys(c, KEYS) || !ov_api_text(c, "note", &note))
        return;
    if (ttl != NULL && (!json_is_integer(ttl) || json_integer_value(ttl) < 0)) {
        ov_api_error(c, 400, "bad_request", NULL, "\"ttl_s\" must be a number of seconds");
        return;
    }
    if (!named_net(c, &n) || !invite_hosts(c, hosts, &nhosts))
        return;
    uint64_t ttl_s = ttl != NULL ? (uint64_t)json_integer_value(ttl) : INVITE_TTL_S;
    ov_wall now = ov_daemon_wall();
    int err =
        ov_controller_invite(controller(c), c->args[0], note, ttl_s, hosts, nhosts, now, text, why);
    if (err != OV_OK) {
        ov_api_failed(c, err, why, NULL);
        return;
    }
    ov_api_reply(c, 201,
                 json_pack("{s:s,s:o,s:o}", "invite", text, "command",
                           json_sprintf("ovpn join %s", text), "expires",
                           ov_json_of_wall(ttl_s == 0 ? 0 : now + ttl_s * 1000)));
    ov_wipe(text, sizeof(text));
}

static int add_invite(void *arg, const struct ov_invite_record *i)
{
    struct list *l = arg;
    json_array_append_new(l->items, ov_json_of_invite(i, ov_daemon_wall()));
    return OV_OK;
}

static void get_invites(struct ov_api_call *c)
{
    struct ov_net_record n;
    struct list l = {c, NULL};
    if (!named_net(c, &n))
        return;
    l.items = json_array();
    reply_list(c, "invites", store(c)->ops->invite_each(store(c), n.netid, add_invite, &l),
               l.items);
}

static void delete_invite(struct ov_api_call *c)
{
    char why[OV_WHY_MAX], hint[160];
    int err = ov_controller_invite_revoke(controller(c), c->args[0], c->args[1], why);
    snprintf(hint, sizeof(hint),
             err == OV_ESTATE
                 ? "to throw it out: ovpn net deauthorize %.60s ADDRESS"
                 : "ovpn net invites %.60s shows them; a member is put out by ovpn net deauthorize",
             c->args[0]);
    if (err == OV_OK)
        ov_api_reply(c, 204, NULL);
    else
        ov_api_failed(c, err, why, hint);
}

/* Those that are used stay, as the record of who came by them. */
static void delete_invites(struct ov_api_call *c)
{
    char why[OV_WHY_MAX];
    size_t count;
    int err = ov_controller_invites_revoke(controller(c), c->args[0], &count, why);
    if (err == OV_OK)
        ov_api_reply(c, 200, json_pack("{s:I}", "revoked", (json_int_t)count));
    else
        ov_api_failed(c, err, why, err == OV_ENOENT ? SEE_NETS : NULL);
}

#define NETS    "/v1/controller/networks"
#define MEMBERS NETS "/?/members"
#define INVITES NETS "/?/invites"
const struct ov_api_route OV_API_CONTROLLER[] = {
    {"GET", NETS, get_nets},
    {"POST", NETS, post_net},
    {"GET", NETS "/?", get_net},
    {"PATCH", NETS "/?", patch_net},
    {"DELETE", NETS "/?", delete_net},
    {"GET", MEMBERS, get_members},
    {"GET", MEMBERS "/?", get_member},
    {"PATCH", MEMBERS "/?", patch_member},
    {"DELETE", MEMBERS "/?", delete_member},
    {"GET", INVITES, get_invites},
    {"POST", INVITES, post_invite},
    {"DELETE", INVITES, delete_invites},
    {"DELETE", INVITES "/?", delete_invite},
    {NULL, NULL, NULL},
};
