#include "why.h"

const char *ov_why_name(enum ov_why w)
{
    static const char *const names[] = {
#define X(name, key, text) #key,
        OV_WHYS(X)
#undef X
    };
    return (unsigned)w < OV_WHY_COUNT ? names[w] : "unknown";
}

const char *ov_why_text(enum ov_why w)
{
    static const char *const texts[] = {
#define X(name, key, text) text,
        OV_WHYS(X)
#undef X
    };
    return (unsigned)w < OV_WHY_COUNT ? texts[w] : "unknown";
}
