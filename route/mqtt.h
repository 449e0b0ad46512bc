/*
 * mqtt.h -- plain words of MQTT that the floors above and below the codec share.
 *
 * Only enumerations and protocol constants: nothing here knows a packet's bytes (that is net/), and
 * nothing here knows a session. Numbers are those of the wire, so a value may be stored and
 * compared without translation.
 *
 * Threads: constants, any.
 */
#ifndef SLUICE_MQTT_H
#define SLUICE_MQTT_H

#include <stdint.h>

/*
 * The protocol level of CONNECT (3.1.2.2). MQTT_NONE: not known yet, that is, no CONNECT has named
 * it. Comparing with < and >= is meant to work: everything below MQTT_50 has no properties.
 */
enum mqtt_version { MQTT_NONE = 0, MQTT_31 = 3, MQTT_311 = 4, MQTT_50 = 5 };

enum mqtt_qos { MQTT_QOS_0 = 0, MQTT_QOS_1 = 1, MQTT_QOS_2 = 2 };

/* Subscription option Retain Handling (MQTT 5.0 section 3.8.3.1). */
enum mqtt_retain_handling {
    MQTT_RETAIN_SEND = 0,        /* at every SUBSCRIBE; the only behaviour of 3.1 and 3.1.1 */
    MQTT_RETAIN_SEND_IF_NEW = 1, /* only if the subscription did not exist */
    MQTT_RETAIN_SEND_NEVER = 2,
};

/* Session Expiry Interval of a session that never expires (MQTT 5.0 section 3.1.2.11.2). */
#define MQTT_EXPIRY_NEVER_S UINT32_MAX

/* Receive Maximum where CONNECT or CONNACK names none (3.1.2.11.3). */
#define MQTT_RECEIVE_DEFAULT 65535

#endif
