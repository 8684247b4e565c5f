import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { type SharedSocket, SocketPool, type SocketUser } from '../../../../drivers/webrtc/lite/sockets.ts';
import { encodeStun, StunClass, StunMethod } from '../../../../protocols/stun/message.ts';
import { within } from '../../support/observe.ts';

const LOOPBACK = '127.0.0.1';
const MEDIA = Uint8Array.of(0x80, 96, 0, 1);
const HELLO = Uint8Array.of(22, 0xfe, 0xfd);

/** All that comes to any user, in the order of arrival. */
class Arrivals {
  readonly seen: [ufrag: string, first: number][] = [];
  #arrived: () => void = () => {};

  user(ufrag: string): SocketUser {
    return {
      ufrag,
      onDatagram: (bytes) => {
        this.seen.push([ufrag, bytes[0]!]);
        this.#arrived();
      },
    };
  }

  /** The next `count`. */
  async take(count: number): Promise<[ufrag: string, first: number][]> {
    const came = new Promise<void>((resolve) => {
      this.#arrived = () => {
        if (this.seen.length >= count) resolve();
      };
      this.#arrived();
    });
    await within(3000, `${count} datagrams`, came);
    return this.seen.splice(0);
  }
}

async function rig(t: TestContext) {
  const server: Socket = createSocket('udp4');
  server.bind(0, LOOPBACK);
  await once(server, 'listening');
  t.after(() => server.close());
  const remotes = [{ address: LOOPBACK, port: server.address().port }];
  const pool = new SocketPool(LOOPBACK);
  const arrivals = new Arrivals();
  const send = (bytes: Uint8Array, { port }: SharedSocket): void => server.send(bytes, port, LOOPBACK);
  const check = (ufrag: string, socket: SharedSocket): void =>
    send(
      encodeStun(
        {
          class: StunClass.request,
          method: StunMethod.binding,
          transactionId: new Uint8Array(12),
          username: `${ufrag}:them`,
        },
        { key: new Uint8Array(16), hmac: () => new Uint8Array(20) },
      ),
      socket,
    );
  const join = (user: SocketUser) => {
    const gate = pool.gate(user);
    const socket = pool.join(user, remotes);
    let left = false;
    const leave = (): void => {
      if (left) return;
      left = true;
      pool.leave(user, socket, remotes);
      pool.forget(user, gate);
    };
    t.after(leave);
    return { gate, socket, leave };
  };
  return { arrivals, send, check, join };
}

for (const closed of [false, true]) {
  test(`who joins gets what its server sends, whoever was checked there before${closed ? ' and has left' : ''}`, async (t) => {
    const { arrivals, send, check, join } = await rig(t);
    const a = join(arrivals.user('a'));
    const u = join(arrivals.user('u'));
    join(arrivals.user('w'));
    assert.ok(a.socket === a.gate && u.gate === a.gate && u.socket !== a.gate);
    a.leave();
    check('u', u.gate);
    send(HELLO, u.gate);
    assert.deepEqual(await arrivals.take(2), [
      ['u', 0],
      ['u', 22],
    ]);
    if (closed) u.leave();
    const v = join(arrivals.user('v'));
    assert.equal(v.socket, u.gate);
    send(MEDIA, v.socket);
    send(HELLO, v.socket);
    assert.deepEqual(await arrivals.take(2), [
      ['v', 0x80],
      ['v', 22],
    ]);
  });
}

test('a check goes to whom it names, whoever the last one from there was for', async (t) => {
  const { arrivals, check, send, join } = await rig(t);
  const a = join(arrivals.user('a'));
  const u = join(arrivals.user('u'));
  const w = join(arrivals.user('w'));
  a.leave();
  for (const ufrag of ['u', 'w', 'u']) check(ufrag, u.gate);
  assert.deepEqual(await arrivals.take(3), [
    ['u', 0],
    ['w', 0],
    ['u', 0],
  ]);
  u.leave();
  send(HELLO, w.gate);
  check('nobody', w.gate);
  check('w', w.gate);
  assert.deepEqual(await arrivals.take(1), [['w', 0]]);
});

test('who leaves gets nothing more, and the others do', async (t) => {
  const { arrivals, send, check, join } = await rig(t);
  const a = join(arrivals.user('a'));
  const u = join(arrivals.user('u'));
  send(MEDIA, a.socket);
  send(MEDIA, u.socket);
  assert.deepEqual((await arrivals.take(2)).sort(), [
    ['a', 0x80],
    ['u', 0x80],
  ]);
  a.leave();
  send(MEDIA, a.socket);
  check('a', a.gate);
  check('u', a.gate);
  assert.deepEqual(await arrivals.take(1), [['u', 0]]);
  send(MEDIA, u.socket);
  assert.deepEqual(await arrivals.take(1), [['u', 0x80]]);
});
