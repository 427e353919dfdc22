// SPDX-License-Identifier: MIT
// test_openapi.c: openapi.json says what the tables of the program say, no more and no less.
//
// That answers are as it says is tested by test/e2e/test_openapi.py.

#include "api/api_priv.h"

#include "fake_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILE_NAME "src/api/openapi.json"

static json_t *description;

static int read_description(void **state)
{
    (void)state;
    json_error_t error;
    description = json_loadb(openapi_text, openapi_bytes(), JSON_REJECT_DUPLICATES, &error);
    if (!description)
        print_error("%s, line %d: %s\n", FILE_NAME, error.line, error.text);
    return description ? 0 : -1;
}

static int drop_description(void **state)
{
    (void)state;
    json_decref(description);
    return 0;
}

static const char *text_of(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

// "#/components/parameters/job"
static json_t *referred(const char *reference)
{
    json_t *found = description;
    char part[128];
    for (const char *at = reference + 1; found && *at; at += strcspn(at, "/")) {
        at++;
        snprintf(part, sizeof part, "%.*s", (int)strcspn(at, "/"), at);
        found = json_object_get(found, part);
    }
    return found;
}

static json_t *resolve(json_t *o)
{
    const char *reference = text_of(o, "$ref");
    return reference ? referred(reference) : o;
}

// --- Routes --------------------------------------------------------------------------------------

// "/jobs/:job" becomes "/jobs/{job}".
static void write_path(const char *pattern, char *out)
{
    for (const char *c = pattern; *c;) {
        bool is_id = *c == ':';
        size_t bytes = is_id ? strcspn(c, "/") : 1;
        out += is_id ? sprintf(out, "{%.*s}", (int)bytes - 1, c + 1) : sprintf(out, "%c", *c);
        c += bytes;
    }
}

static json_t *operation_of(const struct route *route)
{
    char path[128], method[16] = "";
    write_path(route->pattern, path);
    for (size_t i = 0; route->method[i]; i++)
        method[i] = (char)(route->method[i] | ' ');
    return json_object_get(json_object_get(json_object_get(description, "paths"), path), method);
}

static void every_route_has_an_operation(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        const json_t *operation = operation_of(&routes[i]);
        if (!operation)
            fail_msg("%s has no operation for %s %s: add one below \"paths\", with its parameters, "
                     "its body and the schema of its answer",
                     FILE_NAME, routes[i].method, routes[i].pattern);
        if (!text_of(operation, "operationId") || !text_of(operation, "summary"))
            fail_msg("%s: %s %s lacks an operationId or a summary", FILE_NAME, routes[i].method,
                     routes[i].pattern);
    }
}

static bool is_of_a_route(const json_t *operation)
{
    for (size_t i = 0; i < route_count; i++) {
        if (operation_of(&routes[i]) == operation)
            return true;
    }
    return false;
}

static void every_operation_has_a_route(void **state)
{
    (void)state;
    const char *path, *method;
    json_t *item, *operation;
    json_object_foreach(json_object_get(description, "paths"), path, item) {
        json_object_foreach(item, method, operation) {
            if (!is_of_a_route(operation))
                fail_msg("%s describes %s %s, and src/api/routes.c has no such route", FILE_NAME,
                         method, path);
        }
    }
}

// --- Parameters ----------------------------------------------------------------------------------

static bool takes(const json_t *operation, const char *where, const char *name)
{
    size_t i;
    json_t *given;
    json_array_foreach(json_object_get(operation, "parameters"), i, given) {
        const json_t *parameter = resolve(given);
        const char *own = text_of(parameter, "name"), *in = text_of(parameter, "in");
        if (own && in && strcmp(own, name) == 0 && strcmp(in, where) == 0)
            return true;
    }
    return false;
}

static void expect_names(const struct route *route, const char *const *names)
{
    for (; names && *names; names++) {
        if (!takes(operation_of(route), "query", *names))
            fail_msg("%s: %s %s lacks the parameter \"%s\", which src/api/routes.c has; add "
                     "{\"$ref\": \"#/components/parameters/%s\"} to its parameters",
                     FILE_NAME, route->method, route->pattern, *names, *names);
    }
}

static void expect_ids(const struct route *route)
{
    for (const char *c = strchr(route->pattern, ':'); c; c = strchr(c + 1, ':')) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(c + 1, "/"), c + 1);
        if (!takes(operation_of(route), "path", name))
            fail_msg("%s: %s %s lacks the parameter \"%s\" of its path", FILE_NAME, route->method,
                     route->pattern, name);
    }
}

static void every_parameter_of_a_route_is_described(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        expect_names(&routes[i], routes[i].parameters);
        expect_names(&routes[i], parameters_of_all);
        expect_ids(&routes[i]);
    }
}

static bool has_name(const char *const *names, const char *name)
{
    while (names && *names && strcmp(*names, name) != 0)
        names++;
    return names && *names;
}

static void every_described_parameter_is_one_of_the_route(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        size_t k;
        json_t *given;
        json_array_foreach(json_object_get(operation_of(&routes[i]), "parameters"), k, given) {
            const json_t *parameter = resolve(given);
            const char *name = text_of(parameter, "name");
            assert_non_null(parameter);
            if (strcmp(text_of(parameter, "in"), "query") == 0 &&
                !has_name(routes[i].parameters, name) && !has_name(parameters_of_all, name))
                fail_msg("%s: %s %s has no parameter \"%s\" in src/api/routes.c", FILE_NAME,
                         routes[i].method, routes[i].pattern, name);
        }
    }
}

static void bodies_are_described_where_they_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        const json_t *body = json_object_get(operation_of(&routes[i]), "requestBody");
        bool is_required = json_is_true(json_object_get(body, "required"));
        bool is_right = routes[i].body == BODY_NONE       ? !body
                        : routes[i].body == BODY_OPTIONAL ? body && !is_required
                        : routes[i].body == BODY_OWN      ? body != NULL
                                                          : body && is_required;
        if (!is_right)
            fail_msg("%s: the requestBody of %s %s is missing, too many, or \"required\" where it "
                     "is not, or not where it is",
                     FILE_NAME, routes[i].method, routes[i].pattern);
    }
}

// --- Schemas -------------------------------------------------------------------------------------

static void check_references(json_t *value)
{
    const char *name;
    json_t *element;
    size_t i;
    const char *reference = json_is_object(value) ? text_of(value, "$ref") : NULL;
    if (reference && !referred(reference))
        fail_msg("%s: there is no %s", FILE_NAME, reference);
    json_object_foreach(value, name, element)
        check_references(element);
    json_array_foreach(value, i, element)
        check_references(element);
}

static void every_reference_leads_somewhere(void **state)
{
    (void)state;
    check_references(description);
}

static void operations_have_names_of_their_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        for (size_t k = 0; k < i; k++) {
            const char *one = text_of(operation_of(&routes[i]), "operationId");
            const char *other = text_of(operation_of(&routes[k]), "operationId");
            if (one && other && strcmp(one, other) == 0)
                fail_msg("%s: two operations are called %s", FILE_NAME, one);
        }
    }
}

static json_t *schema_of(const char *schema, const char *member)
{
    json_t *all = json_object_get(json_object_get(description, "components"), "schemas");
    json_t *members = json_object_get(json_object_get(all, schema), "properties");
    return json_object_get(members, member);
}

static void expect_number(const struct job_member *m, const json_t *schema)
{
    const json_t *low = json_object_get(schema, "minimum"),
                 *high = json_object_get(schema, "maximum"),
                 *initial = json_object_get(schema, "default");
    if (json_integer_value(low) != m->least || json_integer_value(high) != m->greatest ||
        json_integer_value(initial) != job_integer(m, &job_defaults))
        fail_msg("%s: JobChange.%s has another minimum, maximum or default than job.def", FILE_NAME,
                 m->name);
}

static bool lists_word(const json_t *schema, const char *word)
{
    size_t i;
    json_t *value;
    json_array_foreach(json_object_get(schema, "enum"), i, value) {
        if (json_is_string(value) && strcmp(json_string_value(value), word) == 0)
            return true;
    }
    return false;
}

static void expect_words(const char *what, const struct enum_words *w, const json_t *schema)
{
    size_t i;
    int known = 0;
    json_t *value;
    for (int k = 0; k < w->count; k++) {
        if (!lists_word(schema, enum_word(w, k)))
            fail_msg("%s: the enum of %s lacks \"%s\"", FILE_NAME, what, enum_word(w, k));
    }
    json_array_foreach(json_object_get(schema, "enum"), i, value)
        known += json_is_string(value);
    if (known != w->count)
        fail_msg("%s: the enum of %s has words that ledger/enums.def lacks", FILE_NAME, what);
}

static void expect_member(const struct job_member *m)
{
    const json_t *shown = schema_of("Job", m->name), *written = schema_of("JobChange", m->name);
    if ((m->access != ACCESS_HIDDEN) != (shown != NULL))
        fail_msg("%s: Job %s a member \"%s\"", FILE_NAME, shown ? "has" : "lacks", m->name);
    if ((m->access == ACCESS_CLIENT) != (written != NULL))
        fail_msg("%s: JobChange %s a member \"%s\"", FILE_NAME, written ? "has" : "lacks", m->name);
    if (m->kind == MEMBER_NUMBER && written)
        expect_number(m, written);
    if (m->kind == MEMBER_WORD && written) {
        expect_words(m->name, m->words, written);
        expect_words(m->name, m->words, shown);
    }
}

static void schemas_have_the_members_of_a_job(void **state)
{
    (void)state;
    for (size_t i = 0; i < job_member_count; i++)
        expect_member(&job_members[i]);
}

static void schemas_have_the_words_of_the_record(void **state)
{
    (void)state;
    expect_words("Execution.status", &execution_state_words,
                 resolve(schema_of("Execution", "status")));
    expect_words("Execution.trigger", &execution_trigger_words, schema_of("Execution", "trigger"));
    expect_words("Alert.kind", &alert_kind_words, resolve(schema_of("Alert", "kind")));
    expect_words("AuditEntry.action", &audit_action_words,
                 resolve(schema_of("AuditEntry", "action")));
}

static void the_description_is_of_this_version(void **state)
{
    (void)state;
    assert_string_equal(text_of(json_object_get(description, "info"), "version"), CARILLON_VERSION);
}

static void the_description_is_answered_as_it_was_written(void **state)
{
    (void)state;
    struct exchange x = {.method = "GET"};
    struct problem p = {0};
    struct api_request *r = xcalloc(1, sizeof *r);
    r->exchange = &x;
    assert_int_equal(handle_openapi(r, &p), ERR_OK);
    assert_string_equal(x.content_type, "application/json");
    assert_string_equal(x.answer, openapi_text);
    free(x.answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_has_an_operation),
        cmocka_unit_test(every_operation_has_a_route),
        cmocka_unit_test(every_parameter_of_a_route_is_described),
        cmocka_unit_test(every_described_parameter_is_one_of_the_route),
        cmocka_unit_test(bodies_are_described_where_they_are_read),
        cmocka_unit_test(every_reference_leads_somewhere),
        cmocka_unit_test(operations_have_names_of_their_own),
        cmocka_unit_test(schemas_have_the_members_of_a_job),
        cmocka_unit_test(schemas_have_the_words_of_the_record),
        cmocka_unit_test(the_description_is_of_this_version),
        cmocka_unit_test(the_description_is_answered_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, read_description, drop_description);
}
