/* ovpn.conf: whatever stands in it, it is read or refused with a sentence that names a line, and a
 * refused file changes nothing. */
#include "cli/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct ov_settings s, before;
    char why[OV_WHY_MAX] = "";
    char *text = malloc(len + 1);
    if (text == NULL)
        return 0;
    memcpy(text, data, len);
    text[len] = '\0';
    ov_config_defaults(&s);
    before = s;
    int err = ov_config_parse("x.conf", text, &s, why);
    if (err == OV_OK) {
        assert(s.nroots <= OV_ROOTS_MAX && s.npublic <= OV_INVITE_HOSTS_MAX);
        assert(strlen(s.interface) < OV_TAP_NAME_MAX && strlen(s.name) < OV_NET_NAME_MAX);
        assert(ov_config_port(&s) != 0 || !s.root);
    } else {
        assert(memcmp(&s, &before, sizeof(s)) == 0);
        assert(strncmp(why, "x.conf:", 7) == 0);
    }
    free(text);
    return 0;
}
