/* What UPnP routers send: SSDP, HTTP, descriptions and SOAP answers, good and bad. */
#include "transport/http.h"
#include "transport/soap.h"
#include "transport/ssdp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int url(const char *text, struct ov_ssdp_url *out)
{
    return ov_ssdp_url_parse(text, strlen(text), out);
}

static void test_urls(void **state)
{
    static const char *const BAD[] = {
        "",
        "http",
        "http://",
        "http:///x",
        "https://10.0.1.1/",
        "http://router/",
        "//10.0.1.1/",
        "http://10.0.1.1:0/",
        "http://10.0.1.1:65536/",
        "http://10.0.1.1:/",
        "http://[fe80::1]/",
        "http://u@10.0.1.1/",
        "http://10.0.1.1/a b",
        "http://10.0.1.1/a\r\nX: y",
        "http://10.0.1/",
        "http://10.0.1.1\r/",
        "ftp://10.0.1.1/",
        "http://10.0.1.1:80:80/",
    };
    struct ov_ssdp_url u = {.path = "kept"};
    char longest[400] = "http://10.0.1.1/";

    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_int_equal(url(BAD[i], &u), OV_EINVAL);
    memset(longest + 16, 'a', OV_SSDP_PATH - 1);
    assert_int_equal(url(longest, &u), OV_EINVAL);
    assert_string_equal(u.path, "kept");
    longest[16 + OV_SSDP_PATH - 2] = '\0';
    assert_int_equal(url(longest, &u), OV_OK);
    assert_int_equal(url("HTTP://10.0.1.1", &u), OV_OK);
    assert_int_equal(u.server.port, 80);
    assert_string_equal(u.path, "");
    assert_int_equal(url("http://10.0.1.1:5000/root.xml?x=1", &u), OV_OK);
    assert_int_equal(u.server.port, 5000);
    assert_int_equal(u.server.ip.b[3], 1);
    assert_string_equal(u.path, "/root.xml?x=1");
}

#define IGD "urn:schemas-upnp-org:device:InternetGatewayDevice:"

static int ssdp(const char *text, struct ov_ssdp *m)
{
    return ov_ssdp_decode(text, strlen(text), m);
}

static void test_ssdp(void **state)
{
    char out[OV_SSDP_SEARCH_MAX], large[OV_SSDP_MAX + 2];
    struct ov_ssdp m;

    (void)state;
    size_t n = ov_ssdp_search_encode("239.255.255.250", 1, out);
    assert_int_equal(n, strlen(out));
    assert_string_equal(out, "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
                             "MAN: \"ssdp:discover\"\r\nMX: 1\r\nST: " IGD "1\r\n\r\n");
    assert_int_equal(ssdp("HTTP/1.1 200 OK\r\nst:" IGD
                          "2\r\nlocation:  http://10.0.1.1:5000/d.xml \r\n"
                          "BOOTID.UPNP.ORG: 1700000000\r\n\r\n",
                          &m),
                     OV_OK);
    assert_int_equal(m.kind, OV_SSDP_GATEWAY);
    assert_int_equal(m.url.server.port, 5000);
    assert_string_equal(m.url.path, "/d.xml");
    assert_int_equal(m.boot, 1700000000);
    assert_int_equal(ssdp("NOTIFY * HTTP/1.1\r\nNT: " IGD "1\r\nNTS: ssdp:alive\r\n"
                          "LOCATION: http://10.0.1.1/d.xml\r\n\r\n",
                          &m),
                     OV_OK);
    assert_int_equal(m.kind, OV_SSDP_ALIVE);
    assert_int_equal(m.boot, 0);
    assert_int_equal(ssdp("NOTIFY * HTTP/1.1\r\nNT: " IGD "1\r\nNTS: ssdp:byebye\r\n\r\n", &m),
                     OV_OK);
    assert_int_equal(m.kind, OV_SSDP_BYEBYE);
    /* A television, and one that searches itself. */
    assert_int_equal(
        ssdp("HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLOCATION: nonsense\r\n\r\n", &m), OV_OK);
    assert_int_equal(m.kind, OV_SSDP_OTHER);
    assert_int_equal(ssdp("M-SEARCH * HTTP/1.1\r\nST: " IGD "1\r\n\r\n", &m), OV_EINVAL);
    assert_int_equal(ssdp("HTTP/1.1 404 Not\r\nST: " IGD "1\r\n\r\n", &m), OV_EINVAL);
    assert_int_equal(ssdp("HTTP/1.1 200 OK\r\nST: " IGD "1\r\n\r\n", &m), OV_EINVAL);
    assert_int_equal(ssdp("HTTP/1.1 200 OK\r\nST: " IGD "1\r\nLOCATION: http://evil/\r\n", &m),
                     OV_EINVAL);
    assert_int_equal(ssdp("", &m), OV_EINVAL);
    memset(large, 'a', sizeof large);
    memcpy(large, "HTTP/1.1 200 OK\r\n", 17);
    assert_int_equal(ov_ssdp_decode(large, OV_SSDP_MAX, &m), OV_OK);
    assert_int_equal(ov_ssdp_decode(large, OV_SSDP_MAX + 1, &m), OV_EINVAL);
}

/* The answer that `text` is, looked at byte after byte as it comes; the body, or NULL. */
static char body[512];
static const char *http(const char *text, bool eof, int *result, unsigned *status)
{
    size_t len = strlen(text);
    struct ov_http_answer a = {0};

    for (size_t n = 0; n <= len; n++) {
        char *copy = malloc(n + 1); /* so that a sanitizer sees every byte too far */
        memcpy(copy, text, n);
        char *exact = realloc(copy, n ? n : 1);
        *result = ov_http_parse(exact, n, eof && n == len, &a);
        if (*result == 1) {
            *status = a.status;
            snprintf(body, sizeof body, "%.*s", (int)a.len, a.body);
        }
        free(exact);
        if (*result != 0)
            break;
    }
    return *result == 1 ? body : NULL;
}

static void test_http(void **state)
{
    static const char *const BAD[] = {
        "FTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 20x OK\r\n\r\n",
        "HTTP/2\r\n\r\n",
        "\r\n\r\n",
        "\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551617\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
    };
    static const char *const SHORT[] = {
        "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", ""};
    unsigned status = 0;
    int r;

    (void)state;
    assert_string_equal(
        http("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd", false, &r, &status), "abc");
    assert_int_equal(status, 200);
    assert_string_equal(http("HTTP/1.0 500 No\ncontent-length:0\n\n", false, &r, &status), "");
    assert_int_equal(status, 500);
    assert_string_equal(http("HTTP/1.1 200 OK\r\n\r\nall of it", true, &r, &status), "all of it");
    assert_null(http("HTTP/1.1 200 OK\r\n\r\nall of it", false, &r, &status));
    assert_int_equal(r, 0);
    assert_string_equal(http("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
                             "3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
                             false, &r, &status),
                        "abc0123456789");
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        (void)http(BAD[i], true, &r, &status);
        assert_int_equal(r, OV_EINVAL);
    }
    for (size_t i = 0; i < sizeof SHORT / sizeof SHORT[0]; i++) {
        (void)http(SHORT[i], false, &r, &status);
        assert_int_equal(r, 0);
        (void)http(SHORT[i], true, &r, &status);
        assert_int_equal(r, OV_EINVAL);
    }
}

#define SERVICE(type, control)                                                                     \
    "<service><serviceType>urn:schemas-upnp-org:service:" type                                     \
    "</serviceType><controlURL>" control                                                           \
    "</controlURL><eventSubURL>/e</eventSubURL><SCPDURL>/s</SCPDURL></service>"

static size_t services(const char *inside, struct ov_soap_service out[OV_SOAP_SERVICES])
{
    static const struct ov_ssdp_url FROM = {{{4, {10, 0, 1, 1}}, 5000, 0}, "/dir/root.xml"};
    char xml[2048];
    int n = snprintf(xml, sizeof xml, "<?xml version=\"1.0\"?><root>%s</root>", inside);

    return ov_soap_services(xml, (size_t)n, &FROM, out);
}

static void test_description(void **state)
{
    static const char *const NONE[] = {
        "",
        SERVICE("Layer3Forwarding:1", "/c"),
        SERVICE("WANIPConnection:1", "http://20.0.0.1/c"),
        SERVICE("WANIPConnection:1", "http://10.0.1.2:5000/c"),
        SERVICE("WANIPConnection:1", "http://router/c"),
        SERVICE("WANIPConnection:1", "/c d"),
        SERVICE("WANIPConnection:1\"x", "/c"),
        "<URLBase>http://20.0.0.1/</URLBase>" SERVICE("WANIPConnection:1", "/c"),
        "<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1",
    };
    struct ov_soap_service s[OV_SOAP_SERVICES];

    (void)state;
    assert_int_equal(services(SERVICE("WANIPConnection:1", "/ctl/IPConn"), s), 1);
    assert_string_equal(s[0].type, "urn:schemas-upnp-org:service:WANIPConnection:1");
    assert_string_equal(s[0].control.path, "/ctl/IPConn");
    assert_int_equal(s[0].control.server.port, 5000);
    /* Both kinds; a port of its own; relative. */
    assert_int_equal(services(SERVICE("WANIPConnection:1", "http://10.0.1.1:80/c")
                                  SERVICE("WANPPPConnection:1", "ppp"),
                              s),
                     2);
    assert_int_equal(s[0].control.server.port + s[1].control.server.port, 80 + 5000);
    for (size_t i = 0; i < sizeof NONE / sizeof NONE[0]; i++)
        assert_int_equal(services(NONE[i], s), 0);
}

static void test_soap(void **state)
{
    struct ov_soap_service s = {{{{4, {10, 0, 1, 1}}, 5000, 0}, "/c"}, "urn:x:WANIPConnection:1"};
    const struct ov_soap_arg args[] = {{"NewRemoteHost", ""}, {"NewExternalPort", "40231"}};
    char out[OV_SOAP_REQUEST_MAX], value[OV_SOAP_VALUE], huge[OV_SOAP_REQUEST_MAX];
    static const char FAULT[] = "<s:Envelope><s:Body><s:Fault><detail><UPnPError><errorCode>718"
                                "</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>";
    static const char ENTRY[] = "<u:R><NewInternalPort>4x</NewInternalPort><Empty></Empty>"
                                "<NewLeaseDuration>99999999999</NewLeaseDuration></u:R>";
    uint32_t n;

    (void)state;
    size_t len = ov_soap_get(&s.control, out);
    assert_int_equal(len, strlen(out));
    assert_string_equal(out, "GET /c HTTP/1.1\r\nHost: 10.0.1.1:5000\r\nConnection: close\r\n\r\n");
    len = ov_soap_call(&s, "AddPortMapping", args, 2, out);
    assert_int_equal(len, strlen(out));
    const char *start = strstr(out, "\r\n\r\n");
    assert_non_null(start);
    snprintf(value, sizeof value, "Content-Length: %zu\r\n", strlen(start + 4));
    assert_non_null(strstr(out, value));
    assert_non_null(strstr(out, "SOAPAction: \"urn:x:WANIPConnection:1#AddPortMapping\"\r\n"));
    assert_non_null(
        strstr(out, "<NewRemoteHost></NewRemoteHost><NewExternalPort>40231</NewExternalPort>"));
    memset(huge, 'a', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    assert_int_equal(ov_soap_call(&s, huge, args, 2, out), 0);
    huge[sizeof huge - 348] = '\0'; /* fits alone, but not with its header */
    assert_int_equal(ov_soap_call(&s, "A", (struct ov_soap_arg[]){{"B", huge}}, 1, out), 0);

    assert_int_equal(ov_soap_number(FAULT, sizeof FAULT - 1, "errorCode", 999, &n), OV_OK);
    assert_int_equal(n, OV_SOAP_CONFLICT);
    assert_int_equal(ov_soap_number(FAULT, sizeof FAULT - 1, "errorCode", 717, &n), OV_EINVAL);
    assert_int_equal(ov_soap_value(FAULT, sizeof FAULT - 1, "NewExternalIPAddress", value),
                     OV_ENOENT);
    assert_int_equal(ov_soap_number(ENTRY, sizeof ENTRY - 1, "NewInternalPort", 65535, &n),
                     OV_EINVAL);
    assert_int_equal(ov_soap_number(ENTRY, sizeof ENTRY - 1, "NewLeaseDuration", UINT32_MAX, &n),
                     OV_EINVAL);
    assert_int_not_equal(ov_soap_number(ENTRY, sizeof ENTRY - 1, "Empty", 9, &n), OV_OK);
}

/* Whatever is cut off where, nothing behind it is looked at: the next page is not there. */
static void test_ends(void **state)
{
    static const char *const XML[] = {
        "<s:Envelope><s:Fault><errorCode>718</errorCode><a b=\"c\"/></s:Fault></s:Envelope>",
        "<?xml version=\"1.0\"?><!-- x --><root><![CDATA[ x ]]>" SERVICE("WANIPConnection:1",
                                                                         "/c") "</root>"};
    static const struct ov_ssdp_url FROM = {{{4, {10, 0, 1, 1}}, 5000, 0}, "/d"};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct ov_soap_service s[OV_SOAP_SERVICES];
    char value[OV_SOAP_VALUE];

    (void)state;
    assert_true(two != MAP_FAILED && mprotect(two + page, page, PROT_NONE) == 0);
    for (size_t i = 0; i < sizeof XML / sizeof XML[0]; i++) {
        for (size_t n = 0; n <= strlen(XML[i]); n++) {
            char *at = two + page - n;
            memcpy(at, XML[i], n);
            (void)ov_soap_services(at, n, &FROM, s);
            (void)!ov_soap_value(at, n, "errorCode", value);
        }
    }
    assert_int_equal(munmap(two, 2 * page), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls), cmocka_unit_test(test_ssdp),
        cmocka_unit_test(test_http), cmocka_unit_test(test_soap),
        cmocka_unit_test(test_ends), cmocka_unit_test(test_description),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
