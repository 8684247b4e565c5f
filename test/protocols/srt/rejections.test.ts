/** What a listener says to callers whom it does not let in (draft-sharabayko-srt-01 table 7). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeCrypto } from '../../../drivers/srt/crypto.ts';
import {
  decodeHandshake,
  encodeHandshake,
  type Handshake,
  HandshakeType,
  inductionRequest,
  LIVE_FLAGS,
  MIN_SRT_VERSION,
  SRT_VERSION,
} from '../../../protocols/srt/handshake.ts';
import { KeyRing } from '../../../protocols/srt/key-material.ts';
import { SrtListener, type SrtListenerLimits, type SrtRequest } from '../../../protocols/srt/listener.ts';
import type { SrtOptions } from '../../../protocols/srt/options.ts';
import { RejectReason, rejectionName, rejectionOf } from '../../../protocols/srt/rejection.ts';
import { PEER } from './network.ts';

const HS = { response: false, version: SRT_VERSION, flags: LIVE_FLAGS, receiverDelay: 120, senderDelay: 0 };

/** A listener whose callers are handshakes made by hand. */
class Door {
  readonly listener: SrtListener;
  /** Those for whom the application was asked. */
  readonly requests: SrtRequest[] = [];
  readonly #answers: Handshake[] = [];
  #socketId = 0;

  constructor(
    options: Partial<SrtOptions> = {},
    limits: Partial<SrtListenerLimits> = {},
    refusal: number | undefined = undefined,
  ) {
    this.listener = new SrtListener(
      { crypto: nodeCrypto, ...options },
      {
        onPacketOut() {},
        onAnswer: (bytes) => this.#answers.push(decodeHandshake(bytes)),
        onRequest: (request) => {
          this.requests.push(request);
          return refusal === undefined ? { accept: true } : { accept: false, reason: refusal };
        },
      },
      nodeCrypto.random,
      limits,
    );
  }

  /** What a conclusion is answered with, after an induction like any other. */
  knock(conclusion: Partial<Handshake> = {}): Handshake {
    const basic = inductionRequest(++this.#socketId, 9, 8192);
    const { cookie } = this.#ask(basic);
    return this.#ask({
      ...basic,
      version: 5,
      extensionField: 0,
      type: HandshakeType.conclusion,
      cookie,
      hs: HS,
      ...conclusion,
    });
  }

  /** `accepted`, or the slug of the reason. */
  verdict(conclusion: Partial<Handshake> = {}): string {
    const answer = this.knock(conclusion);
    if (answer.type === HandshakeType.conclusion) return 'accepted';
    const reason = rejectionOf(answer.type);
    assert.ok(reason !== undefined, `type ${answer.type}`);
    assert.deepEqual(
      { version: answer.version, socketId: answer.socketId, hs: answer.hs, km: answer.km },
      { version: 5, socketId: this.#socketId, hs: undefined, km: undefined },
    );
    return rejectionName(reason);
  }

  #ask(handshake: Handshake): Handshake {
    this.#answers.length = 0;
    this.listener.receive(encodeHandshake(handshake, 0, 0), PEER, 0);
    assert.equal(this.#answers.length, 1);
    return this.#answers[0]!;
  }
}

test('a conclusion of version 4 has the socket type where version 5 has flags', () => {
  const conclusion = { version: 4, extensionField: 2, type: HandshakeType.conclusion };
  const packet = encodeHandshake({ ...inductionRequest(1, 9, 8192), ...conclusion }, 0, 0);
  const { version, extensionField } = decodeHandshake(packet);
  assert.deepEqual([version, extensionField], [4, 2]);
});

test('a caller who concludes in version 4 is told that the version is wrong', () => {
  const door = new Door();
  const { type, version } = door.knock({ version: 4, extensionField: 2, hs: undefined });
  assert.deepEqual([type, version], [1008, 5]);
  assert.equal(door.verdict({ version: 4, extensionField: 2, hs: undefined }), 'version');
  assert.equal(door.listener.connections, 0);
  assert.deepEqual(door.requests, []);
});

test('SRT 1.2 in a handshake of version 5 is too old, 1.3.0 is not; without HSREQ nobody knows', () => {
  const door = new Door();
  for (const version of [0, 0x010200, 0x0102ff, MIN_SRT_VERSION - 1])
    assert.equal(door.verdict({ hs: { ...HS, version } }), 'version', version.toString(16));
  assert.equal(door.verdict({ hs: undefined }), 'version');
  assert.equal(door.verdict({ hs: { ...HS, response: true } }), 'version');
  assert.equal(door.listener.connections, 0);
  assert.deepEqual(door.requests, []);
  assert.equal(door.verdict({ hs: { ...HS, version: MIN_SRT_VERSION } }), 'accepted');
  assert.equal(door.listener.connections, 1);
});

test('congestion control of files is not that of live streams', () => {
  const door = new Door();
  assert.equal(door.verdict({ congestion: 'file' }), 'congestion');
  assert.equal(door.knock({ congestion: 'file' }).type, 1013);
  assert.equal(door.listener.connections, 0);
  assert.equal(door.verdict({ congestion: 'live' }), 'accepted');
  assert.equal(door.verdict(), 'accepted');
});

test('a listener that is full says so, and takes the next one when somebody has left', () => {
  const door = new Door({}, { maxConnections: 2 });
  assert.deepEqual([door.verdict(), door.verdict(), door.verdict()], ['accepted', 'accepted', 'resource']);
  assert.equal(door.knock().type, 1003);
  assert.equal(door.listener.connections, 2);
  assert.equal(door.requests.length, 2);
  door.listener.close(1);
  assert.equal(door.verdict(), 'accepted');
});

test('more callers who have only concluded than are waited for: the backlog is full', () => {
  const door = new Door({}, { maxHalfOpen: 1 });
  assert.deepEqual([door.verdict(), door.verdict()], ['accepted', 'backlog']);
  assert.equal(door.knock().type, 1005);
});

test('keys: none where one is needed, one where none is, and one of another passphrase', () => {
  const locked = new Door({ passphrase: 'correcthorse' });
  const km = (passphrase: string) => ({
    km: { response: false, content: KeyRing.generate(nodeCrypto, passphrase, 16).message() },
  });
  assert.equal(locked.verdict(), 'unsecure');
  assert.equal(locked.verdict(km('batterystaple')), 'bad-secret');
  assert.equal(new Door().verdict(km('correcthorse')), 'unsecure');
  assert.equal(locked.listener.connections, 0);
  assert.equal(locked.verdict(km('correcthorse')), 'accepted');
});

test('the application refuses with a code of its own', () => {
  const door = new Door({}, {}, RejectReason.notFound);
  assert.equal(door.verdict({ streamId: 'live/absent' }), 'not-found');
  assert.equal(door.knock().type, 2404);
  assert.equal(door.requests[0]?.streamId, 'live/absent');
});
