/*
 * config_reference.c -- the reference page of the configuration, made from the table of keys.
 *
 * A fixed introduction (what config_yaml.c, config_env.c and units.c accept), then a table for the
 * root, one for each section and one for listeners. A row's texts are written as they are: the
 * table of keys is written in Markdown. A bar would end a cell and must not stand in them.
 */
#include "config_reference.h"

#include "config_env.h"
#include "config_value.h"
#include "config_zone.h"

#include <string.h>

static const char config_reference_introduction[] =
    "# Configuration\n"
    "\n"
    "This page is made from the broker's own table of keys (`ops/config_table.h`); a test fails "
    "when it is stale.\n"
    "\n"
    "## Where values come from\n"
    "\n"
    "From the lowest to the highest; what is higher wins:\n"
    "\n"
    "1. the defaults below,\n"
    "2. the file that `--config FILE` names,\n"
    "3. the environment,\n"
    "4. the command line: `--listen`, `--data`, `--shards`, `--cpus`, `--admin`, `--log-level`.\n"
    "\n"
    "`sluiced --config FILE --check-config` reads all of them and prints `configuration ok` and "
    "what differs from the defaults (exit status 0), or every error with file, line and column or "
    "the name of the variable or option (exit status 2). The broker does not start with a "
    "configuration that has an error.\n"
    "\n"
    "## The file\n"
    "\n"
    "YAML. Each section is a map, `listeners` and `authentication` are sequences of maps:\n"
    "\n"
    "```yaml\n"
    "data_dir: /var/lib/sluice\n"
    "listeners:\n"
    "  - bind: tcp://:1883\n"
    "  - name: inside\n"
    "    bind: tcp://127.0.0.1:11883\n"
    "    max_connections: 100\n"
    "mqtt:\n"
    "  max_inflight: 64\n"
    "  session_expiry_interval: 1d\n"
    "  mqueue_priorities:\n"
    "    alarms/fire: 10\n"
    "log:\n"
    "  level: warning\n"
    "```\n"
    "\n"
    "A key that does not exist, is repeated, has a value of another kind or out of its range is an "
    "error. Anchors, aliases, tags and a second document are refused. A file has at most 1 MB.\n"
    "\n"
    "## The environment\n"
    "\n"
    "`SLUICE_` and the key in upper case, with `__` for the dot: "
    "`SLUICE_MQTT__MAX_INFLIGHT=64`, `SLUICE_DATA_DIR=/var/lib/sluice`. Listeners count from 1 in "
    "the order of the file, and the number behind the last adds one: "
    "`SLUICE_LISTENERS__1__BIND=tcp://:1884`. Lists are written in one line: "
    "`SLUICE_SHARDS__CPUS=0-3,8`, `SLUICE_MQTT__MQUEUE_PRIORITIES=alarms/fire=10,news=2`. They "
    "replace the list of the file. A variable that begins with `SLUICE_` and has `__` in it has to "
    "be a key.\n"
    "\n"
    "## Values\n"
    "\n"
    "- Durations: `250ms`, `15s`, `5m`, `2h`, `1d`, or several: `1h30m`.\n"
    "- Sizes: `512`, `64KB`, `1MB`, `2GB`; 1KB is 1024 bytes.\n"
    "- `infinity` means no limit where a key allows it, `disabled` that it is off.\n"
    "- Booleans: `true` and `false`.\n"
    "\n"
    "Every value may stand in quotes. SIGHUP makes a running broker read all of it again: keys "
    "marked *reload* take their new values, of the others that differ the log says that they need "
    "a restart. With an error anywhere nothing changes, and the log says where it is. See "
    "[limits](limits.md).\n";

static void config_reference_row(const struct config_key *key, FILE *out)
{
    CHECK(strchr(key->text, '|') == NULL);
    if (key->initial[0] != '\0')
        fprintf(out, "| `%s` | `%s` | ", key->name, key->initial);
    else
        fprintf(out, "| `%s` | %s | ", key->name,
                key->type == CONFIG_TYPE_BIND ? "required" : "empty");
    config_value_describe(key, out);
    fprintf(out, " | %s | %s |\n", key->reloadable ? "reload" : "restart", key->text);
}

/* The keys of `section` as a table. */
static void config_reference_table(const char *section, const struct config_key *keys, uint32_t num,
                                   FILE *out)
{
    fputs("\n| key | default | values | change | meaning |\n| --- | --- | --- | --- | --- |\n",
          out);
    for (uint32_t i = 0; i < num; i++) {
        if (strcmp(keys[i].section, section) == 0)
            config_reference_row(&keys[i], out);
    }
}

void config_reference_print(FILE *out)
{
    CHECK(out != NULL);
    uint32_t num_keys = 0;
    uint32_t num_sections = 0;
    const struct config_key *keys = config_keys(&num_keys);
    const struct config_section *sections = config_sections(&num_sections);
    fputs(config_reference_introduction, out);
    fputs("\n## Keys outside sections\n", out);
    config_reference_table("", keys, num_keys, out);
    for (uint32_t i = 0; i < num_sections; i++) {
        fprintf(out, "\n## Section `%s`\n\n%s\n", sections[i].name, sections[i].text);
        config_reference_table(sections[i].name, keys, num_keys, out);
    }
    fputs("\n## Section `listeners`\n\nA sequence of maps with these keys. Without any listener "
          "there are two, `tcp://127.0.0.1:1883` and `tcp://[::1]:1883`. `--listen` replaces all "
          "of them.\n",
          out);
    keys = config_listener_keys(&num_keys);
    config_reference_table(CONFIG_SECTION_LISTENERS, keys, num_keys, out);
    sections = config_listener_sections(&num_sections);
    for (uint32_t i = 0; i < num_sections; i++) {
        fprintf(out, "\n### `%s` in a listener\n\n%s\n", sections[i].name, sections[i].text);
        config_reference_table(config_listener_section_find(sections[i].name), keys, num_keys, out);
    }
    fputs("\n## Section `authentication`\n\nA sequence of maps with these keys: the steps that a "
          "client goes through, in their order. See [access](access.md).\n",
          out);
    keys = config_authn_keys(&num_keys);
    config_reference_table(CONFIG_SECTION_AUTHN, keys, num_keys, out);
    fputs("\n## Section `zones`\n\nA map of names to maps of sections: values that hold for the "
          "clients of listeners with that `zone`, instead of those of the sections outside. See "
          "[listeners](listeners.md#zones). These keys may stand there:\n\n",
          out);
    keys = config_keys(&num_keys);
    for (uint32_t i = 0; i < num_keys; i++) {
        if (config_zone_allows(&keys[i]))
            fprintf(out, "- `%s`\n", keys[i].path);
    }
}
