#include "identity_backup.h"

#include "core/bytes.h"

#include <ctype.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TITLE     "ovpnidentitybackupv" /* as what counts of the first line */
#define PLAIN_LEN 40                    /* seed, nonce of the proof of work */
#define SEAL_LEN  (PLAIN_LEN + OV_TAG_LEN)
#define SALT_LEN  crypto_pwhash_SALTBYTES
#define NONCE_LEN 24

const struct ov_backup_cost OV_BACKUP_COST = {.passes = 3, .mem_kib = 256 * 1024};

/* What a text says. `bare` is what counts of it: no blanks, no lines for people, lower case. */
struct backup {
    char bare[OV_BACKUP_MAX];
    size_t header; /* so many bytes of `bare` are authenticated with the seal */
    ov_addr addr;
    struct ov_backup_cost cost;
    uint8_t salt[SALT_LEN], nonce[NONCE_LEN], seal[SEAL_LEN];
};

/* Without blanks and comments, in lower case; `out` again. */
static const char *strip(const char *text, char out[OV_BACKUP_MAX])
{
    size_t n = 0;
    bool fresh = true, aside = false; /* nothing of this line yet; it is for people */
    for (; *text != '\0' && n < OV_BACKUP_MAX - 1; text++) {
        if (*text == '\n') {
            fresh = true;
            aside = false;
        } else if (!isspace((unsigned char)*text)) {
            aside |= fresh && *text == '#';
            fresh = false;
            if (!aside)
                out[n++] = (char)tolower((unsigned char)*text);
        }
    }
    out[n] = '\0';
    return out;
}

static uint64_t check_of(const char *bare, size_t len)
{
    uint8_t sum[16];
    ov_hash(sum, sizeof(sum), NULL, 0, bare, len);
    return ov_load64(sum);
}

/* ---- reading ---- */

static bool take_word(const char **p, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(*p, word, n) != 0)
        return false;
    *p += n;
    return true;
}

static bool take_hex(const char **p, const char *word, uint8_t *out, size_t len)
{
    size_t got = 0;
    if (!take_word(p, word) || strnlen(*p, 2 * len) != 2 * len ||
        sodium_hex2bin(out, len, *p, 2 * len, NULL, &got, NULL) != 0 || got != len)
        return false;
    *p += 2 * len;
    return true;
}

static bool take_number(const char **p, const char *word, uint32_t max, uint32_t *out)
{
    char *end;
    if (!take_word(p, word) || !isdigit((unsigned char)**p))
        return false;
    unsigned long v = strtoul(*p, &end, 10);
    *p = end;
    *out = (uint32_t)v;
    return v > 0 && v <= max;
}

bool ov_identity_backup_is(const char *text)
{
    char bare[OV_BACKUP_MAX];
    strip(text, bare);
    return strncmp(bare, TITLE, strlen(TITLE)) == 0;
}

static int damaged(char why[OV_WHY_MAX])
{
    snprintf(why, OV_WHY_MAX,
             "this backup is damaged: its check line does not fit the others. Was "
             "it cut off, or mistyped?");
    return OV_EINVAL;
}

static int parse(const char *text, struct backup *b, char why[OV_WHY_MAX])
{
    uint8_t check[8], addr[5];
    const char *p = strip(text, b->bare);
    if (!take_word(&p, TITLE)) {
        snprintf(why, OV_WHY_MAX, "this is no backup of an identity: ovpn id export makes one");
        return OV_EINVAL;
    }
    if (!take_word(&p, "1address")) {
        snprintf(why, OV_WHY_MAX, "this backup was made by a newer ovpn: install that version");
        return OV_EVERSION;
    }
    if (!take_hex(&p, "", addr, sizeof(addr)) ||
        !take_number(&p, "kdfargon2id13passes", OV_BACKUP_PASSES_MAX, &b->cost.passes) ||
        !take_number(&p, "memory", OV_BACKUP_MEM_MAX, &b->cost.mem_kib) || b->cost.mem_kib < 8 ||
        !take_hex(&p, "salt", b->salt, sizeof(b->salt)) ||
        !take_hex(&p, "nonce", b->nonce, sizeof(b->nonce)))
        return damaged(why);
    b->header = (size_t)(p - b->bare);
    if (!take_hex(&p, "seal", b->seal, SEAL_LEN / 2) ||
        !take_hex(&p, "seal", b->seal + SEAL_LEN / 2, SEAL_LEN / 2))
        return damaged(why);
    size_t len = (size_t)(p - b->bare);
    if (!take_hex(&p, "check", check, sizeof(check)) || *p != '\0' ||
        ov_load64(check) != check_of(b->bare, len))
        return damaged(why);
    b->addr = 0;
    for (size_t i = 0; i < sizeof(addr); i++)
        b->addr = b->addr << 8 | addr[i];
    return OV_OK;
}

int ov_identity_backup_look(const char *text, ov_addr *out, char why[OV_WHY_MAX])
{
    struct backup b;
    int err = parse(text, &b, why);
    if (err == OV_OK)
        *out = b.addr;
    return err;
}

/* ---- the key ---- */

static int derive(const struct ov_passphrase *p, const struct ov_backup_cost *cost,
                  const uint8_t salt[SALT_LEN], uint8_t key[32], char why[OV_WHY_MAX])
{
    if (crypto_pwhash(key, 32, p->text, p->len, salt, cost->passes, (size_t)cost->mem_kib * 1024,
                      crypto_pwhash_ALG_ARGON2ID13) == 0)
        return OV_OK;
    snprintf(why, OV_WHY_MAX, "not enough memory: %" PRIu32 " MiB are needed for a moment",
             cost->mem_kib / 1024);
    return OV_ENOMEM;
}

int ov_identity_backup_open(const char *text, const struct ov_passphrase *p,
                            const struct ov_pow *pow, struct ov_identity_secret *out,
                            char why[OV_WHY_MAX])
{
    struct backup b;
    uint8_t key[32], plain[PLAIN_LEN];
    int err = parse(text, &b, why);
    if (err == OV_OK)
        err = derive(p, &b.cost, b.salt, key, why);
    if (err != OV_OK)
        return err;
    err = ov_xaead_open(key, b.nonce, b.bare, b.header, b.seal, SEAL_LEN, plain);
    if (err != OV_OK) {
        snprintf(why, OV_WHY_MAX, "that is not the passphrase of this backup");
        err = OV_EAUTH;
    } else if ((err = ov_identity_load(plain, ov_load64(plain + 32), pow, out)) != OV_OK) {
        snprintf(why, OV_WHY_MAX, "the identity in this backup is not genuine: %s",
                 ov_strerror(err));
        err = err == OV_EAUTH ? OV_EINVAL : err;
    }
    ov_wipe(key, sizeof(key));
    ov_wipe(plain, sizeof(plain));
    return err;
}

/* ---- writing ---- */

struct text {
    char *out;
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(t->out + t->len, OV_BACKUP_TEXT - t->len, fmt, ap);
    va_end(ap);
    t->len += (size_t)n; /* OV_BACKUP_TEXT has room for all of it */
}

/* "word 0123 4567 ...": groups are what people can copy. */
static void put_hex(struct text *t, const char *word, const uint8_t *data, size_t len)
{
    put(t, "%s", word);
    for (size_t i = 0; i < len; i++)
        put(t, "%s%02x", i % 2 == 0 ? " " : "", data[i]);
    put(t, "\n");
}

int ov_identity_backup_seal(const struct ov_identity_secret *id, const struct ov_passphrase *p,
                            const struct ov_backup_cost *cost, char out[OV_BACKUP_TEXT],
                            char why[OV_WHY_MAX])
{
    struct text t = {.out = out};
    char addr[OV_ADDR_TEXT], bare[OV_BACKUP_MAX];
    uint8_t key[32], salt[SALT_LEN], nonce[NONCE_LEN], plain[PLAIN_LEN], seal[SEAL_LEN];
    randombytes_buf(salt, sizeof(salt));
    randombytes_buf(nonce, sizeof(nonce));
    int err = derive(p, cost, salt, key, why);
    if (err != OV_OK)
        return err;
    ov_addr_format(id->pub.addr, addr);
    put(&t,
        "# The identity of the ovpn node %s, under a passphrase. To put it back:\n"
        "#     ovpn id import THIS-FILE\n",
        addr);
    put(&t, "ovpn identity backup v1\naddress %s\n", addr);
    put(&t, "kdf argon2id13 passes %" PRIu32 " memory %" PRIu32 "\n", cost->passes, cost->mem_kib);
    put_hex(&t, "salt", salt, sizeof(salt));
    put_hex(&t, "nonce", nonce, sizeof(nonce));
    strip(out, bare);
    memcpy(plain, id->seed, sizeof(id->seed));
    ov_store64(plain + 32, id->pub.nonce);
    ov_xaead_seal(key, nonce, bare, strlen(bare), plain, sizeof(plain), seal);
    ov_wipe(key, sizeof(key));
    ov_wipe(plain, sizeof(plain));
    put_hex(&t, "seal", seal, SEAL_LEN / 2);
    put_hex(&t, "seal", seal + SEAL_LEN / 2, SEAL_LEN / 2);
    strip(out, bare);
    put(&t, "check %016" PRIx64 "\n", check_of(bare, strlen(bare)));
    return OV_OK;
}
