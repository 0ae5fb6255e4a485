#include "natprofile.h"

#include "keepalive.h"

#include <string.h>

#define SAMPLES_MAX 32
#define NEAR        64 /* sequential: so many other mappings may come between two of ours */

static const char *word(const char *const *words, size_t n, uint8_t i)
{
    return i < n ? words[i] : "unknown";
}

const char *ov_nat_mapping_text(uint8_t mapping)
{
    static const char *const words[] = {"unknown", "endpoint-independent", "address-dependent",
                                        "address-and-port-dependent"};
    return word(words, sizeof words / sizeof *words, mapping);
}

const char *ov_nat_filtering_text(uint8_t filtering)
{
    return ov_nat_mapping_text(filtering);
}

const char *ov_nat_allocation_text(uint8_t allocation)
{
    static const char *const words[] = {"unknown", "preserving", "sequential", "block", "random"};
    return word(words, sizeof words / sizeof *words, allocation);
}

/* What one socket looks like from different places. */
static uint8_t classify_mapping(const struct ov_nat_sample *v, size_t n)
{
    uint8_t mapping = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i + 1; k < n; k++) {
            bool host = ov_ip_equal(&v[i].to.ip, &v[k].to.ip);
            if (v[i].socket != v[k].socket || (host && v[i].to.port == v[k].to.port))
                continue;
            uint8_t m = OV_NAT_EIM;
            if (!ov_endpoint_equal(&v[i].seen, &v[k].seen))
                m = host ? OV_NAT_APDM : OV_NAT_ADM;
            if (m > mapping)
                mapping = m;
        }
    }
    return mapping;
}

/* The outside ports in the order in which they first appeared. */
static size_t ports_of(const struct ov_nat_sample *v, size_t n, uint16_t out[SAMPLES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        bool known = false;
        for (size_t k = 0; k < count; k++)
            known |= out[k] == v[i].seen.port;
        if (!known && count < SAMPLES_MAX)
            out[count++] = v[i].seen.port;
    }
    return count;
}

static bool preserving(const struct ov_nat_sample *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!v[i].port || v[i].port != v[i].seen.port)
            return false;
    return n > 0;
}

static int gcd(int a, int b)
{
    while (b) {
        int t = a % b;
        a = b;
        b = t;
    }
    return a;
}

/* The step of a sequence in which all but one of the differences are small and of one sign (a wrap,
 * or two datagrams that overtook each other); 0: it is none. */
static int sequence_step(const uint16_t *ports, size_t n)
{
    if (n < 3)
        return 0;
    for (int sign = -1; sign <= 1; sign += 2) {
        size_t fit = 0;
        int step = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            int d = sign * (ports[i + 1] - ports[i]);
            if (d <= 0 || d > NEAR)
                continue;
            fit++;
            step = gcd(d, step);
        }
        if (fit >= 2 && fit + 2 >= n)
            return sign * step;
    }
    return 0;
}

static void classify_allocation(const struct ov_nat_sample *v, size_t n, struct ov_nat_view *out)
{
    uint16_t ports[SAMPLES_MAX] = {0};
    size_t count = ports_of(v, n, ports);
    if (preserving(v, n)) {
        out->allocation = OV_NAT_PRESERVING;
        return;
    }
    int step = sequence_step(ports, count);
    if (step) {
        out->allocation = OV_NAT_SEQUENTIAL;
        out->step = (int16_t)step;
        out->base = ports[count - 1];
        return;
    }
    if (count < 4)
        return;
    uint16_t low = ports[0], high = ports[0];
    for (size_t i = 1; i < count; i++) {
        low = ports[i] < low ? ports[i] : low;
        high = ports[i] > high ? ports[i] : high;
    }
    out->allocation = high - low < OV_NAT_BLOCK_PORTS ? OV_NAT_BLOCK : OV_NAT_RANDOM;
    if (out->allocation == OV_NAT_BLOCK) {
        out->base = low;
        out->spread = (uint16_t)(high - low);
    }
}

void ov_nat_classify(const struct ov_nat_sample *v, size_t n, struct ov_nat_view *out)
{
    uint8_t filtering = out->filtering;
    memset(out, 0, sizeof *out);
    out->filtering = filtering;
    out->mapping = classify_mapping(v, n);
    classify_allocation(v, n, out);
}

ov_time ov_nat_patience(const struct ov_nat_profile *p)
{
    ov_time lives = p->lives_s * OV_SEC * 5 / 6;
    if (!p->dies_s)
        return OV_NEVER;
    return lives > OV_KEEPALIVE_FLOOR ? lives : OV_KEEPALIVE_FLOOR;
}
