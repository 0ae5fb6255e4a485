/* tls_load: OpenSSL, taken in when the first TLS link is made.
 *
 * Most nodes get through by UDP all their life and never need it; so it is opened by name, as
 * libcurl is for commands (cli/curl_load.h), and costs an ordinary daemon nothing. Types come from
 * OpenSSL's headers, so calls are checked by the compiler as usual. */
#ifndef OV_TRANSPORT_TLS_LOAD_H
#define OV_TRANSPORT_TLS_LOAD_H

#include "core/error.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stddef.h>

#define OV_TLS_LIBRARY "libssl.so.3" /* libcrypto comes with it */

/* The functions that are used here; what the headers make of macros is called by its real name. */
#define OV_TLS_FUNCTIONS(X)                                                                        \
    X(ASN1_INTEGER_set)                                                                            \
    X(ASN1_OBJECT_free)                                                                            \
    X(ASN1_OCTET_STRING_free)                                                                      \
    X(ASN1_OCTET_STRING_new)                                                                       \
    X(ASN1_OCTET_STRING_set)                                                                       \
    X(ASN1_STRING_get0_data)                                                                       \
    X(ASN1_STRING_length)                                                                          \
    X(BIO_ctrl_pending)                                                                            \
    X(BIO_new)                                                                                     \
    X(BIO_read)                                                                                    \
    X(BIO_s_mem)                                                                                   \
    X(BIO_write)                                                                                   \
    X(CRYPTO_free)                                                                                 \
    X(ERR_clear_error)                                                                             \
    X(ERR_peek_error)                                                                              \
    X(ERR_reason_error_string)                                                                     \
    X(EVP_PKEY_Q_keygen)                                                                           \
    X(EVP_PKEY_free)                                                                               \
    X(EVP_sha256)                                                                                  \
    X(OBJ_txt2obj)                                                                                 \
    X(SSL_CTX_ctrl)                                                                                \
    X(SSL_CTX_free)                                                                                \
    X(SSL_CTX_new)                                                                                 \
    X(SSL_CTX_set_alpn_protos)                                                                     \
    X(SSL_CTX_set_alpn_select_cb)                                                                  \
    X(SSL_CTX_set_cert_verify_callback)                                                            \
    X(SSL_CTX_set_num_tickets)                                                                     \
    X(SSL_CTX_set_options)                                                                         \
    X(SSL_CTX_use_PrivateKey)                                                                      \
    X(SSL_CTX_use_certificate)                                                                     \
    X(SSL_ctrl)                                                                                    \
    X(SSL_do_handshake)                                                                            \
    X(SSL_free)                                                                                    \
    X(SSL_get_error)                                                                               \
    X(SSL_get_ex_data)                                                                             \
    X(SSL_get_ex_data_X509_STORE_CTX_idx)                                                          \
    X(SSL_new)                                                                                     \
    X(SSL_read)                                                                                    \
    X(SSL_select_next_proto)                                                                       \
    X(SSL_set_accept_state)                                                                        \
    X(SSL_set_bio)                                                                                 \
    X(SSL_set_connect_state)                                                                       \
    X(SSL_set_ex_data)                                                                             \
    X(SSL_set_verify)                                                                              \
    X(SSL_write)                                                                                   \
    X(TLS_method)                                                                                  \
    X(X509_EXTENSION_create_by_OBJ)                                                                \
    X(X509_EXTENSION_free)                                                                         \
    X(X509_EXTENSION_get_data)                                                                     \
    X(X509_NAME_add_entry_by_txt)                                                                  \
    X(X509_STORE_CTX_get0_cert)                                                                    \
    X(X509_STORE_CTX_get_ex_data)                                                                  \
    X(X509_STORE_CTX_set_error)                                                                    \
    X(X509_add_ext)                                                                                \
    X(X509_free)                                                                                   \
    X(X509_get_X509_PUBKEY)                                                                        \
    X(X509_get_ext)                                                                                \
    X(X509_get_ext_by_OBJ)                                                                         \
    X(X509_get_serialNumber)                                                                       \
    X(X509_get_subject_name)                                                                       \
    X(X509_getm_notAfter)                                                                          \
    X(X509_getm_notBefore)                                                                         \
    X(X509_gmtime_adj)                                                                             \
    X(X509_new)                                                                                    \
    X(X509_set_issuer_name)                                                                        \
    X(X509_set_pubkey)                                                                             \
    X(X509_set_version)                                                                            \
    X(X509_sign)                                                                                   \
    X(i2d_X509_PUBKEY)

struct ov_tls_library {
    void *library;
#define X(f) __typeof__(f) *(f);
    OV_TLS_FUNCTIONS(X)
#undef X
};

/* Open `name` and find all functions: all of *out is set, or nothing. OV_ENOENT: it is not there,
 * OV_EVERSION: it is another one; `why` says it in words. It is never unloaded: it leaves things to
 * be done when the process ends. */
OV_CHECK int ov_tls_load(struct ov_tls_library *out, const char *name, char *why, size_t size);

#endif
