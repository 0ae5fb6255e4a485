/* natprofile: what a node knows of the NAT in front of it, in RFC 4787's words.
 *
 * Everything here follows from reflections: samples {our socket, the root's endpoint, how it saw
 * us}, in the order in which they were sent. Pure functions; who asks and when is reflect.c's. */
#ifndef OV_CORE_NATPROFILE_H
#define OV_CORE_NATPROFILE_H

#include "types.h"

/* Zero is "not known" in all of these. */
enum ov_nat_mapping { OV_NAT_EIM = 1, OV_NAT_ADM, OV_NAT_APDM };
enum ov_nat_filtering { OV_NAT_EIF = 1, OV_NAT_ADF, OV_NAT_APDF };
/* Which outside port a new mapping gets. */
enum ov_nat_allocation {
    OV_NAT_PRESERVING = 1, /* the inside one */
    OV_NAT_SEQUENTIAL,     /* `step` after the one before */
    OV_NAT_BLOCK,          /* any of the subscriber's block */
    OV_NAT_RANDOM,
};
enum ov_nat_answer { OV_NAT_NO = 1, OV_NAT_YES };

#define OV_NAT_BLOCK_PORTS 2048 /* the largest port block that counts as one */
#define OV_NAT_PORT_MIN    1024

/* The part of it that PUNCH carries. */
struct ov_nat_view {
    uint8_t mapping, filtering, allocation;
    int16_t step;    /* SEQUENTIAL */
    uint16_t base;   /* SEQUENTIAL: the port last given; BLOCK: the lowest one seen */
    uint16_t spread; /* BLOCK: from the lowest to the highest one seen */
};

struct ov_nat_profile {
    struct ov_nat_view view;
    uint8_t hairpin;  /* enum ov_nat_answer: a datagram to our own outside endpoint comes back */
    uint8_t udp;      /* YES: answers come by UDP; NO: they do not, though they should */
    uint8_t nat;      /* NO: our own address is what others see */
    uint8_t narrow;   /* YES: the router in front of us lately took no more flows or packets; told
                         by ov_reflect_profile() only */
    uint16_t lives_s; /* seen: a mapping lives so long without traffic; 0: not known */
    uint16_t dies_s;  /* seen: it does not live so long; 0: never seen */
    struct ov_endpoint seen;
    ov_time measured; /* 0: not yet */
};

struct ov_nat_sample {
    uint16_t socket;
    uint16_t port; /* of our socket; 0: not known */
    struct ov_endpoint to, seen;
};

/* Mapping and allocation from `n` samples in order of sending. */
void ov_nat_classify(const struct ov_nat_sample *v, size_t n, struct ov_nat_view *out);

/* The longest silence that its mappings bear, with a margin; OV_NEVER: longer than any of ours. */
ov_time ov_nat_patience(const struct ov_nat_profile *p);

/* Words for people and JSON: "endpoint-independent"...; "unknown". */
const char *ov_nat_mapping_text(uint8_t mapping);
const char *ov_nat_filtering_text(uint8_t filtering);
const char *ov_nat_allocation_text(uint8_t allocation);

#endif
