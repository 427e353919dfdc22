// SPDX-License-Identifier: MIT
// test_address_policy.c: every address has one class, in whatever form it comes, and the lists mean
// what they say.

#include "base/address_policy.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

static const struct {
    const char *address;
    const char *class;
} classes[] = {
    {"127.0.0.1", "loopback"},
    {"127.255.255.255", "loopback"},
    {"126.255.255.255", "public"},
    {"128.0.0.0", "public"},
    {"::1", "loopback"},
    {"::2", "special"}, // Compatible with 0.0.0.2.
    {"::169.254.169.254", "link-local"},
    {"::127.0.0.1", "loopback"},
    {"::8.8.8.8", "public"},
    {"::ffff:0:169.254.169.254", "link-local"}, // Translated.
    {"::ffff:0:8.8.8.8", "public"},
    {"64:ff9b:1::169.254.169.254", "link-local"}, // NAT64 of a network.
    {"64:ff9b:1::8.8.8.8", "public"},
    {"64:ff9b:1:2::808:808", "special"}, // An address that cannot be read.
    {"168.63.129.16", "link-local"},
    {"168.63.129.17", "public"},
    {"fd20:ce::254", "link-local"},
    {"fd00:c1::a9fe:a9fe", "link-local"},
    {"fd00:42::42", "link-local"},
    {"fd00:a9fe:a9fe::1", "link-local"},
    {"fd00:100::100:200", "link-local"},
    {"fd20:ce::255", "private"},
    {"fe80::a9fe:a9fe", "link-local"},
    {"192.0.0.192", "special"},
    {"5f00::1", "special"},
    {"::ffff:127.0.0.1", "loopback"},
    {"64:ff9b::7f00:1", "loopback"}, // NAT64 of 127.0.0.1
    {"2002:7f00:1::", "loopback"},   // 6to4 of 127.0.0.1
    {"10.0.0.1", "private"},
    {"11.0.0.1", "public"},
    {"172.15.255.255", "public"},
    {"172.16.0.0", "private"},
    {"172.31.255.255", "private"},
    {"172.32.0.0", "public"},
    {"192.168.1.1", "private"},
    {"192.169.0.0", "public"},
    {"100.64.0.1", "private"},
    {"100.128.0.0", "public"},
    {"fd12:3456::1", "private"},
    {"fe00::1", "public"},
    {"169.254.169.254", "link-local"},
    {"::ffff:169.254.169.254", "link-local"},
    {"64:ff9b::a9fe:a9fe", "link-local"},
    {"fe80::1", "link-local"},
    {"febf::1", "link-local"},
    {"fd00:ec2::254", "link-local"},
    {"100.100.100.200", "link-local"},
    {"0.0.0.0", "special"},
    {"::", "special"},
    {"192.0.2.7", "special"},
    {"224.0.0.1", "special"},
    {"255.255.255.255", "special"},
    {"ff02::1", "special"},
    {"2001:db8::1", "special"},
    {"8.8.8.8", "public"},
    {"2606:4700::1111", "public"},
};

static enum err parse(const char *deny, const char *allow, struct address_policy *out,
                      struct fault *f)
{
    return address_policy_parse(&(struct address_lists){.deny = deny, .allow = allow}, out, f);
}

static const struct sockaddr *address_of(const char *text)
{
    static union address a;
    if (!address_read(text, &a))
        fail_msg("%s is no address", text);
    return &a.any;
}

static void every_address_has_its_class(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(classes); i++)
        if (strcmp(address_class(address_of(classes[i].address)), classes[i].class) != 0)
            fail_msg("%s is %s, not %s", classes[i].address,
                     address_class(address_of(classes[i].address)), classes[i].class);
}

static const struct {
    const char *deny;
    const char *allow;
    const char *address;
    bool allowed;
} judged[] = {
    {ADDRESS_DENY_DEFAULT, "", "127.0.0.1", true},
    {ADDRESS_DENY_DEFAULT, "", "10.0.0.1", true},
    {ADDRESS_DENY_DEFAULT, "", "8.8.8.8", true},
    {ADDRESS_DENY_DEFAULT, "", "169.254.169.254", false},
    {ADDRESS_DENY_DEFAULT, "", "fd00:ec2::254", false},
    {ADDRESS_DENY_DEFAULT, "", "0.0.0.0", false},
    {"", "", "169.254.169.254", true},
    {"loopback, private", "", "::1", false},
    {"loopback, private", "", "::ffff:10.1.1.1", false},
    {"private", "10.1.0.0/16", "10.1.255.255", true},
    {"private", "10.1.0.0/16", "10.2.0.0", false},
    {"all", "203.0.113.7", "203.0.113.7", true},
    {"all", "203.0.113.7", "203.0.113.8", false},
    {"all", "203.0.113.7", "2606:4700::1111", false},
    {"8.8.8.0/25", "", "8.8.8.127", false},
    {"8.8.8.0/25", "", "8.8.8.128", true},
    {"2606:4700::/32", "", "2606:4700::1", false},
    {"2606:4700::/33", "", "2606:4700:8000::1", true},
    {"0.0.0.0/0", "", "8.8.8.8", false},
    {"0.0.0.0/0", "", "2606:4700::1", true},
};

static void an_allowed_network_goes_before_a_denied_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(judged); i++) {
        struct address_policy p;
        assert_int_equal(parse(judged[i].deny, judged[i].allow, &p, NULL), ERR_OK);
        if (address_policy_allows(&p, address_of(judged[i].address), 80) != judged[i].allowed)
            fail_msg("deny %s, allow %s: %s", judged[i].deny, judged[i].allow, judged[i].address);
    }
    assert_true(address_policy_allows(NULL, address_of("169.254.169.254"), 80));
}

// A server that others reach must not be their way to what only its machine can.
static void guarded_means_more_for_a_server_that_others_reach(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        bool alone, reached;
    } guarded[] = {
        {"127.0.0.1", true, false},  {"::1", true, false},          {"192.168.1.1", true, false},
        {"fd12::1", true, false},    {"169.254.1.1", false, false}, {"168.63.129.16", false, false},
        {"224.0.0.1", false, false}, {"8.8.8.8", true, true},       {"2606:4700::1", true, true},
    };
    struct address_lists lists = {.deny = ADDRESS_DENY_DEFAULT};
    struct address_policy alone, reached;
    assert_int_equal(address_policy_parse(&lists, &alone, NULL), ERR_OK);
    lists.reached_by_others = true;
    assert_int_equal(address_policy_parse(&lists, &reached, NULL), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(guarded); i++) {
        const struct sockaddr *a = address_of(guarded[i].address);
        if (address_policy_allows(&alone, a, 80) != guarded[i].alone ||
            address_policy_allows(&reached, a, 80) != guarded[i].reached)
            fail_msg("%s", guarded[i].address);
    }
}

// Some metadata services lie in private ranges; to allow those networks is not to allow these.
static void an_allowed_class_opens_no_other_class(void **state)
{
    (void)state;
    struct address_policy p;
    assert_int_equal(parse("all", "private", &p, NULL), ERR_OK);
    assert_true(address_policy_allows(&p, address_of("10.1.2.3"), 80));
    assert_true(address_policy_allows(&p, address_of("100.100.100.201"), 80));
    assert_false(address_policy_allows(&p, address_of("100.100.100.200"), 80));
    assert_false(address_policy_allows(&p, address_of("fd00:ec2::254"), 80));
    assert_int_equal(parse("all", "private,100.100.100.200", &p, NULL), ERR_OK);
    assert_true(address_policy_allows(&p, address_of("100.100.100.200"), 80));
}

static void ports_are_denied_whatever_the_address(void **state)
{
    (void)state;
    struct address_policy p;
    char reason[ADDRESS_REASON_BYTES];
    const struct sockaddr *a = address_of("127.0.0.1");
    struct address_lists lists = {
        .allow = "all", .deny_ports = "unsafe,4000-4010", .allow_ports = "25,4005"};
    assert_int_equal(address_policy_parse(&lists, &p, NULL), ERR_OK);
    assert_true(address_policy_allows(&p, a, 80));
    assert_true(address_policy_allows(&p, a, 25));
    assert_true(address_policy_allows(&p, a, 4005));
    assert_false(address_policy_allows(&p, a, 4010));
    assert_false(address_policy_allows(&p, a, 6379));
    assert_false(address_policy_allows_port(&p, 11211));
    assert_true(address_policy_allows_port(NULL, 11211));
    address_policy_reason(&p, a, 6379, reason);
    assert_string_equal(reason, "behind a port of Redis, which deny_ports denies");
    lists.deny_ports = "25,smtp";
    struct fault f = {0};
    assert_int_equal(address_policy_parse(&lists, &p, &f), ERR_SYNTAX);
    assert_non_null(strstr(f.text, "deny_ports: \"smtp\" is neither a port"));
}

static void an_address_that_is_not_of_the_internet_is_denied(void **state)
{
    (void)state;
    struct address_policy p;
    const struct sockaddr local = {.sa_family = AF_UNIX};
    assert_int_equal(parse("", "all", &p, NULL), ERR_OK);
    assert_false(address_policy_allows(&p, &local, 80));
}

static const struct {
    const char *listen;
    const char *address;
    uint16_t port;
    bool own;
} listening[] = {
    {"127.0.0.1", "127.0.0.1", 3000, true},
    {"127.0.0.1", "127.0.0.1", 3001, false},
    {"127.0.0.1", "::ffff:127.0.0.1", 3000, true},
    {"127.0.0.1", "64:ff9b::127.0.0.1", 3000, true},
    {"127.0.0.1", "0.0.0.0", 3000, true}, // Which leads there.
    {"127.0.0.1", "::", 3000, true},
    {"127.0.0.1", "127.0.0.2", 3000, false}, // Another program may be there.
    {"127.0.0.1", "::1", 3000, false},
    {"localhost", "::1", 3000, true},
    {"localhost", "127.0.0.1", 3000, true},
    {"::1", "::1", 3000, true},
    {"::1", "127.0.0.1", 3000, false},
    {"0.0.0.0", "127.0.0.2", 3000, true},
    {"::", "127.0.0.1", 3000, true},
    {"0.0.0.0", "198.51.100.7", 3000, false},
    {"10.1.2.3", "10.1.2.3", 3000, true},
    {"10.1.2.3", "127.0.0.1", 3000, false},
};

// Not even when the lists allow everything.
static void the_program_itself_is_no_target(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(listening); i++) {
        struct address_policy p;
        char reason[ADDRESS_REASON_BYTES];
        const struct sockaddr *a = address_of(listening[i].address);
        assert_int_equal(parse("", "all", &p, NULL), ERR_OK);
        assert_true(address_policy_allows(&p, a, listening[i].port));
        address_policy_set_own(&p, listening[i].listen, 3000);
        if (address_policy_allows(&p, a, listening[i].port) == listening[i].own)
            fail_msg("listening on %s: %s", listening[i].listen, listening[i].address);
        address_policy_reason(&p, a, listening[i].port, reason);
        assert_int_equal(strstr(reason, "this server itself") != NULL, listening[i].own);
    }
}

static const struct {
    const char *deny;
    const char *allow;
    const char *error;
} malformed[] = {
    {"lookback", "", "deny_targets: \"lookback\" is neither loopback"},
    {"", "10.0.0.0/33", "allow_targets: \"10.0.0.0/33\" is neither"},
    {"10.0.0.1/8", "", "deny_targets: \"10.0.0.1/8\""}, // Bits beyond the length.
    {"10.0.0.0/", "", "\"10.0.0.0/\""},
    {"10.0.0/8", "", "\"10.0.0/8\""},
    {"::/129", "", "\"::/129\""},
    {"10.0.0.0/8;::1", "", "is neither"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "",
     "is no range of addresses"},
};

static void a_malformed_list_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(malformed); i++) {
        struct address_policy p;
        struct fault f = {0};
        assert_int_equal(parse(malformed[i].deny, malformed[i].allow, &p, &f), ERR_SYNTAX);
        if (!strstr(f.text, malformed[i].error))
            fail_msg("%s", f.text);
    }
}

static void a_list_has_an_end(void **state)
{
    (void)state;
    char list[ADDRESS_RULES_MAX * 8 + 16] = "";
    for (size_t i = 0; i <= ADDRESS_RULES_MAX; i++)
        strcat(list, "1.1.1.1,");
    struct address_policy p;
    assert_int_equal(parse(list, "", &p, NULL), ERR_SYNTAX);
    list[ADDRESS_RULES_MAX * 8] = '\0';
    assert_int_equal(parse(list, "", &p, NULL), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_address_has_its_class),
        cmocka_unit_test(an_allowed_network_goes_before_a_denied_one),
        cmocka_unit_test(guarded_means_more_for_a_server_that_others_reach),
        cmocka_unit_test(an_allowed_class_opens_no_other_class),
        cmocka_unit_test(ports_are_denied_whatever_the_address),
        cmocka_unit_test(an_address_that_is_not_of_the_internet_is_denied),
        cmocka_unit_test(the_program_itself_is_no_target),
        cmocka_unit_test(a_malformed_list_is_named),
        cmocka_unit_test(a_list_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
