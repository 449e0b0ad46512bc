// browser.js -- mqtt.js inside a browser's page that talks to itself through the broker:
// browser.html loads it, browser.py serves both and reads what is posted to /result.
//
// Query of the page: ws and wss, the broker's URLs; elsewhere, an origin that the broker must
// refuse; prefix of names. It publishes both ways at each QoS, small, empty and large payloads
// (over ws and wss at once), resumes its session after the broker has been restarted, and lets a
// frame of another origin try. The result is "ok", or what went wrong.
'use strict';

const query = new URLSearchParams(location.search);
const prefix = query.get('prefix');
const BATCH = 50;
const LARGE = 900000;

function check(condition, text) {
    if (!condition) throw new Error(text);
}

function report(text) {
    document.title = text;
    return fetch('/result', { method: 'POST', body: text });
}

function connect(url, name, options) {
    return mqtt.connectAsync(url, { clientId: `${prefix}${name}`, protocolVersion: 5,
        reconnectPeriod: 0, ...options });
}

// A client whose messages can be awaited one by one.
function inbox(client) {
    const waiting = [], kept = [];
    client.on('message', (topic, payload, packet) => {
        const message = { topic, payload, qos: packet.qos };
        if (waiting.length > 0) waiting.shift()(message); else kept.push(message);
    });
    return () => kept.length > 0 ? Promise.resolve(kept.shift())
        : new Promise((resolve) => waiting.push(resolve));
}

// Each byte depends on its place, so that a byte that is lost or doubled shows.
function payloadOf(length, seed) {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at++) bytes[at] = at * 31 + (at >> 8) * 7 + seed;
    return bytes;
}

function same(payload, length, seed) {
    const want = payloadOf(length, seed);
    return payload.length === length && want.every((byte, at) => byte === payload[at]);
}

// `from` publishes at every QoS, `to` gets all of it, whole and in order.
async function oneWay(from, to, next, topic) {
    await to.subscribeAsync(topic, { qos: 2 });
    for (const qos of [0, 1, 2]) {
        const sent = [];
        for (let number = 0; number < BATCH; number++) {
            sent.push(from.publishAsync(topic, `${number}`, { qos }));
        }
        for (const length of [0, 1, 70000, LARGE]) {
            sent.push(from.publishAsync(topic, payloadOf(length, qos), { qos }));
        }
        for (let number = 0; number < BATCH; number++) {
            const got = await next();
            check(got.payload.toString() === `${number}` && got.qos === qos,
                `QoS ${qos}: message ${number} is ${got.payload} at QoS ${got.qos}`);
        }
        for (const length of [0, 1, 70000, LARGE]) {
            check(same((await next()).payload, length, qos), `QoS ${qos}: ${length} bytes changed`);
        }
        await Promise.all(sent);
    }
    await to.unsubscribeAsync(topic);
}

// The broker goes and comes again: the client connects by itself and has what it had asked for.
async function restart(url) {
    const topic = `${prefix}/restart`;
    const client = await connect(url, 'restart', { reconnectPeriod: 100, clean: false,
        properties: { sessionExpiryInterval: 300 } });
    const next = inbox(client);
    await client.subscribeAsync(topic, { qos: 1 });
    const closed = new Promise((resolve) => client.once('close', resolve));
    const again = new Promise((resolve) => client.once('connect', resolve));
    const answer = await fetch('/restart', { method: 'POST' });
    check(answer.ok, `restart: ${await answer.text()}`);
    await closed;
    await again;
    await client.publishAsync(topic, 'after', { qos: 1 });
    check((await next()).payload.toString() === 'after', 'a message after the restart');
    await client.endAsync();
}

// A page of another origin says whether it got in.
function stranger() {
    const frame = document.createElement('iframe');
    const answer = new Promise((resolve) => {
        window.addEventListener('message', (event) => resolve(event.data), { once: true });
    });
    frame.src = `${query.get('elsewhere')}/browser.html?stranger=1&ws=${query.get('ws')}` +
        `&prefix=${prefix}`;
    document.body.append(frame);
    return answer;
}

// In that frame.
function tryAsStranger() {
    const socket = new WebSocket(query.get('ws'), 'mqtt');
    socket.onopen = () => parent.postMessage('it was let in', '*');
    socket.onerror = () => parent.postMessage('refused', '*');
}

async function main() {
    const plain = await connect(query.get('ws'), 'plain');
    const secure = await connect(query.get('wss'), 'secure');
    await oneWay(plain, secure, inbox(secure), `${prefix}/there`);
    await oneWay(secure, plain, inbox(plain), `${prefix}/back`);
    await Promise.all([plain.endAsync(), secure.endAsync()]);
    check(await stranger() === 'refused', 'a page of another origin was let in');
    await restart(query.get('ws'));
    await restart(query.get('wss'));
}

if (query.has('stranger')) tryAsStranger();
else main().then(() => report('ok'), (error) => report(`${error}`));
