// mqttjs.js -- a client of the library mqtt.js that talks to itself through the broker:
// node mqttjs.js HOST PORT VERSION PREFIX [PROTOCOL CA], VERSION 3, 4 or 5; PROTOCOL is mqtts, ws
// or wss, CA the file with the authority.
//
// It publishes a batch at each QoS and expects it back whole and in order, then a retained
// message, a will, and (version 5) properties. Prints "ok", or what went wrong with exit code 1.
'use strict';

const fs = require('fs');
const mqtt = require('mqtt');

const [host, port, versionText, prefix, protocol, ca] = process.argv.slice(2);
const version = Number(versionText);
const BATCH = 100;
const transport = { protocol: protocol || 'mqtt', path: '/mqtt' };
if (ca) transport.ca = fs.readFileSync(ca);

function fail(text) {
    console.log(text);
    process.exit(1);
}

setTimeout(() => fail('no end within 20 s'), 20000).unref();

function connect(name, options) {
    return mqtt.connectAsync({
        host, port: Number(port), clientId: `${prefix}${name}`, protocolVersion: version,
        protocolId: version === 3 ? 'MQIsdp' : 'MQTT', reconnectPeriod: 0,
        ...transport, ...options,
    });
}

// A client whose messages can be awaited one by one.
function inbox(client) {
    const waiting = [], kept = [];
    client.on('message', (topic, payload, packet) => {
        const message = { topic, text: payload.toString(), packet };
        if (waiting.length > 0) waiting.shift()(message); else kept.push(message);
    });
    return () => kept.length > 0 ? Promise.resolve(kept.shift())
        : new Promise((resolve) => waiting.push(resolve));
}

function expect(got, want, what) {
    if (got !== want) fail(`${what}: expected ${want}, got ${got}`);
}

async function batches(client, next) {
    const topic = `${prefix}/batch`;
    await client.subscribeAsync(topic, { qos: 2 });
    for (const qos of [0, 1, 2]) {
        const sent = [];
        for (let number = 0; number < BATCH; number++) {
            sent.push(client.publishAsync(topic, `${number}`, { qos }));
        }
        for (let number = 0; number < BATCH; number++) {
            const got = await next();
            expect(got.text, `${number}`, `message at QoS ${qos}`);
            expect(got.packet.qos, qos, 'QoS');
        }
        await Promise.all(sent);
    }
    await client.unsubscribeAsync(topic);
}

async function retained(client, next) {
    const topic = `${prefix}/retained`;
    await client.publishAsync(topic, 'kept', { qos: 1, retain: true });
    await client.subscribeAsync(topic, { qos: 1 });
    const got = await next();
    expect(got.text, 'kept', 'retained message');
    expect(got.packet.retain, true, 'retain flag');
    await client.publishAsync(topic, '', { qos: 1, retain: true });
    expect((await next()).text, '', 'clearing');
}

async function will(client, next) {
    const topic = `${prefix}/will`;
    await client.subscribeAsync(topic, { qos: 1 });
    const dying = await connect('dying', { will: { topic, payload: Buffer.from('gone'), qos: 1 } });
    dying.stream.destroy();
    expect((await next()).text, 'gone', 'will');
}

async function properties(client, next) {
    const topic = `${prefix}/properties`;
    await client.subscribeAsync(topic, { qos: 1, properties: { subscriptionIdentifier: 7 } });
    await client.publishAsync(topic, 'm', { qos: 1, properties: {
        contentType: 'text', responseTopic: 'r', correlationData: Buffer.from('1'),
        payloadFormatIndicator: true, messageExpiryInterval: 100, userProperties: { a: ['1', '2'] },
    } });
    const found = (await next()).packet.properties;
    expect(found.contentType, 'text', 'content type');
    expect(found.responseTopic, 'r', 'response topic');
    expect(found.correlationData.toString(), '1', 'correlation data');
    expect(found.subscriptionIdentifier, 7, 'subscription identifier');
    expect(JSON.stringify(found.userProperties), '{"a":["1","2"]}', 'user properties');
}

async function session() {
    const options = { clean: false, properties: { sessionExpiryInterval: 60 } };
    if (version < 5) delete options.properties;
    const topic = `${prefix}/session`;
    const first = await connect('session', options);
    await first.subscribeAsync(topic, { qos: 1 });
    await first.endAsync();
    const publisher = await connect('publisher');
    await publisher.publishAsync(topic, 'queued', { qos: 1 });
    await publisher.endAsync();
    const second = mqtt.connect({ host, port: Number(port), clientId: `${prefix}session`,
        protocolVersion: version, protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
        reconnectPeriod: 0, ...transport, ...options });
    const next = inbox(second);
    expect((await next()).text, 'queued', 'message of the session');
    await second.endAsync();
}

async function main() {
    const client = await connect('main');
    const next = inbox(client);
    await batches(client, next);
    await retained(client, next);
    await will(client, next);
    if (version === 5) await properties(client, next);
    await client.endAsync();
    await session();
    console.log('ok');
}

main().catch((error) => fail(`${error}`));
