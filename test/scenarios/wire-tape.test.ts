import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maskSecrets } from '../../reports/secrets.ts';
import { WireTape } from '../../scenarios/wire-tape.ts';

test('an HTTP head is shown, and the first and the last bytes with their places', () => {
  const tape = new WireTape('http://127.0.0.1/live/s.flv');
  tape.opened();
  tape.wrote(Buffer.from('GET /live/s.flv HTTP/1.1\r\nHost: h\r\n\r\n'));
  tape.read(Buffer.from('HTTP/1.1 200 OK\r\nServer: x\r\n\r\nFLV'), 33);
  for (let i = 0; i < 100; i++) tape.read(Buffer.alloc(1000, i), 1000);
  const text = tape.describe();
  assert.match(text, /-- sent: 37 bytes\n {3}GET \/live\/s\.flv HTTP\/1\.1\n {3}Host: h\n/);
  assert.match(text, /-- received: 100033 bytes\n {3}HTTP\/1\.1 200 OK\n {3}Server: x\n/);
  assert.match(text, /00000000 {2}48 54 54 50 2f 31 2e 31 .*\|HTTP\/1\.1 200 OK\.\|/);
  assert.match(text, /-- received, from byte 95937\n000176c1 {2}5f 5f/);
  assert.equal(text.trimEnd().split('\n').at(-1)!.slice(10, 15), '63 63');
});

test('another connection begins anew', () => {
  const tape = new WireTape('http://127.0.0.1/live/s.flv');
  tape.read(Buffer.from('old'), 3);
  tape.opened();
  assert.ok(tape.isEmpty);
});

test('of RTMP the messages after the handshake are shown, and where they end to be any', () => {
  const tape = new WireTape('rtmp://127.0.0.1/live/s');
  tape.opened();
  tape.read(Buffer.alloc(3073), 3073);
  assert.match(tape.describe(), /received: 3073 bytes\n {3}handshake: 3073 of 3073 bytes/);
  // Window Acknowledgement Size on chunk stream 2, then a type 3 chunk of a stream that was never begun.
  tape.read(Buffer.from([2, 0, 0, 0, 0, 0, 4, 5, 0, 0, 0, 0, 0, 0, 1, 0, 0xc9]), 17);
  assert.match(
    tape.describe(),
    /type 5: chunk stream 2, message stream 0, 0 ms, 4 bytes\n {3}then no chunk: /,
  );
});

test('secrets are in no form of it', () => {
  const tape = new WireTape('http://127.0.0.1/live/s.flv');
  tape.wrote(Buffer.from('GET /live/s.flv?token=hidden HTTP/1.1\r\nHost: h\r\n\r\n'));
  const text = maskSecrets(tape.describe());
  assert.doesNotMatch(text, /hidden|68 69 64 64 65 6e/);
  assert.match(text, /secrets are masked/);
});
