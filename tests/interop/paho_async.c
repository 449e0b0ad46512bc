/*
 * paho_async.c -- a client of the Eclipse Paho C library (asynchronous flavour) that talks to
 * itself through the broker: paho_async HOST PORT VERSION PREFIX, VERSION 3, 4 or 5.
 *
 * Many messages are under way at a time, at all three QoS: every one must be acknowledged and
 * come back once; messages of one QoS must come back in order. Prints "ok" and exits with 0, or
 * what went wrong and 1.
 *
 * Threads: the library calls back from threads of its own; all state is under one mutex, and
 * main waits on one condition with a deadline.
 */
#include <MQTTAsync.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PER_QOS = 100, WAIT_S = 20 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static MQTTAsync client;
static int version, connected, subscribed, acknowledged, received, disconnected;
static int next_number[3];
static char topic[256];

static void fail(const char *what, int code)
{
    printf("%s: %d\n", what, code);
    fflush(stdout);
    _Exit(1);
}

static void step(int *counter)
{
    pthread_mutex_lock(&mutex);
    (*counter)++;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
}

static void await(int *counter, int wanted, const char *what)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += WAIT_S;
    pthread_mutex_lock(&mutex);
    while (*counter < wanted)
        if (pthread_cond_timedwait(&changed, &mutex, &deadline) != 0)
            fail(what, *counter);
    pthread_mutex_unlock(&mutex);
}

static void on_success(void *context, MQTTAsync_successData *data)
{
    (void)data;
    step(context);
}

static void on_success5(void *context, MQTTAsync_successData5 *data)
{
    (void)data;
    step(context);
}

static void on_failure(void *context, MQTTAsync_failureData *data)
{
    (void)context;
    fail("failure", data ? data->code : -1);
}

static void on_failure5(void *context, MQTTAsync_failureData5 *data)
{
    (void)context;
    fail("failure", data ? (int)data->reasonCode : -1);
}

static int on_message(void *context, char *name, int length, MQTTAsync_message *message)
{
    int qos, number;
    char text[64];
    (void)context;
    (void)length;
    snprintf(text, sizeof text, "%.*s", message->payloadlen, (char *)message->payload);
    if (sscanf(text, "%d %d", &qos, &number) != 2 || qos != message->qos)
        fail("a message that was not sent", message->qos);
    if (number != next_number[qos]++)
        fail(qos == 0 ? "QoS 0 out of order, lost or doubled" : "out of order, lost or doubled",
             number);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(name);
    step(&received);
    return 1;
}

static MQTTAsync_responseOptions response_to(int *counter)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    options.context = counter;
    if (version == MQTTVERSION_5) {
        options.onSuccess5 = on_success5;
        options.onFailure5 = on_failure5;
    } else {
        options.onSuccess = on_success;
        options.onFailure = on_failure;
    }
    return options;
}

static void client_connect(void)
{
    MQTTAsync_connectOptions plain = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions five = MQTTAsync_connectOptions_initializer5;
    MQTTAsync_connectOptions *options = version == MQTTVERSION_5 ? &five : &plain;
    options->context = &connected;
    options->maxInflight = 50;
    if (version == MQTTVERSION_5) {
        options->onSuccess5 = on_success5;
        options->onFailure5 = on_failure5;
        options->cleanstart = 1;
    } else {
        options->MQTTVersion = version;
        options->onSuccess = on_success;
        options->onFailure = on_failure;
        options->cleansession = 1;
    }
    int code = MQTTAsync_connect(client, options);
    if (code != MQTTASYNC_SUCCESS)
        fail("connect", code);
    await(&connected, 1, "connected");
}

static void client_publish_all(void)
{
    char text[64];
    for (int number = 0; number < PER_QOS; number++) {
        for (int qos = 0; qos <= 2; qos++) {
            MQTTAsync_responseOptions options = response_to(&acknowledged);
            int length = snprintf(text, sizeof text, "%d %d", qos, number);
            int code = MQTTAsync_send(client, topic, length, text, qos, 0, &options);
            if (code != MQTTASYNC_SUCCESS)
                fail("send", code);
        }
    }
}

int main(int argc, char **argv)
{
    char uri[128];
    if (argc != 5)
        fail("usage: paho_async HOST PORT VERSION PREFIX", argc);
    version = (int)strtol(argv[3], NULL, 10);
    snprintf(uri, sizeof uri, "tcp://%s:%s", argv[1], argv[2]);
    snprintf(topic, sizeof topic, "%s/topic", argv[4]);
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
    create.MQTTVersion = version == MQTTVERSION_5 ? MQTTVERSION_5 : MQTTVERSION_DEFAULT;
    create.maxBufferedMessages = 3 * PER_QOS;
    if (MQTTAsync_createWithOptions(&client, uri, argv[4], MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                    &create) != MQTTASYNC_SUCCESS)
        fail("create", 0);
    MQTTAsync_setCallbacks(client, NULL, NULL, on_message, NULL);
    client_connect();
    MQTTAsync_responseOptions options = response_to(&subscribed);
    if (MQTTAsync_subscribe(client, topic, 2, &options) != MQTTASYNC_SUCCESS)
        fail("subscribe", 0);
    await(&subscribed, 1, "subscribed");
    client_publish_all();
    await(&acknowledged, 3 * PER_QOS, "acknowledged");
    await(&received, 3 * PER_QOS, "received");
    MQTTAsync_disconnectOptions plain = MQTTAsync_disconnectOptions_initializer;
    MQTTAsync_disconnectOptions five = MQTTAsync_disconnectOptions_initializer5;
    MQTTAsync_disconnectOptions *ending = version == MQTTVERSION_5 ? &five : &plain;
    ending->context = &disconnected;
    if (version == MQTTVERSION_5)
        ending->onSuccess5 = on_success5;
    else
        ending->onSuccess = on_success;
    MQTTAsync_disconnect(client, ending);
    await(&disconnected, 1, "disconnected");
    MQTTAsync_destroy(&client);
    printf("ok\n");
    return 0;
}
