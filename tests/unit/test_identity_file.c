#include "cli/identity_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "tempdir.h"

static const struct ov_pow POW = {.mem_kib = 8, .bits = 4}; /* quick */
static char dir[TEMPDIR_MAX], why[OV_WHY_MAX];

static int setup(void **state)
{
    (void)state;
    assert_int_equal(ov_crypto_init(), OV_OK);
    tempdir_make(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tempdir_remove(dir);
    return 0;
}

static bool count_tries(void *arg, uint64_t tries)
{
    (void)tries;
    ++*(unsigned *)arg;
    return true;
}

static void make_and_load(void **state)
{
    (void)state;
    struct ov_identity_secret a, b;
    struct ov_identity pub;
    char sub[TEMPDIR_MAX + 8];
    unsigned tries = 0;
    snprintf(sub, sizeof(sub), "%s/new/er", dir);
    assert_int_equal(ov_identity_file_load(sub, &POW, &a, why), OV_ENOENT);
    assert_int_equal(ov_identity_file_make(sub, &POW, count_tries, &tries, &a, why), OV_OK);
    assert_true(tries > 0);
    assert_int_equal(tempdir_mode(sub, OV_IDENTITY_SECRET_FILE), 0600);
    assert_int_equal(tempdir_mode(dir, "new/er"), 0700);
    assert_int_equal(tempdir_count(sub, ""), 2); /* no temporary file is left */
    assert_int_equal(ov_identity_file_load(sub, &POW, &b, why), OV_OK);
    assert_true(ov_identity_equal(&a.pub, &b.pub));
    assert_memory_equal(a.seed, b.seed, sizeof(a.seed));
    assert_int_equal(ov_identity_file_public(sub, &POW, &pub, why), OV_OK);
    assert_true(ov_identity_equal(&a.pub, &pub));
    assert_int_equal(pub.addr, a.pub.addr);
}

static bool stop_at_once(void *arg, uint64_t tries)
{
    (void)arg;
    (void)tries;
    return false;
}

static void stopped_making_leaves_nothing(void **state)
{
    (void)state;
    struct ov_identity_secret id;
    struct ov_pow hard = {.mem_kib = 8, .bits = 60};
    assert_int_equal(ov_identity_file_make(dir, &hard, stop_at_once, NULL, &id, why), OV_ESTATE);
    assert_int_equal(tempdir_count(dir, ""), 0);
}

static void never_overwritten(void **state)
{
    (void)state;
    struct ov_identity_secret id;
    char before[600], after[600];
    assert_int_equal(ov_identity_file_make(dir, &POW, NULL, NULL, &id, why), OV_OK);
    assert_true(tempdir_read(dir, OV_IDENTITY_SECRET_FILE, before, sizeof(before)) > 0);
    assert_int_equal(ov_identity_file_make(dir, &POW, NULL, NULL, &id, why), OV_EEXIST);
    tempdir_read(dir, OV_IDENTITY_SECRET_FILE, after, sizeof(after));
    assert_string_equal(before, after);
    tempdir_write(dir, OV_IDENTITY_SECRET_FILE, "rubbish", 7);
    assert_int_equal(ov_identity_file_make(dir, &POW, NULL, NULL, &id, why), OV_EEXIST);
    assert_int_equal(tempdir_read(dir, OV_IDENTITY_SECRET_FILE, after, sizeof(after)), 7);
}

/* Whatever one byte is changed to, the file is refused with a sentence, and kept. */
static void every_damaged_byte_is_noticed(void **state)
{
    (void)state;
    struct ov_identity_secret id;
    char text[600], damaged[600];
    assert_int_equal(ov_identity_file_make(dir, &POW, NULL, NULL, &id, why), OV_OK);
    ssize_t len = tempdir_read(dir, OV_IDENTITY_SECRET_FILE, text, sizeof(text));
    assert_true(len > 150);
    for (ssize_t i = 0; i < len; i++) {
        memcpy(damaged, text, (size_t)len);
        damaged[i] = damaged[i] == '7' ? '8' : '7';
        tempdir_write(dir, OV_IDENTITY_SECRET_FILE, damaged, (size_t)len);
        int err = ov_identity_file_load(dir, &POW, &id, why);
        assert_true(err == OV_EINVAL || err == OV_EVERSION);
        assert_non_null(strstr(why, OV_IDENTITY_SECRET_FILE));
    }
    for (ssize_t n = 0; n < len; n++) {
        tempdir_write(dir, OV_IDENTITY_SECRET_FILE, text, (size_t)n);
        assert_true(ov_identity_file_load(dir, &POW, &id, why) != OV_OK);
    }
    text[len] = '\n';
    tempdir_write(dir, OV_IDENTITY_SECRET_FILE, text, (size_t)len + 1);
    assert_int_equal(ov_identity_file_load(dir, &POW, &id, why), OV_EINVAL);
    text[len] = '\0';
    tempdir_write(dir, OV_IDENTITY_SECRET_FILE, text, (size_t)len + 1);
    assert_int_equal(ov_identity_file_load(dir, &POW, &id, why), OV_EINVAL);
    tempdir_write(dir, OV_IDENTITY_SECRET_FILE, text, (size_t)len);
    assert_int_equal(ov_identity_file_load(dir, &POW, &id, why), OV_OK);
}

static void sentences(void **state)
{
    (void)state;
    struct ov_identity_secret id;
    static char large[2000];
    tempdir_write(dir, OV_IDENTITY_SECRET_FILE, "", 0);
    assert_int_equal(ov_identity_file_load(dir, &POW, &id, why), OV_EINVAL);
    assert_non_null(strstr(why, "it is empty"));
    assert_non_null(strstr(why, "backup"));
    tempdir_write(dir, OV_IDENTITY_SECRET_FILE, "ovpn identity v2\n", 17);
    assert_int_equal(ov_identity_file_load(dir, &POW, &id, why), OV_EVERSION);
    assert_non_null(strstr(why, "newer ovpn"));
    memset(large, 'a', sizeof(large));
    tempdir_write(dir, OV_IDENTITY_SECRET_FILE, large, sizeof(large));
    assert_int_equal(ov_identity_file_load(dir, &POW, &id, why), OV_EINVAL);
    assert_non_null(strstr(why, "too large"));
}

/* An identity that holds under easy rules only is none. */
static void proof_of_work_counts(void **state)
{
    (void)state;
    struct ov_identity_secret id;
    struct ov_pow hard = {.mem_kib = 8, .bits = 24};
    assert_int_equal(ov_identity_file_make(dir, &POW, NULL, NULL, &id, why), OV_OK);
    assert_int_equal(ov_identity_file_load(dir, &hard, &id, why), OV_EAUTH);
    assert_non_null(strstr(why, "does not follow"));
}

static void public_is_made_again(void **state)
{
    (void)state;
    struct ov_identity_secret id;
    struct ov_identity pub;
    assert_int_equal(ov_identity_file_make(dir, &POW, NULL, NULL, &id, why), OV_OK);
    tempdir_write(dir, OV_IDENTITY_PUBLIC_FILE, "rubbish\n", 8);
    assert_true(ov_identity_file_public(dir, &POW, &pub, why) != OV_OK);
    assert_int_equal(ov_identity_file_publish(dir, &id.pub, why), OV_OK);
    assert_int_equal(ov_identity_file_public(dir, &POW, &pub, why), OV_OK);
    assert_true(ov_identity_equal(&id.pub, &pub));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(make_and_load, setup, teardown),
        cmocka_unit_test_setup_teardown(stopped_making_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(never_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(every_damaged_byte_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(sentences, setup, teardown),
        cmocka_unit_test_setup_teardown(proof_of_work_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(public_is_made_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
