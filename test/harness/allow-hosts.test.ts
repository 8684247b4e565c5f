import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { load } from '../../cli/load.ts';
import { UsageError } from '../../cli/output.ts';
import { parseHosts } from '../../cli/target.ts';
import { CloseReason } from '../../drivers/client.ts';
import { createPlayer } from '../../drivers/create.ts';
import { mayLead, sourceFor } from '../../drivers/loopback.ts';
import type { LoadOptions } from '../../drivers/swarm/load.ts';
import { surroundings, temporary } from '../cli/surroundings.ts';
import { CountingSink, scripted, Witness } from '../drivers/support/observe.ts';
import { loadFigures } from '../reports/samples.ts';

test('a server may lead to itself, about loopback when it is there, and to what is named', () => {
  const yes: [string, string, string[]?][] = [
    ['127.0.0.1', '127.9.8.7'],
    ['localhost', '::1'],
    ['media.example.net', 'MEDIA.example.net'],
    ['media.example.net', 'cdn.example.net', ['CDN.example.net']],
    ['127.0.0.1', 'a.b.example.net', ['other', '*.example.net']],
    ['192.0.2.1', '127.0.0.1', ['127.0.0.1']],
  ];
  const no: [string, string, string[]?][] = [
    ['127.0.0.1', '192.0.2.1'],
    ['media.example.net', 'cdn.example.net'],
    // A machine of somebody else must not lead a generator to what listens on the generator's own.
    ['media.example.net', '127.0.0.1'],
    ['media.example.net', 'localhost', ['cdn.example.net']],
    ['127.0.0.1', 'example.net', ['*.example.net']],
    ['127.0.0.1', 'evilexample.net', ['*.example.net', 'example.net']],
    ['127.0.0.1', '127.0.0.1.example.net'],
  ];
  for (const [from, to, allowed] of yes) assert.ok(mayLead(from, to, allowed), `${from} to ${to}`);
  for (const [from, to, allowed] of no) assert.ok(!mayLead(from, to, allowed), `${from} to ${to}`);
  assert.equal(sourceFor('127.0.0.1', '127.1.2.3'), '127.1.2.3');
  assert.equal(sourceFor('192.0.2.1', '127.1.2.3'), undefined);
  assert.equal(sourceFor('192.0.2.1', '192.0.2.2'), '192.0.2.2');
});

/** A server that leads every player of its kind to `host`, where nobody listens. */
async function leading(t: TestContext, host: string, allowHosts?: string[], path = 'x.flv') {
  const server = await scripted((socket) => {
    socket.once('data', () =>
      socket.end(
        `HTTP/1.1 302 Found\r\nLocation: http://${host}:9/${path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
      ),
    );
  });
  t.after(() => server.close());
  const witness = new Witness();
  const url = `http://localhost:${server.port}/${path}`;
  const options = { timeoutMs: 500, hls: { maxRetries: 0 }, ...(allowHosts && { allowHosts }) };
  createPlayer(url, new CountingSink(), options, witness).open();
  const { reason, code } = await witness.closed();
  return { reason, code };
}

for (const path of ['x.flv', 'x.m3u8']) {
  test(`${path}: beyond the host of the URL only where --allow-hosts leads`, async (t) => {
    const refused = { reason: CloseReason.redirect, code: 'redirect.remote' };
    assert.deepEqual(await leading(t, '192.0.2.1', undefined, path), refused);
    assert.deepEqual(await leading(t, '192.0.2.1', ['192.0.2.2'], path), refused);
    // Went there: nobody answers at that port.
    assert.equal((await leading(t, '127.77.0.1', undefined, path)).reason, CloseReason.refused);
    const gone = await leading(t, '192.0.2.1', ['192.0.2.1'], path);
    assert.notEqual(gone.reason, CloseReason.redirect, gone.code);
  });
}

test('load takes hosts, and leads its players by them', async (t) => {
  const out = temporary(t);
  let asked: LoadOptions | undefined;
  const run = async (options: LoadOptions) => {
    asked = options;
    return loadFigures();
  };
  const args = { clients: '1', ramp: '0', duration: '1s', out, allowHosts: ['cdn.example.net'] };
  await load(['http://127.0.0.1/x.m3u8'], args, { ...surroundings(), run });
  assert.deepEqual(asked!.client?.allowHosts, ['cdn.example.net']);
  // Another host to lead to is no leave to load one.
  await assert.rejects(
    load(['http://cdn.example.net/x.m3u8'], args, { ...surroundings(), run }),
    /not on loopback.*--allow-remote/,
  );
  assert.deepEqual(parseHosts('a.example.net, *.b.example, 192.0.2.1,::1'), [
    'a.example.net',
    '*.b.example',
    '192.0.2.1',
    '::1',
  ]);
  for (const wrong of ['', 'a:80', 'http://a', 'a b', '*', 'a,,b', '*.', 'a/b']) {
    assert.throws(() => parseHosts(wrong), UsageError, wrong);
  }
});
