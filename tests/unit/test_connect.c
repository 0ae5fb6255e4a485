#include "transport/connect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void parses(const char *url, const char *host, uint16_t port, const char *secret)
{
    struct ov_connect_proxy p;
    assert_int_equal(ov_connect_parse(url, &p), OV_OK);
    assert_string_equal(p.host, host);
    assert_int_equal(p.port, port);
    assert_string_equal(p.secret, secret);
}

static void test_url(void **state)
{
    static const char *const BAD[] = {"",
                                      "http://",
                                      "https://proxy:8080",
                                      "socks5://proxy:1080",
                                      "http://proxy:",
                                      "http://:80",
                                      "http://proxy:0",
                                      "http://proxy:65536",
                                      "http://proxy:8x",
                                      "http://proxy:8080/path",
                                      "http://pro xy:80",
                                      "http://[::1",
                                      "http://[::1]x",
                                      "http://u:%zz@proxy",
                                      "http://u:%0@proxy",
                                      "http://u:%00@proxy",
                                      "proxy?x",
                                      "http://a\rb:80"};
    char longest[600];
    struct ov_connect_proxy p;
    (void)state;

    parses("http://proxy.example:3128", "proxy.example", 3128, "");
    parses("http://proxy.example/", "proxy.example", 80, "");
    parses("10.0.0.1:8888", "10.0.0.1", 8888, "");
    parses("http://[2001:db8::1]:8080/", "2001:db8::1", 8080, "");
    parses("http://[::1]", "::1", 80, "");
    parses("http://me:pa%40ss@proxy:1", "proxy", 1, "me:pa@ss");
    parses("http://me:p@ss@proxy:1", "proxy", 1, "me:p@ss");
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        memset(&p, 7, sizeof p);
        assert_int_equal(ov_connect_parse(BAD[i], &p), OV_EINVAL);
        assert_int_equal(p.port, 0x0707);
    }
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(ov_connect_parse(longest, &p), OV_EINVAL);
    memcpy(longest + 500, "@proxy", 7);
    assert_int_equal(ov_connect_parse(longest, &p), OV_EINVAL);
}

static void test_request(void **state)
{
    struct ov_connect_proxy p = {.host = "proxy", .port = 1};
    char out[OV_CONNECT_REQUEST];
    (void)state;

    size_t n = ov_connect_request(&p, "vpn.example", 443, out);
    assert_int_equal(n, strlen(out));
    assert_string_equal(out, "CONNECT vpn.example:443 HTTP/1.1\r\nHost: vpn.example:443\r\n\r\n");
    ov_connect_request(&p, "2001:db8::1", 443, out);
    assert_string_equal(out,
                        "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n");
    strcpy(p.secret, "Aladdin:open sesame"); /* RFC 7617, section 2 */
    ov_connect_request(&p, "x", 1, out);
    assert_non_null(
        strstr(out, "\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"));
    strcpy(p.secret, "a:b");
    ov_connect_request(&p, "x", 1, out);
    assert_non_null(strstr(out, "Basic YTpi\r\n"));
    strcpy(p.secret, "a:bc");
    ov_connect_request(&p, "x", 1, out);
    assert_non_null(strstr(out, "Basic YTpiYw==\r\n"));
    memset(p.secret, 'x', sizeof p.secret - 1);
    p.secret[sizeof p.secret - 1] = '\0';
    assert_true(ov_connect_request(&p, "x", 1, out) > 0);
    char host[OV_CONNECT_HOST * 2];
    memset(host, 'h', sizeof host);
    host[sizeof host - 1] = '\0';
    assert_int_equal(ov_connect_request(&p, host, 1, out), 0);
}

/* The answer in pieces of `piece`, followed by "REST"; what the last call said. */
static int answer(const char *text, size_t piece, char why[OV_CONNECT_WHY])
{
    struct ov_connect c = {0};
    char all[OV_CONNECT_ANSWER * 2];
    size_t len = strlen(text), total, at = 0, used;
    int err = OV_ETRUNC;

    memcpy(all, text, len);
    memcpy(all + len, "REST", 4);
    total = len + 4;
    why[0] = '\0';
    while (err == OV_ETRUNC && at < total) {
        size_t n = total - at < piece ? total - at : piece;
        err = ov_connect_feed(&c, (const uint8_t *)all + at, n, &used, why);
        assert_true(used <= n);
        if (err == OV_ETRUNC)
            assert_int_equal(used, n);
        at += used;
    }
    if (err == OV_OK)
        assert_int_equal(at, len); /* what follows is the server's */
    return err;
}

static void test_answers(void **state)
{
    static const char OK[] = "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n";
    char why[OV_CONNECT_WHY];
    static char endless[OV_CONNECT_ANSWER + 64];
    (void)state;

    for (size_t piece = 1; piece < sizeof OK + 4; piece++) {
        assert_int_equal(answer(OK, piece, why), OV_OK);
        assert_int_equal(answer("HTTP/1.0 200\r\n\r\n", piece, why), OV_OK);
        assert_int_equal(answer("HTTP/1.0 204 \n\n", piece, why), OV_OK);
        assert_int_equal(answer("HTTP/1.1 407 Nope\r\n\r\n", piece, why), OV_EPERM);
        assert_non_null(strstr(why, "password"));
        assert_int_equal(answer("HTTP/1.1 403 For\x01"
                                "bidden\r\n\r\n",
                                piece, why),
                         OV_EPERM);
        assert_non_null(strstr(why, "403 For?bidden"));
        assert_int_equal(answer("HTTP/1.1 100 Continue\r\n\r\n", piece, why), OV_EPERM);
        assert_int_equal(answer("HTTP/2 200\r\n\r\n", piece, why), OV_EINVAL);
        assert_int_equal(answer("HTTP/1.1 2x0\r\n\r\n", piece, why), OV_EINVAL);
        assert_int_equal(answer("SSH-2.0-OpenSSH_9.2\r\n", piece, why), OV_EINVAL);
        assert_int_equal(answer("\r\n\r\n", piece, why), OV_EINVAL);
    }
    memset(endless, 'x', sizeof endless - 1);
    memcpy(endless, "HTTP/1.1 200 ", 13);
    assert_int_equal(answer(endless, 1000, why), OV_EINVAL);
    assert_non_null(strstr(why, "does not end"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
