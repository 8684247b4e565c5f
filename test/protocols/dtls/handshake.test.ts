import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { createIdentity, nodeCrypto } from '../../../drivers/webrtc/lite/crypto.ts';
import { NamedGroup, SrtpProfile } from '../../../protocols/dtls/constants.ts';
import { ProtocolError } from '../../../protocols/errors.ts';
import { watchRetained } from '../../support/nothing-kept.ts';
import { mutations, randomOf } from '../stun/mutate.ts';
import { clientIdentity, Pair, serverIdentity } from './pair.ts';

function assertConnected(pair: Pair): void {
  assert.deepEqual([pair.client.state, pair.server.state], ['connected', 'connected']);
  assert.deepEqual([pair.clientSide.events, pair.serverSide.events], [['connected'], ['connected']]);
  assert.deepEqual(pair.client.srtpKeys(), pair.server.srtpKeys());
}

test('the certificate is one that others can read and verify', () => {
  const certificate = new X509Certificate(clientIdentity.certificate);
  assert.equal(certificate.subject, 'CN=liveproof');
  assert.ok(certificate.verify(certificate.publicKey));
  assert.equal(certificate.fingerprint256, clientIdentity.fingerprint);
  const now = Date.now();
  assert.ok(Date.parse(certificate.validFrom) < now && Date.parse(certificate.validTo) > now);
});

test('a handshake: both have the same keys, with nothing sent twice', () => {
  const pair = new Pair();
  pair.run();
  assertConnected(pair);
  assert.equal(pair.client.retransmissions + pair.server.retransmissions, 0);
  assert.equal(pair.client.srtpKeys().profile, SrtpProfile.aes128CmHmacSha1_80);
  assert.equal(pair.client.srtpKeys().client.salt.length, 14);
  assert.notDeepEqual(pair.client.srtpKeys().client, pair.client.srtpKeys().server);
  assert.equal(pair.now, 0);
});

test('AEAD_AES_128_GCM when the server prefers it; salts of 12 bytes', () => {
  const pair = new Pair({ server: { srtpProfiles: [SrtpProfile.aeadAes128Gcm] } });
  pair.run();
  assertConnected(pair);
  assert.equal(pair.client.srtpKeys().profile, SrtpProfile.aeadAes128Gcm);
  assert.equal(pair.client.srtpKeys().server.salt.length, 12);
});

test('a cookie is asked for and given back, and keeps the server from answering without', () => {
  const cookie = { secret: new Uint8Array(32).fill(7), peer: Uint8Array.of(127, 0, 0, 1, 1, 2) };
  const pair = new Pair({ server: { cookie } });
  pair.run();
  assertConnected(pair);
  assert.ok(pair.serverSide.sent[0]!.length < pair.clientSide.sent[0]!.length, 'no amplification');
});

test('flights in small pieces, in any order, twice, and lost at random', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = randomOf(seed);
    const held = { client: [] as Uint8Array[], server: [] as Uint8Array[] };
    const pair = new Pair({
      client: { mtu: 256, maxRetransmissions: 30 },
      server: { mtu: 256, maxRetransmissions: 30 },
      network: (datagram, from) => {
        const fate = random();
        if (fate < 0.25) return [];
        if (fate < 0.4) return [datagram, datagram];
        if (fate < 0.6) {
          held[from].push(datagram);
          return [];
        }
        return [datagram, ...held[from].splice(0)];
      },
    });
    pair.run();
    assertConnected(pair);
    for (const datagram of [...pair.clientSide.sent, ...pair.serverSide.sent]) {
      assert.ok(datagram.length <= 256);
    }
  }
});

test('a lost last flight is sent again when the client asks', () => {
  let lost = 0;
  const pair = new Pair({
    network: (datagram, from) => {
      const last = from === 'server' && datagram[0] === 20;
      return last && lost++ === 0 ? [] : [datagram];
    },
  });
  pair.run();
  assertConnected(pair);
  assert.deepEqual([pair.client.retransmissions, pair.server.retransmissions], [1, 1]);
  assert.equal(pair.now, 1000);
});

test('retransmissions come after 1, 2, 4 … s, and end', () => {
  const times: number[] = [];
  const pair: Pair = new Pair({
    client: { maxRetransmissions: 3 },
    network: () => {
      times.push(pair.now);
      return [];
    },
  });
  pair.run();
  assert.deepEqual(times, [0, 1000, 3000, 7000, 15_000]);
  assert.equal(pair.client.state, 'failed');
  assert.equal(pair.clientSide.error?.code, 'dtls.timeout');
});

test('another certificate than the one of the SDP ends the handshake, on either side', () => {
  const other = createIdentity().fingerprint;
  const wrong = { fingerprint: { hash: 'sha-256', value: other } } as const;
  const server = new Pair({ client: wrong });
  server.run();
  assert.equal(server.clientSide.error?.code, 'dtls.certificate');
  assert.equal(server.serverSide.error?.code, 'dtls.alert');
  assert.match(server.serverSide.error.message, /badCertificate/);
  const client = new Pair({ server: wrong });
  client.run();
  assert.equal(client.serverSide.error?.code, 'dtls.certificate');
  assert.equal(client.clientSide.error?.code, 'dtls.alert');
});

test('fingerprints of other hashes, in any case', () => {
  const value = new X509Certificate(serverIdentity.certificate).fingerprint512.toLowerCase();
  const pair = new Pair({ client: { fingerprint: { hash: 'sha-512', value } } });
  pair.run();
  assertConnected(pair);
});

test('a signature by another key is refused', () => {
  const thief = { certificate: serverIdentity.certificate, sign: clientIdentity.sign };
  const server = new Pair({ server: { identity: thief } });
  server.run();
  assert.equal(server.clientSide.error?.code, 'dtls.verify');
  const client = new Pair({
    client: { identity: { certificate: clientIdentity.certificate, sign: serverIdentity.sign } },
  });
  client.run();
  assert.equal(client.serverSide.error?.code, 'dtls.verify');
});

test('no SRTP profile in common', () => {
  const pair = new Pair({
    client: { srtpProfiles: [SrtpProfile.aeadAes128Gcm] },
    server: { srtpProfiles: [SrtpProfile.aes128CmHmacSha1_80] },
  });
  pair.run();
  assert.equal(pair.serverSide.error?.code, 'dtls.negotiation');
  assert.equal(pair.clientSide.error?.code, 'dtls.alert');
});

test('close_notify closes the other side; what is not protected does not', () => {
  const pair = new Pair();
  pair.run();
  const forged = Uint8Array.of(21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40);
  pair.server.receive(forged, pair.now);
  assert.equal(pair.server.state, 'connected');
  pair.client.close();
  pair.client.close();
  pair.run();
  assert.deepEqual([pair.client.state, pair.server.state], ['closed', 'closed']);
  assert.deepEqual(pair.serverSide.events, ['connected', 'ended']);
  assert.deepEqual(pair.clientSide.events, ['connected']);
  assert.equal(pair.serverSide.error, undefined);
});

test('a replayed record is discarded', () => {
  const pair = new Pair();
  pair.run();
  const finished = pair.clientSide.sent.at(-1)!;
  const before = pair.server.discarded;
  pair.server.receive(finished, pair.now);
  assert.ok(pair.server.discarded > before);
  assert.equal(pair.server.retransmissions, 0);
});

test('both groups', () => {
  for (const group of Object.values(NamedGroup)) {
    const [a, b] = [nodeCrypto.keyShare(group), nodeCrypto.keyShare(group)];
    assert.deepEqual(a.derive(b.publicKey), b.derive(a.publicKey));
    assert.throws(() => a.derive(new Uint8Array(7)), { code: 'dtls.handshake' });
    assert.throws(() => a.derive(new Uint8Array(32)), { code: 'dtls.handshake' });
  }
  const pair = new Pair({
    client: { crypto: { ...nodeCrypto, keyShare: () => nodeCrypto.keyShare(NamedGroup.secp256r1) } },
    server: { crypto: { ...nodeCrypto, keyShare: () => nodeCrypto.keyShare(NamedGroup.secp256r1) } },
  });
  pair.run();
  // The group is negotiated as X25519, but the keys are of P-256: whatever they are, they agree.
  assertConnected(pair);
});

test('100 000 random and mutated datagrams at every step: typed errors, bounded, no hang', () => {
  const clean = new Pair();
  clean.run();
  const datagrams = [...clean.clientSide.sent, ...clean.serverSide.sent];
  let failed = 0;
  let pair = new Pair();
  let left = 0;
  const assertNothingKept = watchRetained();
  for (const bytes of mutations(datagrams, 100_000)) {
    if (left-- === 0) {
      // A new pair every 40 datagrams, at another step of the handshake each time.
      left = 39;
      pair = new Pair({ network: () => [] });
      pair.client.start(0);
      if (failed % 2 === 0) pair.server.receive(pair.clientSide.sent[0]!, 0);
      if (failed % 4 === 0) for (const flight of pair.serverSide.sent) pair.client.receive(flight, 0);
    }
    pair.client.receive(bytes, 0);
    pair.server.receive(bytes, 0);
    for (const { error } of [pair.clientSide, pair.serverSide]) {
      if (error === undefined) continue;
      assert.ok(error instanceof ProtocolError);
      assert.match(error.code, /^dtls\./);
    }
    if (pair.clientSide.error !== undefined) failed++;
    assert.ok(pair.clientSide.sent.length + pair.serverSide.sent.length < 200);
    assert.notEqual(pair.client.state, 'connected');
  }
  assertNothingKept();
  assert.ok(failed > 1000);
});
