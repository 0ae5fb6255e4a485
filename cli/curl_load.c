#include "curl_load.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* NODELETE: libraries behind libcurl leave things to be done when the process ends. */
#define MODE (RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)

int ov_curl_load(struct ov_curl *out, const char *library, char *why, size_t size)
{
    struct ov_curl c = {.library = dlopen(library, MODE)};
    const struct {
        const char *name;
        void *at;
    } functions[] = {
        {"curl_global_init", &c.global_init},       {"curl_global_cleanup", &c.global_cleanup},
        {"curl_easy_init", &c.easy_init},           {"curl_easy_reset", &c.easy_reset},
        {"curl_easy_cleanup", &c.easy_cleanup},     {"curl_easy_setopt", &c.easy_setopt},
        {"curl_easy_getinfo", &c.easy_getinfo},     {"curl_easy_perform", &c.easy_perform},
        {"curl_easy_strerror", &c.easy_strerror},   {"curl_slist_append", &c.slist_append},
        {"curl_slist_free_all", &c.slist_free_all},
    };

    memset(out, 0, sizeof *out);
    if (!c.library) {
        const char *error = dlerror();
        snprintf(why, size, "cannot load the library %s: %s", library, error ? error : "no reason");
        return OV_ENOENT;
    }
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *found = dlsym(c.library, functions[i].name);
        if (!found) {
            snprintf(why, size, "the library %s has no %s", library, functions[i].name);
            ov_curl_unload(&c);
            return OV_EVERSION;
        }
        *(void **)functions[i].at = found; /* as in POSIX: C has no cast to function */
    }
    *out = c;
    return OV_OK;
}

void ov_curl_unload(struct ov_curl *curl)
{
    if (curl->library)
        dlclose(curl->library);
    memset(curl, 0, sizeof *curl);
}
