/* curl_load: libcurl, taken in when a command talks to the daemon.
 *
 * Commands and daemon are one binary, and only commands speak HTTP as a client. Linked in the usual
 * way, libcurl and the twenty libraries behind it would be mapped, relocated and initialized in
 * every daemon for nothing; so it is opened by name when it is needed. */
#ifndef OV_CLI_CURL_LOAD_H
#define OV_CLI_CURL_LOAD_H

#include "core/error.h"

#include <curl/curl.h>
#include <stddef.h>

#define OV_CURL_LIBRARY "libcurl.so.4"

/* The functions of libcurl that are used here, by the names and types of its header. */
struct ov_curl {
    void *library; /* NULL: not loaded */
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_global_cleanup) *global_cleanup;
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_reset) *easy_reset;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_easy_setopt) *easy_setopt; /* without the header's check: long is 1L */
    __typeof__(curl_easy_getinfo) *easy_getinfo;
    __typeof__(curl_easy_perform) *easy_perform;
    __typeof__(curl_easy_strerror) *easy_strerror;
    __typeof__(curl_slist_append) *slist_append;
    __typeof__(curl_slist_free_all) *slist_free_all;
};

/* Open `library` and find all functions of it: all of *out is set, or nothing. OV_ENOENT: it is not
 * there, OV_EVERSION: it is another one; `why` says it in words. */
OV_CHECK int ov_curl_load(struct ov_curl *out, const char *library, char *why, size_t size);
void ov_curl_unload(struct ov_curl *curl); /* one that is not loaded is fine */

#endif
