/* error: the one set of error numbers that core/ and the layers above return.
 *
 * Functions that can fail return 0 for success or one of these negative values. */
#ifndef OV_CORE_ERROR_H
#define OV_CORE_ERROR_H

#define OV_CHECK __attribute__((warn_unused_result))

enum ov_error {
    OV_OK = 0,
    OV_EINVAL = -1,     /* malformed text or bytes */
    OV_ETRUNC = -2,     /* ends too early, or has bytes left over */
    OV_EAUTH = -3,      /* signature, tag, MAC or proof of work does not hold */
    OV_EREPLAY = -4,    /* seen before, or too old to tell */
    OV_EFULL = -5,      /* a bounded table, ring or buffer is full */
    OV_EEXIST = -6,     /* is there already */
    OV_ENOENT = -7,     /* is not there */
    OV_EPERM = -8,      /* known, but not allowed */
    OV_ESTATE = -9,     /* not possible in this state */
    OV_EEXPIRED = -10,  /* was valid once */
    OV_ECONFLICT = -11, /* a second key for a known address */
    OV_EVERSION = -12,  /* made by a newer version than this one */
    OV_ENOMEM = -13,
    OV_EIO = -14,    /* the edge failed: file, socket, database */
    OV_ELIMIT = -15, /* a rate limit says no for now */
};

/* A short lower-case English phrase for `err`, never NULL. Static memory. */
const char *ov_strerror(int err);

#endif
