import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hmacSha1 } from '../../../../drivers/webrtc/lite/crypto.ts';
import { IceAgent, type Remote } from '../../../../drivers/webrtc/lite/ice.ts';
import {
  decodeStun,
  encodeStun,
  StunClass,
  type StunFields,
  StunMethod,
  verifyIntegrity,
} from '../../../../protocols/stun/message.ts';
import { mutations } from '../../../protocols/stun/mutate.ts';
import { watchRetained } from '../../../support/nothing-kept.ts';

const PWD = Buffer.from('passwordpasswordpassword');
const A = { address: '127.0.0.1', port: 8000 };
const B = { address: '127.0.0.2', port: 8000 };

class Rig {
  now = 0;
  readonly sent: { at: number; bytes: Uint8Array; remote: Remote }[] = [];
  readonly usable: Remote[] = [];
  readonly expired: string[] = [];
  readonly agent = new IceAgent({
    sendTo: (bytes, remote) => this.sent.push({ at: this.now, bytes, remote }),
    onUsable: (remote) => this.usable.push(remote),
    onExpired: (detail) => this.expired.push(detail),
  });

  start(remotes: readonly Remote[], lite = false): void {
    this.agent.start('them', PWD.toString(), remotes, lite, this.now);
  }

  /** Lets time pass in steps of 20 ms. */
  pass(ms: number, each: () => void = () => {}): void {
    for (const end = this.now + ms; this.now < end; this.now += 20) {
      this.agent.tick(this.now);
      each();
    }
  }

  answer(index: number, more: Partial<StunFields> = {}, key: Uint8Array = PWD): void {
    const { bytes, remote } = this.sent[index]!;
    const { transactionId } = decodeStun(bytes);
    const fields = { class: StunClass.success, method: StunMethod.binding, transactionId, ...more };
    this.agent.receive(encodeStun(fields, { key, hmac: hmacSha1 }), remote, this.now);
  }

  request(index: number) {
    return decodeStun(this.sent[index]!.bytes);
  }
}

test('a check as RFC 8445 wants it, then the nomination', () => {
  const rig = new Rig();
  rig.start([A]);
  const check = rig.request(0);
  assert.equal(check.username, `them:${rig.agent.ufrag}`);
  assert.ok(check.iceControlling !== undefined && check.priority! > 0 && check.fingerprint);
  assert.equal(check.useCandidate, undefined);
  assert.ok(verifyIntegrity(rig.sent[0]!.bytes, check, PWD, hmacSha1));
  rig.answer(0);
  assert.deepEqual(rig.usable, [A]);
  assert.equal(rig.request(1).useCandidate, true);
  rig.answer(1);
  rig.pass(3000);
  assert.equal(rig.sent.length, 2);
});

test('a lite peer with one candidate is nominated at once', () => {
  const rig = new Rig();
  rig.start([A], true);
  assert.equal(rig.request(0).useCandidate, true);
  rig.answer(0);
  assert.deepEqual(rig.usable, [A]);
  assert.equal(rig.sent.length, 1);
});

test('the candidate that answers is taken; others are tried 50 ms after each other', () => {
  const rig = new Rig();
  rig.start([A, B]);
  rig.pass(200);
  assert.deepEqual(
    rig.sent.map(({ remote, at }) => [remote, at]),
    [
      [A, 0],
      [B, 60],
    ],
  );
  rig.answer(1);
  assert.deepEqual(rig.agent.selected, B);
});

test('checks are repeated, and given up', () => {
  const rig = new Rig();
  rig.start([A]);
  rig.pass(120_000);
  assert.deepEqual(
    rig.sent.map(({ at }) => at),
    [0, 500, 1500, 3500, 7500, 15_500, 31_500],
  );
  assert.equal(rig.expired.length, 1);
});

test('answers that are not genuine, or to nothing that was asked, are ignored', () => {
  const rig = new Rig();
  rig.start([A]);
  rig.answer(0, {}, Buffer.from('another'));
  rig.answer(0, { transactionId: new Uint8Array(12) });
  assert.deepEqual(rig.usable, []);
  assert.deepEqual([rig.usable, rig.expired], [[], []]);
});

const INPUTS = 100_000;

test(`${INPUTS} random and mutated datagrams, from everywhere: none is answered, believed or kept`, () => {
  const rig = new Rig();
  rig.start([A]);
  const signed = (fields: StunFields, key: Uint8Array): Uint8Array =>
    encodeStun(fields, { key, hmac: hmacSha1 });
  const { transactionId } = rig.request(0);
  const method = StunMethod.binding;
  const ours = Buffer.from(rig.agent.pwd);
  const username = `${rig.agent.ufrag}:them`;
  const asked = { class: StunClass.request, method, transactionId: new Uint8Array(12).fill(3), username };
  const seeds = [
    rig.sent[0]!.bytes,
    signed({ class: StunClass.success, method, transactionId, xorMappedAddress: A }, PWD),
    signed(
      { class: StunClass.error, method, transactionId, errorCode: { code: 487, reason: 'Role Conflict' } },
      PWD,
    ),
    signed({ ...asked, iceControlled: 1n, priority: 1 }, ours),
    signed({ ...asked, iceControlled: 1n, useCandidate: true }, ours),
  ];
  // What MESSAGE-INTEGRITY covers: all before FINGERPRINT, without the length, which counts what follows (RFC 8489 14.5).
  const covered = (bytes: Uint8Array, length: number): string =>
    Buffer.from(bytes.subarray(0, length))
      .toString('latin1')
      .replace(/^(..)../s, '$1');
  const isGenuine = (bytes: Uint8Array): boolean =>
    seeds.some((seed) => covered(bytes, seed.length - 8) === covered(seed, seed.length - 8));
  const assertNothingKept = watchRetained();
  let tried = 0;
  for (const bytes of mutations(seeds, INPUTS)) {
    if (isGenuine(bytes)) continue;
    const stranger = { address: `10.0.${tried & 255}.1`, port: 1024 + (tried % 60_000) };
    rig.agent.receive(bytes, tried % 2 === 0 ? A : stranger, rig.now);
    tried++;
  }
  assertNothingKept();
  assert.ok(tried > 0.9 * INPUTS, `${tried}`);
  assert.deepEqual([rig.usable, rig.expired, rig.sent.length, rig.agent.selected], [[], [], 1, undefined]);
  rig.answer(0);
  assert.deepEqual(rig.usable, [A], 'what it asked for is believed still');
});

test('a role conflict turns the role', () => {
  const rig = new Rig();
  rig.start([A]);
  rig.answer(0, { class: StunClass.error, errorCode: { code: 487, reason: 'Role Conflict' } });
  assert.ok(rig.request(1).iceControlled !== undefined && rig.request(1).iceControlling === undefined);
  rig.answer(1);
  assert.deepEqual(rig.usable, [A]);
});

test('consent is asked for every 4 to 6 s, and its loss is noticed after 30 s', () => {
  const rig = new Rig();
  rig.start([A], true);
  rig.answer(0);
  let answered = 1;
  rig.pass(60_000, () => {
    for (; answered < rig.sent.length; answered++) rig.answer(answered);
  });
  const times = rig.sent.map(({ at }) => at);
  assert.ok(times.length >= 10 && times.length <= 16, `${times.length}`);
  for (let i = 1; i < times.length; i++) {
    const gap = times[i]! - times[i - 1]!;
    assert.ok(gap >= 4000 && gap <= 6040, `${gap}`);
  }
  assert.equal(rig.expired.length, 0);
  const last = times.at(-1)!;
  rig.pass(40_000);
  assert.equal(rig.expired.length, 1);
  // The last question comes up to one interval before the end: 30 s less 6 s and two ticks.
  assert.ok(
    rig.sent.some(({ at }) => at > last + 23_900),
    'it goes on asking until then',
  );
});

test("the peer's own checks are answered; in a conflict of roles ours is kept", () => {
  const rig = new Rig();
  rig.start([A]);
  const check = (more: Partial<StunFields>, key: string): number => {
    const fields = {
      class: StunClass.request,
      method: StunMethod.binding,
      transactionId: new Uint8Array(12).fill(3),
      username: `${rig.agent.ufrag}:them`,
      ...more,
    };
    rig.agent.receive(encodeStun(fields, { key: Buffer.from(key), hmac: hmacSha1 }), B, 0);
    return rig.sent.length - 1;
  };
  const good = check({ iceControlled: 1n }, rig.agent.pwd);
  assert.deepEqual(rig.request(good).xorMappedAddress, B);
  assert.deepEqual(rig.sent[good]!.remote, B);
  assert.equal(rig.request(check({ iceControlling: 1n }, rig.agent.pwd)).errorCode?.code, 487);
  const count = rig.sent.length;
  check({ iceControlled: 1n }, 'wrong');
  check({ iceControlled: 1n, username: 'someone:them' }, rig.agent.pwd);
  assert.equal(rig.sent.length, count);
});
