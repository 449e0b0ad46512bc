/*
 * paho_sync.c -- a client of the Eclipse Paho C library (synchronous flavour) that talks to itself
 * through the broker: paho_sync HOST PORT VERSION PREFIX, VERSION 3, 4 or 5.
 *
 * It subscribes at QoS 2, publishes a batch at each QoS, and expects to receive it whole and in
 * order; then a retained message, which a second subscription must bring again, and the end of a
 * persistent session. Prints "ok" and exits with 0, or the first thing that went wrong and 1.
 * One thread; every wait is bounded.
 */
#include <MQTTClient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 15, WAIT_MS = 5000 };

static MQTTClient client;
static int version;
static char topic[256];

static void fail(const char *what, int code)
{
    printf("%s: %d\n", what, code);
    exit(1);
}

static void client_connect(int clean)
{
    if (version == MQTTVERSION_5) {
        MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer5;
        options.cleanstart = clean;
        MQTTProperties properties = MQTTProperties_initializer;
        MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
        expiry.value.integer4 = 60;
        MQTTProperties_add(&properties, &expiry);
        MQTTResponse response = MQTTClient_connect5(client, &options, &properties, NULL);
        if (response.reasonCode != MQTTREASONCODE_SUCCESS)
            fail("connect", (int)response.reasonCode);
        MQTTResponse_free(response);
        MQTTProperties_free(&properties);
        return;
    }
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
    options.cleansession = clean;
    options.MQTTVersion = version;
    int code = MQTTClient_connect(client, &options);
    if (code != MQTTCLIENT_SUCCESS)
        fail("connect", code);
}

static void client_subscribe(int qos)
{
    if (version == MQTTVERSION_5) {
        MQTTResponse response = MQTTClient_subscribe5(client, topic, qos, NULL, NULL);
        if (response.reasonCode != (enum MQTTReasonCodes)qos)
            fail("subscribe", (int)response.reasonCode);
        MQTTResponse_free(response);
    } else if (MQTTClient_subscribe(client, topic, qos) != MQTTCLIENT_SUCCESS) {
        fail("subscribe", qos);
    }
}

static void client_publish(const char *text, int qos, int retained)
{
    MQTTClient_deliveryToken token;
    if (version == MQTTVERSION_5) {
        MQTTResponse response = MQTTClient_publish5(client, topic, (int)strlen(text), text, qos,
                                                    retained, NULL, &token);
        if (response.reasonCode != MQTTREASONCODE_SUCCESS)
            fail("publish", (int)response.reasonCode);
        MQTTResponse_free(response);
    } else if (MQTTClient_publish(client, topic, (int)strlen(text), text, qos, retained, &token) !=
               MQTTCLIENT_SUCCESS) {
        fail("publish", qos);
    }
    if (MQTTClient_waitForCompletion(client, token, WAIT_MS) != MQTTCLIENT_SUCCESS)
        fail("acknowledgement", qos);
}

static void client_expect(const char *text, int qos, int retained)
{
    char *name = NULL;
    int length = 0;
    MQTTClient_message *message = NULL;
    int code = MQTTClient_receive(client, &name, &length, &message, WAIT_MS);
    if (code != MQTTCLIENT_SUCCESS || message == NULL)
        fail("receive", code);
    if (strcmp(name, topic) != 0 || message->payloadlen != (int)strlen(text) ||
        memcmp(message->payload, text, strlen(text)) != 0) {
        printf("expected '%s', got '%.*s'\n", text, message->payloadlen, (char *)message->payload);
        exit(1);
    }
    if (message->qos != qos || message->retained != retained)
        fail("QoS or retain of the message", message->qos);
    MQTTClient_freeMessage(&message);
    MQTTClient_free(name);
}

static void client_disconnect(void)
{
    int code = version == MQTTVERSION_5
                   ? MQTTClient_disconnect5(client, 1000, MQTTREASONCODE_SUCCESS, NULL)
                   : MQTTClient_disconnect(client, 1000);
    if (code != MQTTCLIENT_SUCCESS)
        fail("disconnect", code);
}

int main(int argc, char **argv)
{
    char uri[128], text[64];
    if (argc != 5)
        fail("usage: paho_sync HOST PORT VERSION PREFIX", argc);
    version = (int)strtol(argv[3], NULL, 10);
    snprintf(uri, sizeof uri, "tcp://%s:%s", argv[1], argv[2]);
    snprintf(topic, sizeof topic, "%s/topic", argv[4]);
    MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
    create.MQTTVersion = version == MQTTVERSION_5 ? MQTTVERSION_5 : MQTTVERSION_DEFAULT;
    if (MQTTClient_createWithOptions(&client, uri, argv[4], MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                     &create) != MQTTCLIENT_SUCCESS)
        fail("create", 0);
    client_connect(1);
    client_subscribe(2);
    for (int qos = 0; qos <= 2; qos++) {
        for (int number = 0; number < BATCH; number++) {
            snprintf(text, sizeof text, "%d %d", qos, number);
            client_publish(text, qos, 0);
        }
        for (int number = 0; number < BATCH; number++) {
            snprintf(text, sizeof text, "%d %d", qos, number);
            client_expect(text, qos, 0);
        }
    }
    client_publish("retained", 1, 1);
    client_expect("retained", 1, 0);
    client_subscribe(2);
    client_expect("retained", 1, 1);
    client_publish("", 1, 1);
    client_expect("", 1, 0);
    client_disconnect();
    client_connect(0);
    client_disconnect();
    MQTTClient_destroy(&client);
    printf("ok\n");
    return 0;
}
