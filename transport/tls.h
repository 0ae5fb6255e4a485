/* tls: TLS 1.3 as a filter: bytes from the wire in, bytes for the wire out, plaintext beside it. No
 * socket, no loop.
 *
 * TLS is here to get through where nothing else does; what goes through it is sealed end to end
 * anyway. So no certificate authority is asked. A root makes a key and a certificate for itself at
 * each start, and its Ed25519 identity key signs the certificate's public key, in an extension of
 * the certificate:
 *
 *     extension 2.25.72218062616053820132381800231871643326 (not critical):
 *     OCTET STRING { identity 72 || signature 64 }, the signature over
 *     "ovpn tls v1\0" || BLAKE2b-256(SubjectPublicKeyInfo, DER)
 *
 * A client takes exactly the certificates whose extension verifies, of the root's pinned identity
 * when it knows one. Anything else that answers (a firewall that opens TLS, some web server) is
 * refused, with words that say so. Names and dates in the certificate mean nothing. */
#ifndef OV_TRANSPORT_TLS_H
#define OV_TRANSPORT_TLS_H

#include "core/identity.h"

#define OV_TLS_WHY    256
#define OV_TLS_RECORD 16384 /* plaintext bytes of one record */
#define OV_TLS_WIRE   (OV_TLS_RECORD + 512)

struct ov_tls_context; /* lives until its maker and its sessions have freed it */
struct ov_tls;

/* With an identity: for a server too. Loads OpenSSL. OV_ENOENT, OV_EVERSION: it is not to be had;
 * OV_ENOMEM. `why` says it in words. */
OV_CHECK int ov_tls_context_new(const struct ov_identity_secret *id, struct ov_tls_context **out,
                                char why[OV_TLS_WHY]);
void ov_tls_context_free(struct ov_tls_context *c); /* NULL is fine */

OV_CHECK int ov_tls_server(struct ov_tls_context *c, struct ov_tls **out);
/* `name`: sent in the clear as the server's (SNI), if it is no numeric address; may be NULL.
 * `expect`: who it must be; NULL: whoever proves an identity. */
OV_CHECK int ov_tls_client(struct ov_tls_context *c, const char *name,
                           const struct ov_identity *expect, struct ov_tls **out);
void ov_tls_free(struct ov_tls *t);

/* All that came from the wire; the handshake goes on by itself, and after each call there may be
 * something to take. A client starts with no bytes. OV_EAUTH: refused (ov_tls_why says why), and
 * over; what is there to take is the alert. */
OV_CHECK int ov_tls_feed(struct ov_tls *t, const void *data, size_t len);
bool ov_tls_open(const struct ov_tls *t); /* the handshake is done */
/* Plaintext. How many bytes; 0: none now. OV_EAUTH: broken; OV_ESTATE: the other side has closed.
 */
OV_CHECK int ov_tls_read(struct ov_tls *t, uint8_t *buf, size_t cap);
/* At most OV_TLS_RECORD bytes, once open; all of them or an error. */
OV_CHECK int ov_tls_write(struct ov_tls *t, const uint8_t *data, size_t len);
/* Bytes for the wire; 0: none now. */
size_t ov_tls_take(struct ov_tls *t, uint8_t *buf, size_t cap);
const char *ov_tls_why(const struct ov_tls *t);
bool ov_tls_refused(const struct ov_tls *t); /* a client's: it was not the root's certificate */
/* A client's, open: who the other side is (its address is not checked). */
const struct ov_identity *ov_tls_identity(const struct ov_tls *t);

#endif
