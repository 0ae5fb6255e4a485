/* taint: does any branch or memory index of the engine depend on a secret?
 *
 * Run under valgrind (tests/taint/run). Memcheck follows undefined bits through every computation
 * and reports a jump or an address that depends on one. So what is secret is marked as undefined:
 * the nodes' identity keys, all randomness that makes keys, LAN keys. Real nodes then shake hands,
 * use cookies, relay, carry frames and beacons, rekey; a report means that the time something takes
 * tells of a secret.
 *
 * Secrets end at few points, and these are all of them:
 *   - what leaves as a datagram or is stored (published()): ciphertext, public keys, MACs
 *   - libsodium's answer whether two MACs are equal, a tag is right or a DH result is zero: it is
 *     acted upon by design (the __wrap_ functions of libsodium's names)
 *   - what was opened: once authentic, it is a message of the peer, which is parsed (those of ours)
 * The code of libsodium and libipsec-mb is taken as it is (libraries.supp).
 *
 * With an argument, a fault is planted: equal (memcmp where MACs and tags are compared in constant
 * time), memcmp, branch or index, on a secret of a node. Then reports must come. */
#include "tests/unit/wire_up.h"

#include "core/aead.h"

#include <stdio.h>
#include <valgrind/memcheck.h>

static bool plant_equal;
static unsigned compared, opened, shared;

static void secret(void *p, size_t len)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(p, len);
}

static void published(const void *p, size_t len)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(p, len);
}

/* ---- where secrets end ---- */

int __real_sodium_memcmp(const void *a, const void *b, size_t len);
int __wrap_sodium_memcmp(const void *a, const void *b, size_t len);
int __wrap_sodium_memcmp(const void *a, const void *b, size_t len)
{
    int differs = plant_equal ? memcmp(a, b, len) : __real_sodium_memcmp(a, b, len);
    published(&differs, sizeof differs);
    compared++;
    return differs;
}

int __real_crypto_scalarmult(unsigned char *out, const unsigned char *sec,
                             const unsigned char *pub);
int __wrap_crypto_scalarmult(unsigned char *out, const unsigned char *sec,
                             const unsigned char *pub);
int __wrap_crypto_scalarmult(unsigned char *out, const unsigned char *sec, const unsigned char *pub)
{
    int err = __real_crypto_scalarmult(out, sec, pub);
    published(&err, sizeof err);
    shared++;
    return err;
}

/* libsodium's AEADs, all of one shape: only whether it is authentic. */
#define WRAP_OPEN(name, key_type)                                                                  \
    int __real_##name(unsigned char *m, unsigned long long *mlen, unsigned char *nsec,             \
                      const unsigned char *c, unsigned long long clen, const unsigned char *ad,    \
                      unsigned long long adlen, const unsigned char *nonce, key_type key);         \
    int __wrap_##name(unsigned char *m, unsigned long long *mlen, unsigned char *nsec,             \
                      const unsigned char *c, unsigned long long clen, const unsigned char *ad,    \
                      unsigned long long adlen, const unsigned char *nonce, key_type key);         \
    int __wrap_##name(unsigned char *m, unsigned long long *mlen, unsigned char *nsec,             \
                      const unsigned char *c, unsigned long long clen, const unsigned char *ad,    \
                      unsigned long long adlen, const unsigned char *nonce, key_type key)          \
    {                                                                                              \
        int err = __real_##name(m, mlen, nsec, c, clen, ad, adlen, nonce, key);                    \
        published(&err, sizeof err);                                                               \
        return err;                                                                                \
    }
WRAP_OPEN(crypto_aead_chacha20poly1305_ietf_decrypt, const unsigned char *)
WRAP_OPEN(crypto_aead_xchacha20poly1305_ietf_decrypt, const unsigned char *)
WRAP_OPEN(crypto_aead_aes256gcm_decrypt_afternm, const void *)

int __real_ov_aead_open(const struct ov_aead_key *k, uint64_t counter, const void *ad, size_t adlen,
                        const uint8_t *in, size_t len, uint8_t *out);
int __wrap_ov_aead_open(const struct ov_aead_key *k, uint64_t counter, const void *ad, size_t adlen,
                        const uint8_t *in, size_t len, uint8_t *out);
int __wrap_ov_aead_open(const struct ov_aead_key *k, uint64_t counter, const void *ad, size_t adlen,
                        const uint8_t *in, size_t len, uint8_t *out)
{
    int err = __real_ov_aead_open(k, counter, ad, adlen, in, len, out);
    if (err == OV_OK)
        published(out, len - OV_TAG_LEN);
    opened++;
    return err;
}

int __real_ov_xaead_open(const uint8_t key[32], const uint8_t nonce[24], const void *ad,
                         size_t adlen, const uint8_t *in, size_t len, uint8_t *out);
int __wrap_ov_xaead_open(const uint8_t key[32], const uint8_t nonce[24], const void *ad,
                         size_t adlen, const uint8_t *in, size_t len, uint8_t *out);
int __wrap_ov_xaead_open(const uint8_t key[32], const uint8_t nonce[24], const void *ad,
                         size_t adlen, const uint8_t *in, size_t len, uint8_t *out)
{
    int err = __real_ov_xaead_open(key, nonce, ad, adlen, in, len, out);
    if (err == OV_OK)
        published(out, len - OV_TAG_LEN);
    opened++;
    return err;
}

/* ---- what is secret ---- */

static void secret_identity(struct ov_identity_secret *id)
{
    secret(id->seed, sizeof id->seed);
    secret(&id->dh, sizeof id->dh);
    secret(&id->sign, sizeof id->sign);
}

/* All that makes keys takes 32 bytes: ephemeral keys and the secret of cookies. Fewer are indices,
 * nonces and transaction numbers, which go out in the clear. */
static void fill(void *arg, void *buf, size_t len)
{
    wu_random(arg, buf, len);
    if (len == 32)
        secret(buf, len);
}

static struct wu_node *make(struct wu *w, uint8_t caps, bool aes)
{
    struct wu_node *n = wu_node_with(w, &(struct ov_node_config){.caps = caps, .no_aes = !aes});
    n->e->random = (struct ov_random){fill, w};
    secret_identity(&n->id);
    secret_identity(&n->e->id);
    return n;
}

/* ---- what happens ---- */

struct scene {
    struct wu *w;
    struct wu_node *root, *a, *b;
    bool apart; /* a and b reach each other by the root only */
};

static bool on_wire(void *arg, struct wu_packet *p)
{
    const struct scene *s = arg;
    published(p->data, p->len);
    return !s->apart || p->src == s->root || ov_endpoint_equal(&p->to, &s->root->ep);
}

static bool ready(void *arg)
{
    struct scene *s = arg;
    const struct ov_network *a = wu_net_of(s->a), *b = wu_net_of(s->b);
    return a && b && ov_network_ready(a) && ov_network_ready(b);
}

static void frames(struct scene *s, unsigned n)
{
    uint8_t frame[OV_FRAME_MAX];
    struct ov_mac to = wu_mac(s->b), from = wu_mac(s->a);
    struct ov_ip src = wu_ip(s->a), dst = wu_ip(s->b);
    for (unsigned i = 0; i < n; i++) {
        size_t len = wu_ip4(frame, &to, &from, &src, &dst, 100 + i * 60);
        wu_frame(s->a, frame, len);
        wu_run(s->w, 20 * OV_MS);
    }
}

/* The root is under load, and answers with a cookie before it does any work. */
static void cookies(struct scene *s)
{
    while (ov_bucket_take(&s->root->e->handshake_load, 1, s->root->e->now))
        continue;
    s->root->e->handshake_load.rate = 0;
    ov_peer_rehandshake(wu_peer(s->a, s->root));
    wu_run(s->w, 2 * OV_SEC);
    s->root->e->handshake_load.rate = 1000;
}

static void beacons(struct scene *s)
{
    uint8_t out[OV_BEACON_MAX];
    for (int i = 0; i < 2; i++) {
        struct wu_node *n = i ? s->b : s->a;
        ov_node_set_lan(n->n, true, s->w->now);
        wu_drain(n);
        secret(&wu_net_of(n)->config->lan_key, sizeof(struct ov_secret32));
    }
    size_t len = ov_node_beacon(s->a->n, &s->a->ep.ip, s->a->ep.port, out, s->w->now);
    wu_drain(s->a);
    published(out, len);
    assert_true(len > 0);
    ov_node_beacon_heard(s->b->n, &s->a->ep, out, len, s->w->now);
    wu_drain(s->b);
}

static void play(struct scene *s, bool aes)
{
    s->w = wu_new(7);
    s->w->hook = on_wire;
    s->w->hook_arg = s;
    s->apart = true;
    s->root = make(s->w, OV_CAP_ROOT | OV_CAP_CONTROLLER, aes);
    s->a = make(s->w, 0, aes);
    s->b = make(s->w, 0, aes);
    wu_network(s->w, s->root);
    s->w->net.config.flags |= OV_NET_LAN_KEY;
    memset(&s->w->net.config.lan_key, 7, sizeof s->w->net.config.lan_key);
    for (int i = 0; i < 2; i++) {
        wu_root(i ? s->b : s->a, s->root);
        wu_join(i ? s->b : s->a);
    }
    assert_true(wu_until(s->w, ready, s, 30 * OV_SEC));
    frames(s, 10);
    assert_true(s->b->frames > 0);
    s->apart = false;
    wu_run(s->w, 10 * OV_SEC);
    frames(s, 10);
    cookies(s);
    beacons(s);
    for (int i = 0; i < 14; i++) { /* over a rekey */
        wu_run(s->w, 10 * OV_SEC);
        frames(s, 1);
    }
    assert_true(s->b->frames >= 20);
    assert_true(s->b->e->stats.lan_known > 0);
}

static void show(const struct scene *s)
{
    size_t n = s->w->nlog;
    unsigned of[10] = {0};
    for (size_t i = 0; i < n; i++)
        of[s->w->log[i]->data[0] < 10 ? s->w->log[i]->data[0] : 0]++;
    printf("# %s, %s: %u handshakes, %u responses, %u cookies, %u data, %u relayed; %u DH, %u "
           "opened, %u "
           "compared\n",
           ov_aead_provider(),
           wu_peer(s->a, s->b)->s.aead == OV_AEAD_AES256GCM ? "AES-256-GCM" : "ChaCha20-Poly1305",
           of[OV_WIRE_INITIATION], of[OV_WIRE_RESPONSE], of[OV_WIRE_COOKIE], of[OV_WIRE_DATA],
           of[OV_WIRE_RELAY], shared, opened, compared);
    for (uint8_t t = OV_WIRE_INITIATION; t <= OV_WIRE_RELAY; t++)
        assert_true(of[t] > 0);
}

/* ---- planted ---- */

static volatile unsigned sink;

static void plant(const struct scene *s, const char *what)
{
    static const uint8_t zero[32];
    static volatile uint8_t table[32];
    const uint8_t *key = s->a->e->id.dh.b;
    if (strcmp(what, "memcmp") == 0)
        sink += memcmp(key, zero, sizeof zero) == 0;
    else if (strcmp(what, "branch") == 0 && key[3] & 1)
        sink++;
    else if (strcmp(what, "index") == 0)
        sink += table[key[5] & 31];
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (!RUNNING_ON_VALGRIND) {
        puts("this program means nothing without valgrind: make taint");
        return 1;
    }
    plant_equal = strcmp(what, "equal") == 0;
    for (int i = 0; i < (*what ? 1 : 3); i++) {
        struct scene s = {0};
        assert_int_equal(ov_crypto_init(), OV_OK);
        ov_aead_plain(i > 0);
        play(&s, i < 2);
        show(&s);
        plant(&s, what);
        wu_free(s.w);
    }
    return VALGRIND_COUNT_ERRORS > 0 ? 9 : 0;
}
