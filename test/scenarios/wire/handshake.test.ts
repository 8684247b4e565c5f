import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  answersDigest,
  BLOCK_SIZE,
  DIGEST_SCHEMES,
  digestC1,
  digestC2,
  echoMistakes,
  findDigest,
  simpleC1,
  simpleC2,
} from '../../../scenarios/wire/handshake.ts';

function captured(name: string): { c1: Buffer; c2: Buffer; s1: Buffer; s2: Buffer } {
  const read = (side: string): Buffer =>
    readFileSync(new URL(`../../../fixtures/captures/${name}.${side}.bin`, import.meta.url));
  const [client, server] = [read('c2s'), read('s2c')];
  const blocks = (bytes: Buffer): [Buffer, Buffer] => [
    bytes.subarray(1, 1 + BLOCK_SIZE),
    bytes.subarray(1 + BLOCK_SIZE, 1 + 2 * BLOCK_SIZE),
  ];
  const [c1, c2] = blocks(client);
  const [s1, s2] = blocks(server);
  return { c1, c2, s1, s2 };
}

for (const name of ['srs-7.0.18/edge-pull', 'srs-5.0.213/edge-302', 'nginx-rtmp-1.2.2/ffmpeg-play']) {
  test(`digests of ${name} verify on all four blocks`, () => {
    const { c1, c2, s1, s2 } = captured(name);
    const client = findDigest(c1, 'client');
    const server = findDigest(s1, 'server');
    assert.ok(client && server);
    assert.equal(answersDigest(s2, 'server', client.digest), true);
    assert.equal(answersDigest(c2, 'client', server.digest), true);
    assert.ok(echoMistakes(c1, s2) > 1000, 'a digest S2 is no echo');
  });
}

test('a digest C1 verifies under its own scheme, wherever the digest lands', () => {
  for (const scheme of DIGEST_SCHEMES) {
    for (let i = 0; i < 200; i++) {
      const c1 = digestC1(scheme);
      assert.equal(findDigest(c1, 'client')?.scheme, scheme);
      assert.equal(findDigest(c1, 'server'), undefined);
    }
  }
});

test('one bit more or less breaks every digest', () => {
  const { c1, s1, s2 } = captured('srs-7.0.18/edge-pull');
  const { digest } = findDigest(c1, 'client')!;
  for (const block of [s1, s2]) block[100]! ^= 1;
  assert.equal(findDigest(s1, 'server'), undefined);
  assert.equal(answersDigest(s2, 'server', digest), false);
  assert.equal(findDigest(simpleC1(), 'client'), undefined);
});

test('C2 of the digest form answers the digest of S1', () => {
  const s1Digest = findDigest(captured('srs-7.0.18/edge-pull').s1, 'server')!.digest;
  assert.equal(answersDigest(digestC2(s1Digest), 'client', s1Digest), true);
  assert.equal(answersDigest(digestC2(s1Digest), 'server', s1Digest), false);
});

test('an echo may differ in the time of reading only', () => {
  const c1 = simpleC1();
  assert.equal(echoMistakes(c1, simpleC2(c1, 0x12345678)), 0);
  const wrong = Buffer.from(c1);
  wrong[0]! ^= 1;
  wrong[8]! ^= 1;
  wrong[1535]! ^= 1;
  assert.equal(echoMistakes(c1, wrong), 3);
});
