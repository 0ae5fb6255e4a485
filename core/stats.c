#include "stats.h"

static const char *const names[OV_DROP_COUNT] = {
#define X(name, key, text) #key,
    OV_DROPS(X)
#undef X
};

static const char *const texts[OV_DROP_COUNT] = {
#define X(name, key, text) text,
    OV_DROPS(X)
#undef X
};

const char *ov_drop_name(enum ov_drop d)
{
    return (unsigned)d < OV_DROP_COUNT ? names[d] : "?";
}

const char *ov_drop_text(enum ov_drop d)
{
    return (unsigned)d < OV_DROP_COUNT ? texts[d] : "?";
}
