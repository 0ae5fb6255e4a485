#include "credential.h"

#include "bytes.h"

#include <assert.h>
#include <string.h>

#define VERSION 1

static const char cert_domain[] = "ovpn certificate v1";
static const char config_domain[] = "ovpn network v1";
static const char revocation_domain[] = "ovpn revocation v1";

/* Sign what `w` holds and append the signature. Returns the whole length, or OV_EINVAL. */
static int seal(struct ov_writer *w, const struct ov_identity_secret *controller,
                const char *domain)
{
    struct ov_signature sig;

    if (w->failed)
        return OV_EINVAL;
    ov_sign(&controller->sign, domain, w->base, w->len, &sig);
    ov_writer_bytes(w, sig.b, sizeof(sig.b));
    return w->failed ? OV_EINVAL : (int)w->len;
}

/* Check the signature at the end of a blob whose shape is known to be good. */
static int unseal(const uint8_t *in, size_t len, const struct ov_identity *controller,
                  const char *domain)
{
    struct ov_signature sig;

    memcpy(sig.b, in + len - sizeof(sig.b), sizeof(sig.b));
    return ov_sign_verify(&controller->sign, domain, in, len - sizeof(sig.b), &sig);
}

/* A network belongs to the controller whose address its id starts with. */
static bool owns(const struct ov_identity *controller, ov_netid netid)
{
    return ov_addr_valid(controller->addr) && ov_netid_controller(netid) == controller->addr;
}

/* ---- certificates ---- */

/* What holds for every certificate, before encoding and after decoding. */
static bool cert_valid(const struct ov_cert *c)
{
    if (!ov_addr_valid(ov_netid_controller(c->netid)) || !ov_addr_valid(c->member.addr) ||
        c->naddrs > OV_CERT_ADDRS_MAX)
        return false;
    for (size_t i = 0; i < c->naddrs; i++)
        if (c->addrs[i].ip.family == 0)
            return false;
    return true;
}

int ov_cert_issue(const struct ov_cert *c, const struct ov_identity_secret *controller,
                  uint8_t out[OV_CERT_MAX])
{
    uint8_t id[OV_IDENTITY_LEN];
    struct ov_cert back;
    struct ov_writer w;
    int len;

    if (!cert_valid(c) || !owns(&controller->pub, c->netid))
        return OV_EINVAL;
    ov_identity_encode(&c->member, id);
    ov_writer_init(&w, out, OV_CERT_MAX);
    ov_writer_u8(&w, VERSION);
    ov_writer_u64(&w, c->netid);
    ov_writer_u40(&w, c->member.addr);
    ov_writer_bytes(&w, id, sizeof(id));
    ov_writer_u64(&w, c->timestamp);
    ov_writer_u16(&w, c->perms);
    ov_writer_u8(&w, c->naddrs);
    for (size_t i = 0; i < c->naddrs; i++)
        ov_writer_prefix(&w, &c->addrs[i]);
    len = seal(&w, controller, cert_domain);
    /* Never sign what members would refuse: decoding knows all the rules. */
    return len > 0 && ov_cert_decode(out, (size_t)len, &back) ? OV_EINVAL : len;
}

int ov_cert_decode(const uint8_t *in, size_t len, struct ov_cert *out)
{
    uint8_t id[OV_IDENTITY_LEN];
    struct ov_reader r;
    ov_addr addr;

    memset(out, 0, sizeof(*out));
    ov_reader_init(&r, in, len);
    if (ov_reader_u8(&r) != VERSION && !r.failed)
        return OV_EVERSION;
    out->netid = ov_reader_u64(&r);
    addr = ov_reader_u40(&r);
    ov_reader_copy(&r, id, sizeof(id));
    ov_identity_decode(id, &out->member);
    out->member.addr = addr;
    out->timestamp = ov_reader_u64(&r);
    out->perms = ov_reader_u16(&r);
    out->naddrs = ov_reader_u8(&r);
    if (out->naddrs > OV_CERT_ADDRS_MAX)
        return OV_EINVAL;
    for (size_t i = 0; i < out->naddrs; i++)
        ov_reader_prefix(&r, &out->addrs[i]);
    ov_reader_take(&r, sizeof(struct ov_signature));
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    return cert_valid(out) ? OV_OK : OV_EINVAL;
}

int ov_cert_verify(const uint8_t *in, size_t len, const struct ov_identity *controller,
                   struct ov_cert *out)
{
    int err = ov_cert_decode(in, len, out);

    if (err)
        return err;
    return owns(controller, out->netid) ? unseal(in, len, controller, cert_domain) : OV_EAUTH;
}

bool ov_cert_timely(const struct ov_cert *a, const struct ov_cert *b, uint32_t window_s)
{
    ov_wall apart =
        a->timestamp > b->timestamp ? a->timestamp - b->timestamp : b->timestamp - a->timestamp;

    return apart <= (ov_wall)window_s * 1000;
}

bool ov_cert_agree(const struct ov_cert *a, const struct ov_cert *b, uint32_t window_s)
{
    return a->netid == b->netid && ov_cert_timely(a, b, window_s);
}

bool ov_cert_has_ip(const struct ov_cert *c, const struct ov_ip *ip)
{
    for (size_t i = 0; i < c->naddrs; i++)
        if (ov_ip_equal(&c->addrs[i].ip, ip))
            return true;
    return false;
}

/* ---- revocations ---- */

void ov_revocation_issue(const struct ov_revocation *r, const struct ov_identity_secret *controller,
                         uint8_t out[OV_REVOCATION_LEN])
{
    struct ov_writer w;
    int len;

    assert(owns(&controller->pub, r->netid) && ov_addr_valid(r->member));
    ov_writer_init(&w, out, OV_REVOCATION_LEN);
    ov_writer_u8(&w, VERSION);
    ov_writer_u64(&w, r->netid);
    ov_writer_u40(&w, r->member);
    ov_writer_u64(&w, r->timestamp);
    len = seal(&w, controller, revocation_domain);
    assert(len == OV_REVOCATION_LEN);
    (void)len;
}

int ov_revocation_decode(const uint8_t *in, size_t len, struct ov_revocation *out)
{
    struct ov_reader r;

    memset(out, 0, sizeof(*out));
    ov_reader_init(&r, in, len);
    if (ov_reader_u8(&r) != VERSION && !r.failed)
        return OV_EVERSION;
    out->netid = ov_reader_u64(&r);
    out->member = ov_reader_u40(&r);
    out->timestamp = ov_reader_u64(&r);
    ov_reader_take(&r, sizeof(struct ov_signature));
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    if (!ov_addr_valid(ov_netid_controller(out->netid)) || !ov_addr_valid(out->member))
        return OV_EINVAL;
    return OV_OK;
}

int ov_revocation_verify(const uint8_t *in, size_t len, const struct ov_identity *controller,
                         struct ov_revocation *out)
{
    int err = ov_revocation_decode(in, len, out);

    if (err)
        return err;
    return owns(controller, out->netid) ? unseal(in, len, controller, revocation_domain) : OV_EAUTH;
}

/* ---- network configuration ---- */

static bool endpoint_valid(const struct ov_endpoint *e)
{
    return e->ip.family != 0 && e->port != 0;
}

static bool route_valid(const struct ov_route *r)
{
    return r->dst.ip.family != 0 && (r->via.family == 0 || r->via.family == r->dst.ip.family);
}

static bool root_valid(const struct ov_net_root *r)
{
    if (!ov_addr_valid(r->id.addr) || r->nendpoints > OV_ROOT_ENDPOINTS_MAX)
        return false;
    for (size_t i = 0; i < r->nendpoints; i++)
        if (!endpoint_valid(&r->endpoints[i]))
            return false;
    return true;
}

/* What holds for every configuration, before encoding and after decoding. */
static bool config_valid(const struct ov_net_config *c)
{
    if (!ov_addr_valid(ov_netid_controller(c->netid)) || c->mtu < OV_MTU_MIN ||
        c->mtu > OV_MTU_MAX || c->window_s < OV_WINDOW_MIN || c->window_s > OV_WINDOW_MAX ||
        c->nroutes > OV_NET_ROUTES_MAX || c->ndns > OV_NET_DNS_MAX || c->nroots > OV_NET_ROOTS_MAX)
        return false;
    if (!ov_name_valid(c->name) || (c->dns_domain[0] != '\0' && !ov_domain_valid(c->dns_domain)))
        return false;
    for (size_t i = 0; i < c->nroutes; i++)
        if (!route_valid(&c->routes[i]))
            return false;
    for (size_t i = 0; i < c->ndns; i++)
        if (c->dns[i].family == 0)
            return false;
    for (size_t i = 0; i < c->nroots; i++)
        if (!root_valid(&c->roots[i]))
            return false;
    return true;
}

static void root_write(struct ov_writer *w, const struct ov_net_root *root)
{
    uint8_t id[OV_IDENTITY_LEN];

    ov_identity_encode(&root->id, id);
    ov_writer_u40(w, root->id.addr);
    ov_writer_bytes(w, id, sizeof(id));
    ov_writer_u8(w, root->nendpoints);
    for (size_t i = 0; i < root->nendpoints; i++)
        ov_writer_endpoint(w, &root->endpoints[i]);
}

static void root_read(struct ov_reader *r, struct ov_net_root *root)
{
    uint8_t id[OV_IDENTITY_LEN];
    ov_addr addr = ov_reader_u40(r);

    ov_reader_copy(r, id, sizeof(id));
    ov_identity_decode(id, &root->id);
    root->id.addr = addr;
    root->nendpoints = ov_reader_u8(r);
    for (size_t i = 0; i < root->nendpoints && i < OV_ROOT_ENDPOINTS_MAX; i++)
        ov_reader_endpoint(r, &root->endpoints[i]);
}

/* Shape only. Counts above their maximum leave bytes over, and config_valid refuses them. */
static int config_decode(const uint8_t *in, size_t len, struct ov_net_config *c)
{
    struct ov_reader r;

    memset(c, 0, sizeof(*c));
    ov_reader_init(&r, in, len);
    if (ov_reader_u8(&r) != VERSION && !r.failed)
        return OV_EVERSION;
    c->netid = ov_reader_u64(&r);
    c->revision = ov_reader_u64(&r);
    c->timestamp = ov_reader_u64(&r);
    ov_reader_text(&r, c->name, sizeof(c->name));
    c->flags = ov_reader_u16(&r);
    c->mtu = ov_reader_u16(&r);
    c->window_s = ov_reader_u32(&r);
    c->multicast_limit = ov_reader_u32(&r);
    c->nroutes = ov_reader_u8(&r);
    for (size_t i = 0; i < c->nroutes && i < OV_NET_ROUTES_MAX; i++) {
        ov_reader_prefix(&r, &c->routes[i].dst);
        ov_reader_ip(&r, &c->routes[i].via);
    }
    c->ndns = ov_reader_u8(&r);
    ov_reader_text(&r, c->dns_domain, sizeof(c->dns_domain));
    for (size_t i = 0; i < c->ndns && i < OV_NET_DNS_MAX; i++)
        ov_reader_ip(&r, &c->dns[i]);
    c->nroots = ov_reader_u8(&r);
    for (size_t i = 0; i < c->nroots && i < OV_NET_ROOTS_MAX; i++)
        root_read(&r, &c->roots[i]);
    if (c->flags & OV_NET_LAN_KEY)
        ov_reader_copy(&r, c->lan_key.b, sizeof(c->lan_key.b));
    ov_reader_take(&r, sizeof(struct ov_signature));
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    return config_valid(c) ? OV_OK : OV_EINVAL;
}

int ov_net_config_issue(const struct ov_net_config *c, const struct ov_identity_secret *controller,
                        uint8_t out[OV_CONFIG_MAX])
{
    struct ov_net_config back;
    struct ov_writer w;
    int len;

    if (!config_valid(c) || !owns(&controller->pub, c->netid))
        return OV_EINVAL;
    ov_writer_init(&w, out, OV_CONFIG_MAX);
    ov_writer_u8(&w, VERSION);
    ov_writer_u64(&w, c->netid);
    ov_writer_u64(&w, c->revision);
    ov_writer_u64(&w, c->timestamp);
    ov_writer_text(&w, c->name);
    ov_writer_u16(&w, c->flags);
    ov_writer_u16(&w, c->mtu);
    ov_writer_u32(&w, c->window_s);
    ov_writer_u32(&w, c->multicast_limit);
    ov_writer_u8(&w, c->nroutes);
    for (size_t i = 0; i < c->nroutes; i++) {
        ov_writer_prefix(&w, &c->routes[i].dst);
        ov_writer_ip(&w, &c->routes[i].via);
    }
    ov_writer_u8(&w, c->ndns);
    ov_writer_text(&w, c->dns_domain);
    for (size_t i = 0; i < c->ndns; i++)
        ov_writer_ip(&w, &c->dns[i]);
    ov_writer_u8(&w, c->nroots);
    for (size_t i = 0; i < c->nroots; i++)
        root_write(&w, &c->roots[i]);
    if (c->flags & OV_NET_LAN_KEY)
        ov_writer_bytes(&w, c->lan_key.b, sizeof(c->lan_key.b));
    len = seal(&w, controller, config_domain);
    return len > 0 && config_decode(out, (size_t)len, &back) ? OV_EINVAL : len;
}

int ov_net_config_verify(const uint8_t *in, size_t len, const struct ov_identity *controller,
                         struct ov_net_config *out)
{
    int err = config_decode(in, len, out);

    if (err)
        return err;
    return owns(controller, out->netid) ? unseal(in, len, controller, config_domain) : OV_EAUTH;
}
