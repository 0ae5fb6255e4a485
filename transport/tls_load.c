#include "tls_load.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int ov_tls_load(struct ov_tls_library *out, const char *name, char *why, size_t size)
{
    struct ov_tls_library l = {.library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)};
    const struct {
        const char *name;
        void *at;
    } functions[] = {
#define X(f) {#f, &l.f},
        OV_TLS_FUNCTIONS(X)
#undef X
    };

    memset(out, 0, sizeof *out);
    if (!l.library) {
        const char *error = dlerror();
        snprintf(why, size, "cannot load the library %s: %s", name, error ? error : "no reason");
        return OV_ENOENT;
    }
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *found = dlsym(l.library, functions[i].name);
        if (!found) {
            snprintf(why, size, "the library %s has no %s", name, functions[i].name);
            return OV_EVERSION;
        }
        *(void **)functions[i].at = found; /* as in POSIX: C has no cast to function */
    }
    *out = l;
    return OV_OK;
}
