/*
 * main.c -- sluiced: command line, configuration, start, signals, end.
 *
 * The main thread is the ops thread: it waits for signals and for mail of the shards, and writes
 * the log. SIGTERM and SIGINT drain and end; a second one ends at once; SIGUSR1 writes the
 * counters; SIGHUP reads the configuration again (reload.h). SIGPIPE is ignored, and SIGXFSZ: that
 * a file may not grow is an error like a full disk.
 *
 * Exit codes: 0 clean, 1 run-time failure, 2 bad arguments or configuration.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "acl_load.h"
#include "args.h"
#include "broker.h"
#include "clock.h"
#include "logger.h"
#include "telemetry.h"
#include "tls_listeners.h"
#include "version.h"

#define MAIN_EXIT_FAILURE 1
#define MAIN_LOG_MS       100 /* how often the log is looked at when nothing else happens */

static struct log_ring *main_log;

static void main_log_drain(const struct broker *broker)
{
    if (main_log != NULL)
        logger_drain(main_log, broker->json);
}

/* As many descriptors as we may have. */
static void main_raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    LOG(LOG_INFO, "up to %llu descriptors (connections and files)",
        (unsigned long long)limit.rlim_cur);
}

static int main_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    /* Blocked before any thread exists, so that all of them inherit it. */
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* What an operator should know about what was not configured. */
static void main_say_defaults(const struct broker *broker)
{
    if (broker->dir.path[0] == '\0')
        LOG(LOG_INFO,
            "in memory: no session, message, user or ban survives a restart (--data none)");
    else
        LOG(LOG_INFO, "data directory %s", broker->dir.path);
    if (broker->config->listeners_are_default)
        LOG(LOG_INFO, "only this machine can connect; to open up: --listen tcp://:1883");
    else if (broker->config->access.allow_anonymous)
        LOG(LOG_INFO, "clients without a user name are accepted from everywhere "
                      "(access.allow_anonymous)");
}

/* One signal. True: end at once. */
static bool main_on_signal(struct broker *broker, int signal_fd, bool *draining)
{
    struct signalfd_siginfo info;
    if (read(signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return false;
    switch (info.ssi_signo) {
    case SIGHUP:
        reload_signal(broker);
        return false;
    case SIGUSR1:
        broker_log_counters(broker);
        return false;
    default:
        if (*draining)
            return true;
        LOG(LOG_INFO, "stopping: saying goodbye to the clients");
        broker_drain(broker);
        *draining = true;
        return false;
    }
}

static void main_serve(struct broker *broker, int signal_fd)
{
    bool draining = false;
    bool drained = false;
    uint64_t drain_until_ms = UINT64_MAX;
    while (!drained && clock_mono_ns() / 1000000 < drain_until_ms) {
        struct pollfd fds[] = {
            {.fd = signal_fd, .events = POLLIN},
            {.fd = broker->runtime->event_fds[broker->net.ops], .events = POLLIN},
            {.fd = telemetry_fd(broker), .events = POLLIN},
            {.fd = control_socket_fd(broker), .events = POLLIN},
        };
        int wait_ms = control_socket_timeout_ms(broker, telemetry_timeout_ms(broker, MAIN_LOG_MS));
        bool sleep = mail_sleep(broker->port);
        int ready = poll(fds, ARRAY_LEN(fds), sleep ? wait_ms : 0);
        mail_awake(broker->port);
        if (ready > 0 && (fds[1].revents & POLLIN) != 0) {
            uint64_t value;
            ssize_t got = read(fds[1].fd, &value, sizeof(value));
            (void)got;
        }
        if (ready > 0 && (fds[0].revents & POLLIN) != 0) {
            bool was_draining = draining;
            if (main_on_signal(broker, signal_fd, &draining))
                break;
            if (draining && !was_draining)
                drain_until_ms = clock_mono_ns() / 1000000 +
                                 broker->config->shutdown.drain_timeout_ms;
        }
        drained = broker_turn(broker);
        telemetry_run(broker, clock_mono_ns() / 1000000);
        control_socket_run(broker, clock_mono_ns() / 1000000);
        main_log_drain(broker);
    }
    if (!drained)
        LOG(LOG_WARNING, "not every client took its goodbye in time");
}

static int main_run(const struct config_sources *sources, struct config *config)
{
    char reason[512];
    static struct broker broker;
    int signal_fd = main_signals();
    main_log = log_ring_create(SHARD_NONE);
    if (signal_fd < 0 || main_log == NULL) {
        fprintf(stderr, "sluiced: cannot start: %s\n", strerror(errno));
        return MAIN_EXIT_FAILURE;
    }
    log_level_set(config->log.level);
    if (ring_probe(reason, sizeof(reason)) != RC_OK) {
        fprintf(stderr, "sluiced: %s\n", reason);
        return MAIN_EXIT_FAILURE;
    }
    log_attach(main_log);
    main_raise_descriptors();
    int exit_code = MAIN_EXIT_FAILURE;
    bool up = broker_create(&broker, config, reason, sizeof(reason)) == RC_OK &&
              telemetry_open(&broker, reason, sizeof(reason)) == RC_OK &&
              control_socket_open(&broker, reason, sizeof(reason)) == RC_OK;
    main_log_drain(&broker);
    if (up && broker_start(&broker, reason, sizeof(reason)) == RC_OK) {
        reload_init(&broker, sources);
        main_say_defaults(&broker);
        LOG(LOG_INFO, "sluiced %s ready: %u shard%s", SLUICE_VERSION, broker.net.shards,
            broker.net.shards == 1 ? "" : "s");
        main_log_drain(&broker);
        main_serve(&broker, signal_fd);
        broker_stop(&broker);
        LOG(LOG_INFO, "stopped");
        exit_code = EXIT_SUCCESS;
    } else {
        fprintf(stderr, "sluiced: %s\n", reason);
    }
    main_log_drain(&broker);
    control_socket_close(&broker);
    telemetry_close(&broker);
    broker_destroy(&broker);
    log_attach(NULL);
    log_ring_destroy(main_log);
    close(signal_fd);
    return exit_code;
}

/* Password files, keys of tokens and the operator's bans are read as at start, and forgotten. */
static void main_check_clients(const struct config *config, struct error_list *errors)
{
    static struct userdb userdb;
    struct ban_list bans = {0};
    struct authn_set *set = access_create(config, &userdb, errors);
    if (set != NULL)
        authn_set_unref(set);
    userdb_fini(&userdb);
    const char *file = config->banned.bootstrap_file;
    /* False is in the list of errors, too. */
    (void)(file[0] == '\0' || ban_list_read_file(&bans, file, clock_wall_ms() / 1000, errors));
    ban_list_fini(&bans);
}

/* --check-config: what is configured is right; what it names has to be, too. */
static int main_check(const struct config *config, struct error_list *errors)
{
    tls_listeners_check(config, errors);
    acl_set_destroy(acl_load(config, errors));
    main_check_clients(config, errors);
    if (!error_list_is_empty(errors)) {
        error_list_print(errors, "sluiced: ", stderr);
        return ARGS_EXIT_USAGE;
    }
    const char *doubt = access_doubt(config);
    if (doubt != NULL)
        fprintf(stderr, "sluiced: warning: %s\n", doubt);
    config_print(config, stdout);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static struct error_list errors;
    struct args args;
    struct config config;
    error_list_init(&errors);
    if (args_parse(&args, argc, argv, &errors) != RC_OK) {
        error_list_print(&errors, "sluiced: ", stderr);
        return ARGS_EXIT_USAGE;
    }
    if (args.mode == ARGS_HELP) {
        args_print_help(stdout);
        return EXIT_SUCCESS;
    }
    if (args.mode == ARGS_VERSION) {
        printf("sluiced %s\n", SLUICE_VERSION);
        return EXIT_SUCCESS;
    }
    struct config_sources sources = args_sources(&args, environ);
    if (config_load(&config, &sources, &errors) != RC_OK) {
        error_list_print(&errors, "sluiced: ", stderr);
        return ARGS_EXIT_USAGE;
    }
    int exit_code = EXIT_SUCCESS;
    if (args.mode == ARGS_CHECK_CONFIG)
        exit_code = main_check(&config, &errors);
    else
        exit_code = main_run(&sources, &config);
    config_fini(&config);
    return exit_code;
}
