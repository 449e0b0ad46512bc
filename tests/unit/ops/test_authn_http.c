/*
 * test_authn_http.c -- asking a server whether a client may come in (ops/authn_http.h).
 *
 * There is no server: the door of the step keeps the questions, and the test answers them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "authn_http.h"
#include "authn_set.h"
#include "http_template.h"
#include "mail.h"
#include "router.h"

#define ASKED_MAX 16

static struct mesh *mesh;
static struct mail_port *port;
static struct mail_port *home;
static struct stats *stats;
static struct authn_set *set;
static struct authn_http_door door;

static struct {
    char url[256];
    char body[256];
    char header[256];
    char method[8];
    connector_done_fn done;
    void *context;
} asked[ASKED_MAX];
static unsigned asked_num;
static enum rc door_rc;

static void keep(char *out, size_t size, struct bytes text)
{
    assert_true(text.len < size);
    memcpy(out, text.ptr == NULL ? (const uint8_t *)"" : text.ptr, text.len);
    out[text.len] = '\0';
}

static enum rc hear(void *context, const struct connect_request *request, connector_done_fn done,
                    void *done_context)
{
    (void)context;
    if (door_rc != RC_OK)
        return door_rc;
    assert_true(asked_num < ASKED_MAX);
    keep(asked[asked_num].url, sizeof(asked[0].url), request->url);
    keep(asked[asked_num].body, sizeof(asked[0].body), request->body);
    keep(asked[asked_num].method, sizeof(asked[0].method), request->method);
    keep(asked[asked_num].header, sizeof(asked[0].header),
         request->headers_num > 0 ? request->headers[0] : (struct bytes){0});
    asked[asked_num].done = done;
    asked[asked_num++].context = done_context;
    return RC_OK;
}

static void answer(unsigned index, uint16_t status, const char *body)
{
    struct connect_response response = {.status = status, .body = bytes_of_text(body)};
    asked[index].done(asked[index].context, &response);
}

static int set_up(void **state)
{
    (void)state;
    asked_num = 0;
    door_rc = RC_OK;
    mesh = mesh_create(2);
    stats = aligned_alloc(64, 2 * sizeof(*stats));
    assert_non_null(stats);
    memset(stats, 0, 2 * sizeof(*stats));
    home = mail_port_create(mesh, 0, &stats[0]);
    port = mail_port_create(mesh, 1, &stats[1]);
    door = (struct authn_http_door){.ask = hear, .port = port, .now_ms = 1000};
    set = authn_set_create(false);
    assert_true(mesh != NULL && home != NULL && port != NULL && set != NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    authn_set_unref(set);
    mail_port_destroy(port);
    mail_port_destroy(home);
    mesh_destroy(mesh);
    free(stats);
    return 0;
}

/* A step with the usual body and, in `options`, what the test is about. */
static void use(struct authn_http_options options)
{
    const struct authn_http_field body[] = {
        {bytes_of_text("clientid"), bytes_of_text("${clientid}")},
        {bytes_of_text("username"), bytes_of_text("${username}")},
        {bytes_of_text("password"), bytes_of_text("${password}")}};
    const struct authn_http_field headers[] = {
        {bytes_of_text("x-client"), bytes_of_text("<${clientid}>")}};
    options.url = options.url.len == 0 ? bytes_of_text("http://a.test/auth") : options.url;
    options.body = body;
    options.body_num = ARRAY_LEN(body);
    options.headers = headers;
    options.headers_num = ARRAY_LEN(headers);
    struct authn_step *step = authn_http_create(&options);
    assert_non_null(step);
    assert_int_equal(authn_set_add(set, AUTHN_ALL_LISTENERS, step), RC_OK);
}

static struct authn_job *job_of(const char *client_id, const char *password)
{
    struct authn_job *job = calloc(1, sizeof(*job));
    assert_non_null(job);
    job->magic = AUTHN_JOB_MAGIC;
    job->set = set;
    job->asked = (struct authn_asked){.client_id = bytes_of_text(client_id),
                                      .username = bytes_of_text("u\"ser"),
                                      .password = bytes_of_text(password)};
    job->asked.address[10] = job->asked.address[11] = 0xff;
    job->asked.address[12] = 127;
    job->asked.address[15] = 1;
    return job;
}

static struct authn_job *returned;
static unsigned returned_num;

static void take(void *context, const struct mail *mail)
{
    (void)context;
    assert_int_equal(mail->kind, MAIL_AUTHN_DONE);
    returned = mail->ptr;
    returned_num++;
}

static void no_wake(void *context, shard_id target)
{
    (void)context;
    (void)target;
}

/* The verdict that came home, or -1; the job is freed. */
static int verdict(void)
{
    returned_num = 0;
    mail_flush(port, no_wake, NULL);
    mail_drain(home, 16, take, NULL);
    if (returned_num == 0)
        return -1;
    assert_int_equal(returned_num, 1);
    int result = (int)returned->verdict;
    identity_destroy(returned->identity);
    free(returned);
    return result;
}

static void the_request_is_what_the_templates_say(void **state)
{
    (void)state;
    use((struct authn_http_options){
        .url = bytes_of_text("http://a.test/${clientid}?x=${peerhost}")});
    authn_http_run(&door, job_of("c/1\r\n", "p&w"));
    assert_int_equal(asked_num, 1);
    assert_string_equal(asked[0].method, "POST");
    assert_string_equal(asked[0].url, "http://a.test/c%2F1%0D%0A?x=127.0.0.1");
    assert_string_equal(asked[0].body,
                        "{\"clientid\":\"c/1\\u000d\\u000a\",\"username\":\"u\\\"ser\","
                        "\"password\":\"p&w\"}");
    assert_string_equal(asked[0].header, "x-client: <c/1>");
    assert_int_equal(verdict(), -1);
    answer(0, 204, "");
    assert_int_equal(verdict(), AUTHN_ALLOW);
}

static void get_puts_the_members_into_the_query(void **state)
{
    (void)state;
    use((struct authn_http_options){.is_get = true});
    authn_http_run(&door, job_of("c", "p&w"));
    assert_string_equal(asked[0].method, "GET");
    assert_string_equal(asked[0].url,
                        "http://a.test/auth?clientid=c&username=u%22ser&password=p%26w");
    assert_string_equal(asked[0].body, "");
    answer(0, 200, "{\"result\": \"deny\"}");
    assert_int_equal(verdict(), AUTHN_DENY);
}

static void answers_mean_what_users_know(void **state)
{
    (void)state;
    static const struct {
        uint16_t status;
        const char *body;
        int verdict;
    } rows[] = {{204, "", AUTHN_ALLOW},
                {200, "{\"result\":\"allow\"}", AUTHN_ALLOW},
                {200, "{\"result\":\"deny\"}", AUTHN_DENY},
                {200, "{\"result\":\"ignore\"}", AUTHN_IGNORE},
                {200, "{\"result\":\"allow\",\"acl\":[{\"topic\":1}]}", AUTHN_DENY},
                {200, "{}", AUTHN_IGNORE},
                {200, "allow", AUTHN_IGNORE},
                {201, "{\"result\":\"allow\"}", AUTHN_IGNORE},
                {401, "", AUTHN_IGNORE},
                {500, "", AUTHN_IGNORE},
                {0, "timed out", AUTHN_IGNORE}};
    use((struct authn_http_options){.is_form = true});
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        asked_num = 0;
        authn_http_run(&door, job_of("c", "p"));
        answer(0, rows[i].status, rows[i].body);
        assert_int_equal(verdict(), rows[i].verdict);
    }
}

static void an_answer_is_used_again_while_it_is_fresh(void **state)
{
    (void)state;
    use((struct authn_http_options){.cache_ttl_ms = 100, .cache_stale_ms = 50});
    authn_http_run(&door, job_of("c", "p"));
    answer(0, 200, "{\"result\":\"allow\"}");
    assert_int_equal(verdict(), AUTHN_ALLOW);
    door.now_ms += 99;
    authn_http_run(&door, job_of("c", "p"));
    assert_int_equal(verdict(), AUTHN_ALLOW);
    assert_int_equal(asked_num, 1);
    authn_http_run(&door, job_of("c", "another"));
    assert_int_equal(asked_num, 2);
    answer(1, 200, "{\"result\":\"deny\"}");
    assert_int_equal(verdict(), AUTHN_DENY);
    door.now_ms += 1000;
    authn_http_run(&door, job_of("c", "p"));
    assert_int_equal(asked_num, 3);
    assert_int_equal(verdict(), -1);
    answer(2, 403, "");
    assert_int_equal(verdict(), AUTHN_IGNORE);
}

static void a_stale_answer_is_used_while_it_is_renewed(void **state)
{
    (void)state;
    use((struct authn_http_options){.cache_ttl_ms = 100, .cache_stale_ms = 10000});
    authn_http_run(&door, job_of("c", "p"));
    answer(0, 204, "");
    assert_int_equal(verdict(), AUTHN_ALLOW);
    door.now_ms += 500;
    authn_http_run(&door, job_of("c", "p"));
    assert_int_equal(verdict(), AUTHN_ALLOW);
    assert_int_equal(asked_num, 2); /* behind the client's back */
    authn_http_run(&door, job_of("c", "p"));
    assert_int_equal(verdict(), AUTHN_ALLOW);
    assert_int_equal(asked_num, 2); /* and only once */
    answer(1, 0, "down");
    authn_http_run(&door, job_of("c", "p"));
    assert_int_equal(verdict(), AUTHN_ALLOW);
    assert_int_equal(asked_num, 3);
    answer(2, 200, "{\"result\":\"deny\"}");
    authn_http_run(&door, job_of("c", "p"));
    assert_int_equal(verdict(), AUTHN_DENY);
    assert_int_equal(asked_num, 3);
}

static void a_server_that_is_down_is_left_alone_for_a_while(void **state)
{
    (void)state;
    use((struct authn_http_options){.breaker_failures = 2, .breaker_open_ms = 1000});
    for (unsigned i = 0; i < 2; i++) {
        authn_http_run(&door, job_of("c", "p"));
        answer(i, 0, "down");
        assert_int_equal(verdict(), AUTHN_IGNORE);
    }
    authn_http_run(&door, job_of("c", "p"));
    assert_int_equal(verdict(), AUTHN_IGNORE);
    assert_int_equal(asked_num, 2);
    door.now_ms += 1000;
    authn_http_run(&door, job_of("c", "p")); /* one is let through */
    assert_int_equal(asked_num, 3);
    authn_http_run(&door, job_of("d", "p"));
    assert_int_equal(asked_num, 3);
    assert_int_equal(verdict(), AUTHN_IGNORE);
    answer(2, 204, "");
    assert_int_equal(verdict(), AUTHN_ALLOW);
    authn_http_run(&door, job_of("d", "p"));
    assert_int_equal(asked_num, 4);
    answer(3, 204, "");
    assert_int_equal(verdict(), AUTHN_ALLOW);
}

static void without_a_helper_the_step_ignores(void **state)
{
    (void)state;
    use((struct authn_http_options){0});
    door_rc = RC_IO;
    authn_http_run(&door, job_of("c", "p"));
    assert_int_equal(verdict(), AUTHN_IGNORE);
}

static void templates_are_checked(void **state)
{
    (void)state;
    assert_null(template_check(bytes_of_text("${clientid}-${peerport}-${$}-$x-{y}")));
    assert_non_null(template_check(bytes_of_text("${clientid")));
    assert_non_null(template_check(bytes_of_text("${nobody}")));
    struct connect_buffer out = {0};
    struct authn_asked who = {.client_id = bytes_of_text("a b")};
    assert_true(
        template_fill(bytes_of_text("${$}{x}${username}${clientid}"), TEMPLATE_URL, &who, &out));
    assert_true(bytes_equal(bytes_of(out.ptr, out.len), bytes_of_text("%24{x}a%20b")));
    connect_buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define HTTP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        HTTP_TEST(the_request_is_what_the_templates_say),
        HTTP_TEST(get_puts_the_members_into_the_query),
        HTTP_TEST(answers_mean_what_users_know),
        HTTP_TEST(an_answer_is_used_again_while_it_is_fresh),
        HTTP_TEST(a_stale_answer_is_used_while_it_is_renewed),
        HTTP_TEST(a_server_that_is_down_is_left_alone_for_a_while),
        HTTP_TEST(without_a_helper_the_step_ignores),
        HTTP_TEST(templates_are_checked),
#undef HTTP_TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
