#include "wire.h"

#include <string.h>

/* Messages about networks: with their controller, among members, and with the directory. */

static bool netid_valid(ov_netid net)
{
    return ov_addr_valid(ov_netid_controller(net));
}

/* ---- parts that several messages have ---- */

/* u16 length, then a signed blob of at most `max` bytes. */
static void write_blob(struct ov_writer *w, const struct ov_slice *s, size_t max)
{
    if (s->len > max) {
        w->failed = true;
        return;
    }
    ov_writer_u16(w, (uint16_t)s->len);
    ov_writer_bytes(w, s->p, s->len);
}

static void read_blob(struct ov_reader *r, struct ov_slice *s, size_t max)
{
    s->len = ov_reader_u16(r);
    if (s->len > max)
        r->failed = true;
    s->p = ov_reader_take(r, s->len);
    if (s->p == NULL)
        s->len = 0;
}

static bool groups_valid(const struct ov_mac *groups, size_t n)
{
    if (n > OV_GROUPS_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!ov_mac_is_multicast(&groups[i]))
            return false;
    return true;
}

static void write_groups(struct ov_writer *w, const struct ov_mac *groups, uint8_t n)
{
    ov_writer_u8(w, n);
    for (size_t i = 0; i < n; i++)
        ov_writer_bytes(w, groups[i].b, sizeof(groups[i].b));
}

static uint8_t read_groups(struct ov_reader *r, struct ov_mac groups[OV_GROUPS_MAX])
{
    uint8_t n = ov_reader_u8(r);

    for (size_t i = 0; i < n && i < OV_GROUPS_MAX; i++)
        ov_reader_copy(r, groups[i].b, sizeof(groups[i].b));
    return n;
}

/* ---- node and controller ---- */

void ov_msg_net_request_encode(struct ov_writer *w, const struct ov_msg_net_request *m)
{
    ov_writer_u8(w, OV_MSG_NET_REQUEST);
    ov_writer_u64(w, m->netid);
    ov_writer_u64(w, m->have_revision);
    ov_writer_u64(w, m->have_timestamp);
    ov_writer_text(w, m->hostname);
    ov_writer_u8(w, m->has_secret ? sizeof(m->secret) : 0);
    if (m->has_secret)
        ov_writer_bytes(w, m->secret, sizeof(m->secret));
}

int ov_msg_net_request_decode(const uint8_t *in, size_t len, struct ov_msg_net_request *m)
{
    struct ov_reader r;
    uint8_t secret_len;

    memset(m, 0, sizeof(*m));
    ov_reader_init(&r, in, len);
    m->netid = ov_reader_u64(&r);
    m->have_revision = ov_reader_u64(&r);
    m->have_timestamp = ov_reader_u64(&r);
    ov_reader_text(&r, m->hostname, sizeof(m->hostname));
    secret_len = ov_reader_u8(&r);
    if (secret_len != 0 && secret_len != sizeof(m->secret))
        return OV_EINVAL;
    m->has_secret = secret_len != 0;
    ov_reader_copy(&r, m->secret, secret_len);
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    return netid_valid(m->netid) ? OV_OK : OV_EINVAL;
}

static bool net_reply_valid(const struct ov_msg_net_reply *m)
{
    return netid_valid(m->netid) && m->status <= OV_NET_UNAVAILABLE &&
           (m->name[0] == '\0' || ov_name_valid(m->name)) &&
           (m->status == OV_NET_OK || (m->config.len == 0 && m->cert.len == 0));
}

void ov_msg_net_reply_encode(struct ov_writer *w, const struct ov_msg_net_reply *m)
{
    if (!net_reply_valid(m)) {
        w->failed = true;
        return;
    }
    ov_writer_u8(w, OV_MSG_NET_REPLY);
    ov_writer_u64(w, m->netid);
    ov_writer_u8(w, m->status);
    ov_writer_text(w, m->name);
    write_blob(w, &m->config, OV_CONFIG_MAX);
    write_blob(w, &m->cert, OV_CERT_MAX);
}

int ov_msg_net_reply_decode(const uint8_t *in, size_t len, struct ov_msg_net_reply *m)
{
    struct ov_reader r;

    ov_reader_init(&r, in, len);
    m->netid = ov_reader_u64(&r);
    m->status = ov_reader_u8(&r);
    ov_reader_text(&r, m->name, sizeof(m->name));
    read_blob(&r, &m->config, OV_CONFIG_MAX);
    read_blob(&r, &m->cert, OV_CERT_MAX);
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    return net_reply_valid(m) ? OV_OK : OV_EINVAL;
}

/* ---- member and member ---- */

void ov_msg_net_hello_encode(struct ov_writer *w, const struct ov_msg_net_hello *m)
{
    if (!netid_valid(m->netid) || m->cert.len == 0 || !groups_valid(m->groups, m->ngroups)) {
        w->failed = true;
        return;
    }
    ov_writer_u8(w, OV_MSG_NET_HELLO);
    ov_writer_u64(w, m->netid);
    ov_writer_u8(w, m->flags);
    write_blob(w, &m->cert, OV_CERT_MAX);
    write_groups(w, m->groups, m->ngroups);
}

int ov_msg_net_hello_decode(const uint8_t *in, size_t len, struct ov_msg_net_hello *m)
{
    struct ov_reader r;

    ov_reader_init(&r, in, len);
    m->netid = ov_reader_u64(&r);
    m->flags = ov_reader_u8(&r);
    read_blob(&r, &m->cert, OV_CERT_MAX);
    m->ngroups = read_groups(&r, m->groups);
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    if (!netid_valid(m->netid) || m->cert.len == 0 || !groups_valid(m->groups, m->ngroups))
        return OV_EINVAL;
    return OV_OK;
}

void ov_msg_revoke_encode(struct ov_writer *w, const uint8_t blob[OV_REVOCATION_LEN])
{
    ov_writer_u8(w, OV_MSG_REVOKE);
    ov_writer_bytes(w, blob, OV_REVOCATION_LEN);
}

void ov_msg_net_bye_encode(struct ov_writer *w, ov_netid net)
{
    ov_writer_u8(w, OV_MSG_NET_BYE);
    ov_writer_u64(w, net);
}

int ov_msg_net_bye_decode(const uint8_t *in, size_t len, ov_netid *net)
{
    struct ov_reader r;

    ov_reader_init(&r, in, len);
    *net = ov_reader_u64(&r);
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    return netid_valid(*net) ? OV_OK : OV_EINVAL;
}

/* ---- member and directory ---- */

void ov_msg_announce_encode(struct ov_writer *w, const struct ov_msg_announce *m)
{
    uint8_t id[OV_IDENTITY_LEN];

    if (m->cert.len == 0 || !groups_valid(m->groups, m->ngroups)) {
        w->failed = true;
        return;
    }
    ov_identity_encode(&m->controller, id);
    ov_writer_u8(w, OV_MSG_ANNOUNCE);
    ov_writer_bytes(w, id, sizeof(id));
    write_blob(w, &m->cert, OV_CERT_MAX);
    write_groups(w, m->groups, m->ngroups);
}

int ov_msg_announce_decode(const uint8_t *in, size_t len, struct ov_msg_announce *m)
{
    uint8_t id[OV_IDENTITY_LEN];
    struct ov_reader r;

    ov_reader_init(&r, in, len);
    ov_reader_copy(&r, id, sizeof(id));
    ov_identity_decode(id, &m->controller);
    read_blob(&r, &m->cert, OV_CERT_MAX);
    m->ngroups = read_groups(&r, m->groups);
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    return m->cert.len > 0 && groups_valid(m->groups, m->ngroups) ? OV_OK : OV_EINVAL;
}

static bool key_valid(const struct ov_lookup_key *k)
{
    switch (k->kind) {
    case OV_LOOKUP_IP:
        return k->ip.family != 0;
    case OV_LOOKUP_GROUP:
        return ov_mac_is_multicast(&k->group);
    case OV_LOOKUP_MEMBER:
        return ov_addr_valid(k->member);
    default:
        return false;
    }
}

bool ov_lookup_key_equal(const struct ov_lookup_key *a, const struct ov_lookup_key *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case OV_LOOKUP_IP:
        return ov_ip_equal(&a->ip, &b->ip);
    case OV_LOOKUP_GROUP:
        return memcmp(&a->group, &b->group, sizeof a->group) == 0;
    default:
        return a->member == b->member;
    }
}

static void write_key(struct ov_writer *w, const struct ov_lookup_key *k)
{
    ov_writer_u8(w, k->kind);
    if (k->kind == OV_LOOKUP_IP)
        ov_writer_ip(w, &k->ip);
    else if (k->kind == OV_LOOKUP_GROUP)
        ov_writer_bytes(w, k->group.b, sizeof(k->group.b));
    else
        ov_writer_u40(w, k->member);
}

static void read_key(struct ov_reader *r, struct ov_lookup_key *k)
{
    memset(k, 0, sizeof(*k));
    k->kind = ov_reader_u8(r);
    if (k->kind == OV_LOOKUP_IP)
        ov_reader_ip(r, &k->ip);
    else if (k->kind == OV_LOOKUP_GROUP)
        ov_reader_copy(r, k->group.b, sizeof(k->group.b));
    else if (k->kind == OV_LOOKUP_MEMBER)
        k->member = ov_reader_u40(r);
    else
        r->failed = true;
}

static bool lookup_valid(const struct ov_msg_lookup *m)
{
    return netid_valid(m->netid) && key_valid(&m->key) &&
           (m->after == 0 || ov_addr_valid(m->after));
}

void ov_msg_lookup_encode(struct ov_writer *w, const struct ov_msg_lookup *m)
{
    if (!lookup_valid(m)) {
        w->failed = true;
        return;
    }
    ov_writer_u8(w, OV_MSG_LOOKUP);
    ov_writer_u64(w, m->netid);
    write_key(w, &m->key);
    ov_writer_u64(w, m->version);
    ov_writer_u40(w, m->after);
}

int ov_msg_lookup_decode(const uint8_t *in, size_t len, struct ov_msg_lookup *m)
{
    struct ov_reader r;

    ov_reader_init(&r, in, len);
    m->netid = ov_reader_u64(&r);
    read_key(&r, &m->key);
    m->version = ov_reader_u64(&r);
    m->after = ov_reader_u40(&r);
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    return lookup_valid(m) ? OV_OK : OV_EINVAL;
}

static bool found_valid(const struct ov_msg_found *m)
{
    if (!netid_valid(m->netid) || !key_valid(&m->key) || m->n > OV_FOUND_MAX)
        return false;
    for (size_t i = 0; i < m->n; i++)
        if (m->certs[i].len == 0)
            return false;
    return true;
}

void ov_msg_found_encode(struct ov_writer *w, const struct ov_msg_found *m)
{
    if (!found_valid(m)) {
        w->failed = true;
        return;
    }
    ov_writer_u8(w, OV_MSG_FOUND);
    ov_writer_u64(w, m->netid);
    write_key(w, &m->key);
    ov_writer_u64(w, m->version);
    ov_writer_u8(w, m->flags);
    ov_writer_u8(w, m->n);
    for (size_t i = 0; i < m->n; i++)
        write_blob(w, &m->certs[i], OV_CERT_MAX);
}

int ov_msg_found_decode(const uint8_t *in, size_t len, struct ov_msg_found *m)
{
    struct ov_reader r;

    ov_reader_init(&r, in, len);
    m->netid = ov_reader_u64(&r);
    read_key(&r, &m->key);
    m->version = ov_reader_u64(&r);
    m->flags = ov_reader_u8(&r);
    m->n = ov_reader_u8(&r);
    for (size_t i = 0; i < m->n && i < OV_FOUND_MAX; i++)
        read_blob(&r, &m->certs[i], OV_CERT_MAX);
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    return found_valid(m) ? OV_OK : OV_EINVAL;
}
