/* What a node finds on disk: any bytes as the engine's items (the first byte says which: stamp,
 * network, peer) and as the files of the state directory. What is refused makes it no member and
 * pins nobody; with what is taken the node runs on.
 * For networks, the signatures that the input can not have are put where they belong. */
#include "tests/unit/tempdir.h"
#include "tests/unit/wire_up.h"

#include "cli/state.h"

#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void restore(const uint8_t *data, size_t len, uint64_t id)
{
    struct wu *w = wu_new(1);
    struct wu_node *n = wu_node(w, 0);
    enum ov_persist_kind kind = (enum ov_persist_kind)(1 + data[0] % 3);
    uint8_t *copy = malloc(len);
    ov_netid nets[4];
    ov_addr peers[4];

    if (!copy)
        abort();
    memcpy(copy, data + 1, len - 1);
    int err = ov_node_restore(n->n, kind, id, copy, len - 1, w->now);
    free(copy);
    if (err != OV_OK && kind != OV_PERSIST_NETWORK && ov_node_peers(n->n, peers, 4) > 0)
        abort();
    if (err != OV_OK && ov_node_networks(n->n, nets, 4) > 0 &&
        ov_network_ready(ov_network_find(&n->n->o, nets[0])))
        abort();
    wu_drain(n);
    wu_run(w, 30 * OV_SEC);
    if (err == OV_OK && kind == OV_PERSIST_NETWORK) {
        struct ov_network_info *info = malloc(sizeof *info);
        if (!info || ov_node_network(n->n, id, info) != OV_OK)
            abort();
        free(info);
    }
    wu_log_clear(w);
    wu_free(w);
}

/* A network's item, whose configuration and certificate are signed here: what stands between is the
 * input's. */
static void network(const uint8_t *data, size_t len)
{
    static uint8_t item[16384];
    struct wu *w = wu_new(2);
    struct wu_node *c = wu_node(w, OV_CAP_CONTROLLER), *n = wu_node(w, 0);
    uint8_t id[OV_IDENTITY_LEN], config[OV_CONFIG_MAX], cert[OV_CERT_MAX];
    ov_netid net = wu_network(w, c);
    struct ov_ip ip = wu_ip(n);
    struct ov_writer out;
    size_t head = len > 0 ? data[0] % 96u : 0, clen;

    int glen = ov_net_config_issue(&w->net.config, &c->id, config);
    if (glen < 0)
        abort();
    clen = wu_cert(w, &n->id.pub, WU_WALL, 0, &ip, cert);
    ov_identity_encode(&c->id.pub, id);
    ov_writer_init(&out, item, sizeof item);
    ov_writer_u8(&out, 1);
    ov_writer_bytes(&out, id, sizeof id);
    if (head + 1 > len)
        head = len > 0 ? len - 1 : 0;
    ov_writer_bytes(&out, data + 1, head);
    ov_writer_u16(&out, (uint16_t)glen);
    ov_writer_bytes(&out, config, (size_t)glen);
    ov_writer_u16(&out, (uint16_t)clen);
    ov_writer_bytes(&out, cert, clen);
    if (len > head + 1)
        ov_writer_bytes(&out, data + 1 + head, len - head - 1);
    if (!out.failed &&
        ov_node_restore(n->n, OV_PERSIST_NETWORK, net, item, out.len, w->now) == OV_OK) {
        wu_drain(n);
        wu_run(w, 5 * OV_SEC);
        if (!wu_net_of(n))
            abort();
    }
    wu_log_clear(w);
    wu_free(w);
}

/* ---- files ---- */

static char dir[TEMPDIR_MAX];

static void remove_dir(void)
{
    tempdir_remove(dir);
}

static void each(void *arg, enum ov_persist_kind kind, uint64_t id, const void *data, size_t len)
{
    unsigned *n = arg;

    (void)kind, (void)id, (void)data;
    if (len > OV_STATE_ITEM_MAX)
        abort();
    ++*n;
}

static void files(const uint8_t *data, size_t len)
{
    static bool made;
    static const struct ov_log quiet = {0};
    struct ov_host hosts[OV_STATE_HOSTS_MAX], again[OV_STATE_HOSTS_MAX];
    const ov_netid net = 0x8056c2e21c000001;
    char why[OV_WHY_MAX];
    struct ov_state *s;
    unsigned items = 0;

    if (!made) {
        tempdir_make(dir);
        if (atexit(remove_dir) != 0)
            abort();
    }
    made = true;
    if (ov_state_open(dir, &quiet, &s, why) != OV_OK)
        abort();
    tempdir_write(dir, "port", data, len);
    tempdir_write(dir, "hosts/8056c2e21c000001", data, len);
    tempdir_write(dir, "networks/8056c2e21c000001", data, len);
    size_t n = ov_state_get_hosts(s, net, hosts);
    if (n > OV_STATE_HOSTS_MAX)
        abort();
    if (n > 0 && (ov_state_put_hosts(s, net, hosts, n, why) != OV_OK ||
                  ov_state_get_hosts(s, net, again) != n))
        abort();
    for (size_t i = 0; i < n; i++)
        if (strcmp(hosts[i].name, again[i].name) != 0 || hosts[i].port != again[i].port)
            abort();
    uint16_t port = ov_state_port(s);
    if (port != 0) {
        ov_state_set_port(s, port);
        if (ov_state_port(s) != port)
            abort();
    }
    ov_state_each(s, OV_PERSIST_NETWORK, each, &items);
    if (items > 1)
        abort();
    ov_state_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    restore(data, len, len > 9 ? ov_load64(data + 2) : 1);
    network(data, len);
    files(data + 1, len - 1);
    return 0;
}
