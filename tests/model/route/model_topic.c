/*
 * model_topic.c -- checks, splitting and comparing of topics against character-wise twins
 * (route/topic.h).
 *
 * Texts are random over a small alphabet of letters, separators, wildcards and '$', so that nearly
 * every text is close to some border. The twins read one character at a time and know nothing of
 * levels as pieces: the comparison is a recursion over both texts. Invariants:
 *   - names, filters and share prefixes are judged as the twins judge them;
 *   - a valid filter matches a valid name exactly if the recursion says so.
 */
#include "../model_args.h"
#include "topic.h"

#define TEXT_LEN_MAX 40

static struct model_args args;

struct text {
    char chars[TEXT_LEN_MAX + 1];
    uint32_t len;
};

static struct text text_random(const char *alphabet)
{
    struct text text = {.len = model_below(&args, model_below(&args, 4) == 0 ? TEXT_LEN_MAX : 9)};
    for (uint32_t i = 0; i < text.len; i++)
        text.chars[i] = alphabet[model_below(&args, (uint32_t)strlen(alphabet))];
    return text;
}

static struct bytes bytes_of_random(const struct text *text)
{
    return bytes_of(text->chars, text->len);
}

/* --- twins --- */

static bool twin_name_is_valid(const struct text *t)
{
    return t->len > 0 && strpbrk(t->chars, "+#") == NULL;
}

static bool twin_filter_is_valid(const struct text *t)
{
    if (t->len == 0)
        return false;
    for (uint32_t i = 0; i < t->len; i++) {
        bool starts = i == 0 || t->chars[i - 1] == '/';
        bool ends = i + 1 == t->len || t->chars[i + 1] == '/';
        if (t->chars[i] == '+' && !(starts && ends))
            return false;
        if (t->chars[i] == '#' && !(starts && i + 1 == t->len))
            return false;
    }
    return true;
}

static uint32_t twin_levels(const struct text *t)
{
    uint32_t levels = 1;
    for (uint32_t i = 0; i < t->len; i++)
        levels += t->chars[i] == '/';
    return levels;
}

static bool twin_matches_from(const char *filter, const char *topic)
{
    if (filter[0] == '#')
        return true;
    if (filter[0] == 0)
        return topic[0] == 0;
    if (filter[0] == '+') {
        while (topic[0] != 0 && topic[0] != '/')
            topic++;
        return twin_matches_from(filter + 1, topic);
    }
    if (topic[0] == 0) /* the level above "#" */
        return filter[0] == '/' && filter[1] == '#';
    return filter[0] == topic[0] && twin_matches_from(filter + 1, topic + 1);
}

static bool twin_matches(const char *filter, const char *topic)
{
    if (topic[0] == '$' && (filter[0] == '+' || filter[0] == '#'))
        return false;
    return twin_matches_from(filter, topic);
}

/* --- comparing --- */

static uint64_t matched;
static uint64_t compared;

static void step_check(void)
{
    struct text t = text_random("ab/+#$");
    uint32_t levels_max = 1 + model_below(&args, 12);
    bool fits = twin_levels(&t) <= levels_max;
    struct bytes text = bytes_of_random(&t);
    CHECK((topic_name_check(text, levels_max) == TOPIC_OK) == (twin_name_is_valid(&t) && fits));
    enum topic_result result = topic_filter_check(text, levels_max);
    CHECK((result == TOPIC_OK) == (twin_filter_is_valid(&t) && fits));
    CHECK((result == TOPIC_EMPTY) == (t.len == 0));
    CHECK((result == TOPIC_TOO_MANY_LEVELS) == (t.len > 0 && !fits));
    CHECK(topic_levels_count(text) == twin_levels(&t));
    CHECK(topic_filter_has_wildcard(text) == (strpbrk(t.chars, "+#") != NULL));
}

static void step_split(void)
{
    struct text t = text_random("g/+#");
    struct text whole;
    whole.len = (uint32_t)snprintf(whole.chars, sizeof whole.chars, "$share/%.*s",
                                   (int)(t.len < 20 ? t.len : 20), t.chars);
    struct topic_filter_parts parts;
    enum topic_result result = topic_filter_split(bytes_of_random(&whole), &parts);
    char name[64] = "";
    char filter[64] = "";
    int fields = sscanf(whole.chars, "$share/%63[^/+#]/%63s", name, filter);
    CHECK((result == TOPIC_OK) == (fields == 2));
    if (result == TOPIC_OK) {
        CHECK(parts.is_shared);
        CHECK(bytes_equal(parts.group, bytes_of_text(name)));
        CHECK(bytes_equal(parts.filter, bytes_of_text(filter)));
    }
}

static void step_match(void)
{
    struct text filter = text_random("aab//+++#");
    struct text topic = text_random("aab//$");
    if (!twin_filter_is_valid(&filter) || !twin_name_is_valid(&topic))
        return;
    bool expected = twin_matches(filter.chars, topic.chars);
    CHECK(topic_matches(bytes_of_random(&filter), bytes_of_random(&topic)) == expected);
    compared++;
    matched += expected;
}

int main(int argc, char **argv)
{
    args = model_args_of(argc, argv, 300000);
    for (uint64_t step = 0; step < args.steps; step++) {
        step_check();
        step_split();
        step_match();
    }
    printf("compared %llu matched %llu\n", (unsigned long long)compared,
           (unsigned long long)matched);
    CHECK(args.steps < 10000 || (matched > 100 && matched < compared / 2));
    return 0;
}
