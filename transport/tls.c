#include "tls.h"

#include "tls_load.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BINDING_OID    "2.25.72218062616053820132381800231871643326"
#define BINDING_DOMAIN "ovpn tls v1"
#define BINDING_LEN    (OV_IDENTITY_LEN + 64)
#define BINDING_DER    (3 + BINDING_LEN) /* OCTET STRING, one length byte after 0x81 */
#define LIFE           (10L * 365 * 24 * 3600)

struct ov_tls_context {
    struct ov_tls_library l;
    SSL_CTX *ctx;
    ASN1_OBJECT *oid;
    unsigned users; /* its maker and its sessions */
};

struct ov_tls {
    struct ov_tls_context *c;
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    bool client, open, failed, refused, expects;
    struct ov_identity expect, proven;
    char why[OV_TLS_WHY];
};

/* The hash of a certificate's public key: what an identity signs. */
static bool key_hash(const struct ov_tls_library *l, X509 *cert, uint8_t out[32])
{
    unsigned char *der = NULL;
    int len = l->i2d_X509_PUBKEY(l->X509_get_X509_PUBKEY(cert), &der);
    if (len <= 0)
        return false;
    ov_hash(out, 32, NULL, 0, der, (size_t)len);
    l->CRYPTO_free(der, __FILE__, __LINE__);
    return true;
}

/* ---- the server's certificate ---- */

static bool bind_identity(struct ov_tls_context *c, const struct ov_identity_secret *id, X509 *cert)
{
    const struct ov_tls_library *l = &c->l;
    uint8_t hash[32], der[BINDING_DER] = {0x04, 0x81, BINDING_LEN};
    struct ov_signature sig;
    bool ok = false;
    if (!key_hash(l, cert, hash))
        return false;
    ov_sign(&id->sign, BINDING_DOMAIN, hash, sizeof hash, &sig);
    ov_identity_encode(&id->pub, der + 3);
    memcpy(der + 3 + OV_IDENTITY_LEN, sig.b, sizeof sig.b);
    ASN1_OCTET_STRING *value = l->ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext = NULL;
    if (value && l->ASN1_OCTET_STRING_set(value, der, sizeof der))
        ext = l->X509_EXTENSION_create_by_OBJ(NULL, c->oid, 0, value);
    if (ext)
        ok = l->X509_add_ext(cert, ext, -1) == 1;
    l->X509_EXTENSION_free(ext);
    l->ASN1_OCTET_STRING_free(value);
    return ok;
}

static bool make_certificate(struct ov_tls_context *c, const struct ov_identity_secret *id)
{
    const struct ov_tls_library *l = &c->l;
    static const unsigned char NAME[] = "localhost";
    EVP_PKEY *key = l->EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *cert = l->X509_new();
    X509_NAME *name = cert ? l->X509_get_subject_name(cert) : NULL;
    bool ok = key && cert && l->X509_set_version(cert, 2) &&
              l->ASN1_INTEGER_set(l->X509_get_serialNumber(cert), 1) &&
              l->X509_gmtime_adj(l->X509_getm_notBefore(cert), -24L * 3600) &&
              l->X509_gmtime_adj(l->X509_getm_notAfter(cert), LIFE) &&
              l->X509_set_pubkey(cert, key) &&
              l->X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, NAME, -1, -1, 0) &&
              l->X509_set_issuer_name(cert, name) && bind_identity(c, id, cert) &&
              l->X509_sign(cert, key, l->EVP_sha256()) > 0 &&
              l->SSL_CTX_use_certificate(c->ctx, cert) == 1 &&
              l->SSL_CTX_use_PrivateKey(c->ctx, key) == 1;
    l->X509_free(cert);
    l->EVP_PKEY_free(key);
    return ok;
}

/* ---- the client's check of it ---- */

static bool read_binding(struct ov_tls *t, X509 *cert, struct ov_identity *id,
                         struct ov_signature *sig)
{
    const struct ov_tls_library *l = &t->c->l;
    int at = cert ? l->X509_get_ext_by_OBJ(cert, t->c->oid, -1) : -1;
    if (at < 0)
        return false;
    const ASN1_OCTET_STRING *v = l->X509_EXTENSION_get_data(l->X509_get_ext(cert, at));
    const uint8_t *der = v ? l->ASN1_STRING_get0_data(v) : NULL;
    if (!der || l->ASN1_STRING_length(v) != BINDING_DER || der[0] != 0x04 || der[1] != 0x81 ||
        der[2] != BINDING_LEN)
        return false;
    ov_identity_decode(der + 3, id);
    memcpy(sig->b, der + 3 + OV_IDENTITY_LEN, sizeof sig->b);
    return true;
}

/* OpenSSL's verify callback, in place of all it would check itself. */
static int verify(X509_STORE_CTX *store, void *arg)
{
    struct ov_tls_context *c = arg;
    const struct ov_tls_library *l = &c->l;
    SSL *ssl = l->X509_STORE_CTX_get_ex_data(store, l->SSL_get_ex_data_X509_STORE_CTX_idx());
    struct ov_tls *t = ssl ? l->SSL_get_ex_data(ssl, 0) : NULL;
    X509 *cert = l->X509_STORE_CTX_get0_cert(store);
    struct ov_identity id = {0};
    struct ov_signature sig;
    uint8_t hash[32];
    if (t && read_binding(t, cert, &id, &sig) && key_hash(l, cert, hash) &&
        ov_sign_verify(&id.sign, BINDING_DOMAIN, hash, sizeof hash, &sig) == OV_OK &&
        (!t->expects || ov_identity_equal(&id, &t->expect))) {
        t->proven = id;
        return 1;
    }
    if (t)
        t->refused = true;
    l->X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

/* ---- contexts and sessions ---- */

static const unsigned char ALPN[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
                       const unsigned char *in, unsigned inlen, void *arg)
{
    const struct ov_tls_context *c = arg;
    unsigned char *chosen = NULL;
    (void)ssl;
    if (c->l.SSL_select_next_proto(&chosen, outlen, ALPN, sizeof ALPN, in, inlen) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

int ov_tls_context_new(const struct ov_identity_secret *id, struct ov_tls_context **out,
                       char why[OV_TLS_WHY])
{
    struct ov_tls_context *c = calloc(1, sizeof *c);
    snprintf(why, OV_TLS_WHY, "out of memory");
    if (!c)
        return OV_ENOMEM;
    int err = ov_tls_load(&c->l, OV_TLS_LIBRARY, why, OV_TLS_WHY);
    if (err != OV_OK) {
        free(c);
        return err;
    }
    const struct ov_tls_library *l = &c->l;
    c->users = 1;
    c->ctx = l->SSL_CTX_new(l->TLS_method());
    c->oid = l->OBJ_txt2obj(BINDING_OID, 1);
    if (!c->ctx || !c->oid ||
        l->SSL_CTX_ctrl(c->ctx, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_3_VERSION, NULL) != 1 ||
        l->SSL_CTX_set_num_tickets(c->ctx, 0) != 1 ||
        l->SSL_CTX_set_alpn_protos(c->ctx, ALPN, sizeof ALPN) != 0 ||
        (id && !make_certificate(c, id))) {
        snprintf(why, OV_TLS_WHY, "OpenSSL cannot make a certificate");
        l->ERR_clear_error();
        ov_tls_context_free(c);
        return OV_ENOMEM;
    }
    l->SSL_CTX_ctrl(c->ctx, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, NULL);
    l->SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    l->SSL_CTX_set_cert_verify_callback(c->ctx, verify, c);
    l->SSL_CTX_set_alpn_select_cb(c->ctx, select_alpn, c);
    *out = c;
    return OV_OK;
}

void ov_tls_context_free(struct ov_tls_context *c)
{
    if (!c || --c->users > 0)
        return;
    c->l.SSL_CTX_free(c->ctx);
    c->l.ASN1_OBJECT_free(c->oid);
    free(c);
}

static int new_session(struct ov_tls_context *c, struct ov_tls **out)
{
    const struct ov_tls_library *l = &c->l;
    struct ov_tls *t = calloc(1, sizeof *t);
    if (!t)
        return OV_ENOMEM;
    t->c = c;
    c->users++;
    t->ssl = l->SSL_new(c->ctx);
    t->in = l->BIO_new(l->BIO_s_mem());
    t->out = l->BIO_new(l->BIO_s_mem());
    if (t->ssl && t->in && t->out)
        l->SSL_set_bio(t->ssl, t->in, t->out);
    if (!t->ssl || !t->in || !t->out || l->SSL_set_ex_data(t->ssl, 0, t) != 1) {
        ov_tls_free(t);
        return OV_ENOMEM;
    }
    *out = t;
    return OV_OK;
}

int ov_tls_server(struct ov_tls_context *c, struct ov_tls **out)
{
    int err = new_session(c, out);
    if (err == OV_OK)
        c->l.SSL_set_accept_state((*out)->ssl); /* who connects is proven inside */
    return err;
}

int ov_tls_client(struct ov_tls_context *c, const char *name, const struct ov_identity *expect,
                  struct ov_tls **out)
{
    struct ov_ip ip;
    int err = new_session(c, out);
    if (err != OV_OK)
        return err;
    struct ov_tls *t = *out;
    t->client = true;
    t->expects = expect != NULL;
    if (expect)
        t->expect = *expect;
    c->l.SSL_set_connect_state(t->ssl);
    c->l.SSL_set_verify(t->ssl, SSL_VERIFY_PEER, NULL);
    /* RFC 6066: no literal addresses. */
    if (name && name[0] && ov_ip_parse(name, &ip) != OV_OK) {
        char copy[256];
        snprintf(copy, sizeof copy, "%s", name);
        c->l.SSL_ctrl(t->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, copy);
    }
    return OV_OK;
}

void ov_tls_free(struct ov_tls *t)
{
    if (!t)
        return;
    t->c->l.SSL_free(t->ssl);
    ov_tls_context_free(t->c);
    free(t);
}

/* What OpenSSL's last call failed of. OV_OK: it only wants more bytes. */
static int judge(struct ov_tls *t, int ret)
{
    const struct ov_tls_library *l = &t->c->l;
    int e = l->SSL_get_error(t->ssl, ret);
    if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
        return OV_OK;
    if (e == SSL_ERROR_ZERO_RETURN) {
        snprintf(t->why, sizeof t->why, "the other side closed it");
        return OV_ESTATE;
    }
    const char *reason = l->ERR_reason_error_string(l->ERR_peek_error());
    t->failed = true;
    if (t->refused)
        snprintf(t->why, sizeof t->why,
                 "what answers is not the root (its certificate is another's): a firewall that "
                 "opens TLS, or a web server");
    else
        snprintf(t->why, sizeof t->why, "TLS failed: %s", reason ? reason : "no reason given");
    l->ERR_clear_error();
    return OV_EAUTH;
}

int ov_tls_feed(struct ov_tls *t, const void *data, size_t len)
{
    const struct ov_tls_library *l = &t->c->l;
    if (t->failed || len > INT32_MAX)
        return OV_EAUTH;
    if (len > 0 && l->BIO_write(t->in, data, (int)len) != (int)len)
        return OV_ENOMEM;
    if (t->open)
        return OV_OK;
    l->ERR_clear_error();
    int ret = l->SSL_do_handshake(t->ssl);
    t->open = ret == 1;
    return ret == 1 ? OV_OK : judge(t, ret) == OV_OK ? OV_OK : OV_EAUTH;
}

bool ov_tls_open(const struct ov_tls *t)
{
    return t->open;
}

int ov_tls_read(struct ov_tls *t, uint8_t *buf, size_t cap)
{
    if (!t->open)
        return 0;
    t->c->l.ERR_clear_error();
    int n = t->c->l.SSL_read(t->ssl, buf, cap > INT32_MAX ? INT32_MAX : (int)cap);
    return n > 0 ? n : judge(t, n);
}

int ov_tls_write(struct ov_tls *t, const uint8_t *data, size_t len)
{
    assert(len > 0 && len <= OV_TLS_RECORD);
    if (!t->open || t->failed)
        return OV_ESTATE;
    t->c->l.ERR_clear_error();
    int n = t->c->l.SSL_write(t->ssl, data, (int)len);
    if (n == (int)len)
        return OV_OK;
    return judge(t, n) == OV_OK ? OV_EIO : OV_EAUTH;
}

size_t ov_tls_take(struct ov_tls *t, uint8_t *buf, size_t cap)
{
    int n = t->c->l.BIO_read(t->out, buf, cap > INT32_MAX ? INT32_MAX : (int)cap);
    return n > 0 ? (size_t)n : 0;
}

const char *ov_tls_why(const struct ov_tls *t)
{
    return t->why;
}

bool ov_tls_refused(const struct ov_tls *t)
{
    return t->refused;
}

const struct ov_identity *ov_tls_identity(const struct ov_tls *t)
{
    return &t->proven;
}
