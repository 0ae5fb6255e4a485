#include "error.h"

const char *ov_strerror(int err)
{
    switch (err) {
    case OV_OK:
        return "no error";
    case OV_EINVAL:
        return "malformed input";
    case OV_ETRUNC:
        return "wrong length";
    case OV_EAUTH:
        return "authentication failed";
    case OV_EREPLAY:
        return "replayed or too old";
    case OV_EFULL:
        return "no room left";
    case OV_EEXIST:
        return "exists already";
    case OV_ENOENT:
        return "not found";
    case OV_EPERM:
        return "not permitted";
    case OV_ESTATE:
        return "not possible now";
    case OV_EEXPIRED:
        return "expired";
    case OV_ECONFLICT:
        return "another key is known for this address";
    case OV_EVERSION:
        return "made by a newer version";
    case OV_ENOMEM:
        return "out of memory";
    case OV_EIO:
        return "input/output error";
    case OV_ELIMIT:
        return "rate limit reached";
    default:
        return "unknown error";
    }
}
