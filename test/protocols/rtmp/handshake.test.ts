import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';
import {
  ClientHandshake,
  type DigestSchema,
  type HandshakeForm,
  type HandshakeStep,
  ServerHandshake,
} from '../../../protocols/rtmp/handshake.ts';
import { type CaptureName, captures, handshakeSize, hmac, recorded } from './capture.ts';

const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));

/** Gives recorded bytes in place of random ones, in the order they are asked for. */
function replay(...pieces: Uint8Array[]): (length: number) => Uint8Array {
  return (length) => {
    const piece = pieces.shift()!;
    assert.equal(piece.length, length);
    return piece;
  };
}

function wordAt(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
}

function assertSame(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(Buffer.compare(actual, expected), 0);
}

describe('against recorded peers', () => {
  for (const name of captures) {
    const c2s = recorded(name, 'c2s').subarray(0, handshakeSize);
    const s2c = recorded(name, 's2c').subarray(0, handshakeSize);
    const srsEdge = name.includes('edge');

    test(`${name}: we sign C1 as the client did, and S2 verifies`, () => {
      const client = new ClientHandshake({
        form: 'digest',
        hmac,
        random: replay(c2s.slice(9, 1537), c2s.slice(1537)),
        time: wordAt(c2s, 1),
        version: wordAt(c2s, 5),
        wrongEcho: 'reject',
      });
      assertSame(client.start(), c2s.subarray(0, 1537));
      const step = client.push(s2c);
      assert.deepEqual([step.consumed, step.done], [handshakeSize, true]);
      assert.deepEqual([client.form, client.echoed], ['digest', true]);
      // ffmpeg echoes servers below version 3 in place of signing; what it signed, we sign alike.
      const signedBySender = Buffer.compare(c2s.subarray(1537), s2c.subarray(1, 1537)) !== 0;
      assert.equal(signedBySender, srsEdge || name.includes('nginx-rtmp-1.2.2/ffmpeg-play'));
      if (signedBySender) assertSame(step.send!, c2s.subarray(1537));
    });

    test(`${name}: we sign S1 and S2 as the server did, and C2 is right`, () => {
      const server = new ServerHandshake({
        hmac,
        random: replay(s2c.slice(9, 1537), s2c.slice(1537)),
        time: wordAt(s2c, 1),
        version: wordAt(s2c, 5),
        wrongEcho: 'reject',
      });
      const whole = server.push(recorded(name, 'c2s'));
      assertSame(whole.send!, s2c);
      assert.deepEqual([whole.consumed, whole.done], [handshakeSize, true]);
      assert.deepEqual([server.form, server.schema, server.echoed], ['digest', 1, true]);
    });
  }
});

/** Lets both sides talk, in pieces of the given sizes, and says what each made of it. */
function talk(
  client: ClientHandshake,
  server: ServerHandshake,
  sizes: readonly number[],
): { clientRest: number[]; serverRest: number[] } {
  const tail = Uint8Array.of(0x02, 0x55);
  let turn = 0;
  function feed(push: (bytes: Uint8Array, start: number, end: number) => HandshakeStep, bytes: Uint8Array) {
    const sent: Uint8Array[] = [];
    let at = 0;
    let done = false;
    while (at < bytes.length && !done) {
      const end = Math.min(bytes.length, at + sizes[turn++ % sizes.length]!);
      const step = push(bytes, at, end);
      assert.ok(step.done || step.consumed === end - at, 'all is used until it is done');
      if (step.send !== undefined) sent.push(step.send);
      at += step.consumed;
      done = step.done;
    }
    return { sent: new Uint8Array(Buffer.concat(sent)), rest: [...bytes.subarray(at)], done };
  }
  const one = feed((...args) => server.push(...args), client.start());
  const two = feed((...args) => client.push(...args), new Uint8Array(Buffer.concat([one.sent, tail])));
  const three = feed((...args) => server.push(...args), new Uint8Array(Buffer.concat([two.sent, tail])));
  assert.deepEqual([one.done, two.done, three.done], [false, true, true]);
  return { clientRest: two.rest, serverRest: three.rest };
}

test('both forms and both schemas, at any split; what follows the handshake is left alone', () => {
  fc.assert(
    fc.property(
      fc.constantFrom<[HandshakeForm, DigestSchema]>(['simple', 1], ['digest', 0], ['digest', 1]),
      fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 5 }),
      ([form, schema], sizes) => {
        const client = new ClientHandshake({ form, schema, random, hmac, wrongEcho: 'reject' });
        const server = new ServerHandshake({ random, hmac, wrongEcho: 'reject' });
        const { clientRest, serverRest } = talk(client, server, sizes);
        assert.deepEqual(
          [clientRest, serverRest],
          [
            [2, 0x55],
            [2, 0x55],
          ],
        );
        assert.deepEqual([client.form, server.form, client.echoed, server.echoed], [form, form, true, true]);
        assert.equal(server.schema, form === 'digest' ? schema : undefined);
      },
    ),
    { numRuns: 40 },
  );
});

test('the digest stands at the sum of four bytes modulo 728, in either block', () => {
  for (const [schema, block] of [
    [1, 8],
    [0, 772],
  ] as const) {
    for (const [offset, expected] of [
      [[255, 255, 217, 0], 727],
      [[255, 255, 218, 0], 0],
      [[255, 255, 220, 0], 2],
      [[255, 255, 255, 255], 292],
    ] as const) {
      const bytes = random(1528);
      bytes.set(offset, block - 8);
      const c1 = new ClientHandshake({ form: 'digest', schema, hmac, random: replay(bytes) })
        .start()
        .subarray(1);
      const at = block + 4 + expected;
      const key = new TextEncoder().encode('Genuine Adobe Flash Player 001');
      const signed = new Uint8Array(Buffer.concat([c1.subarray(0, at), c1.subarray(at + 32)]));
      assertSame(c1.subarray(at, at + 32), hmac(key, signed));
    }
  }
});

test('byte by byte, as at once', () => {
  const c2s = recorded('srs-7.0.18/edge-pull', 'c2s');
  const server = new ServerHandshake({ random, hmac });
  let consumed = 0;
  let sent = 0;
  for (let at = 0; at < c2s.length; at++) {
    const step = server.push(c2s, at, at + 1);
    consumed += step.consumed;
    sent += step.send?.length ?? 0;
    if (step.done) break;
  }
  assert.deepEqual([consumed, sent, server.form], [handshakeSize, handshakeSize, 'digest']);
});

test('a digest client bears a server that answers simply', () => {
  const client = new ClientHandshake({ form: 'digest', random, hmac });
  const c1 = client.start().subarray(1);
  const s1 = new Uint8Array(1536).fill(9);
  const step = client.push(new Uint8Array(Buffer.concat([Uint8Array.of(3), s1, c1])));
  assert.deepEqual([client.form, client.echoed, step.done], ['simple', true, true]);
  assertSame(step.send!, s1);
});

describe('refusals', () => {
  const refused = (code: ProtocolErrorCode) => (error: unknown) =>
    error instanceof ProtocolError && error.code === code;

  test('a version other than 3, at the first byte', () => {
    for (const version of [0, 2, 6, 31, 71, 255]) {
      const bytes = Uint8Array.of(version);
      assert.throws(
        () => new ServerHandshake({ random, hmac }).push(bytes),
        refused(ProtocolErrorCode.RtmpVersion),
      );
      const client = new ClientHandshake({ form: 'simple', random });
      assert.throws(() => client.push(bytes), refused(ProtocolErrorCode.RtmpVersion));
    }
  });

  for (const name of ['srs-7.0.18/edge-pull', 'srs-7.0.18/ffmpeg-play'] satisfies CaptureName[]) {
    test(`${name}: a changed bit in C2 or S2 is seen, and refused where asked`, () => {
      const c2s = recorded(name, 'c2s').slice(0, handshakeSize);
      const s2c = recorded(name, 's2c').slice(0, handshakeSize);
      c2s[3000]! ^= 1;
      s2c[3000]! ^= 1;
      const make = (wrongEcho: 'accept' | 'reject') => ({
        server: new ServerHandshake({
          hmac,
          random: replay(s2c.slice(9, 1537), s2c.slice(1537)),
          version: wordAt(s2c, 5),
          wrongEcho,
        }),
        client: new ClientHandshake({
          form: 'digest',
          hmac,
          random: replay(c2s.slice(9, 1537), c2s.slice(1537)),
          time: wordAt(c2s, 1),
          version: wordAt(c2s, 5),
          wrongEcho,
        }),
      });
      const lenient = make('accept');
      assert.equal(lenient.server.push(c2s).done, true);
      assert.equal(lenient.client.push(s2c).done, true);
      assert.deepEqual([lenient.server.echoed, lenient.client.echoed], [false, false]);
      const strict = make('reject');
      assert.throws(() => strict.server.push(c2s), refused(ProtocolErrorCode.RtmpHandshakeEcho));
      assert.throws(() => strict.client.push(s2c), refused(ProtocolErrorCode.RtmpHandshakeEcho));
    });
  }
});
