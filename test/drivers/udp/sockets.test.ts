import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { Batcher } from '../../../drivers/udp/batch.ts';
import type {
  DatagramOptions,
  DatagramReceiver,
  DatagramSocket,
  Endpoint,
  OpenDatagramSocket,
} from '../../../drivers/udp/contract.ts';
import { libc } from '../../../drivers/udp/libc.ts';
import { openNodeSocket } from '../../../drivers/udp/node.ts';
import { openDatagramSocket } from '../../../drivers/udp/open.ts';
import { eventually } from '../support/observe.ts';

const LOCAL = '127.0.0.1';
const BUFFER = 4 * 1024 * 1024;

interface Got {
  readonly bytes: Buffer;
  readonly from: Endpoint;
  readonly at: number;
}

/** Keeps copies. */
class Keeper implements DatagramReceiver {
  readonly got: Got[] = [];
  readonly errors: string[] = [];

  onDatagram(bytes: Uint8Array, from: Endpoint, at: number): void {
    this.got.push({ bytes: Buffer.from(bytes), from, at });
  }

  onError(error: NodeJS.ErrnoException): void {
    this.errors.push(error.code ?? error.message);
  }
}

function batched(): Batcher {
  const system = libc();
  assert.ok(system !== undefined, 'koffi was not installed, or this is not Linux with glibc');
  return new Batcher(system);
}

const KINDS: readonly (readonly [string, () => OpenDatagramSocket])[] = [
  [
    'batch',
    () => {
      const batcher = batched();
      return (options, receiver) => batcher.open(options, receiver);
    },
  ],
  ['node:dgram', () => openNodeSocket],
];

for (const [kind, opener] of KINDS) {
  const opened = (t: TestContext, options: Partial<DatagramOptions> = {}, receiver = new Keeper()) => {
    const socket = opener()({ localAddress: LOCAL, receiveBufferBytes: BUFFER, ...options }, receiver);
    t.after(() => socket.close());
    return { socket, receiver, place: { address: LOCAL, port: socket.port } };
  };

  test(`${kind}: datagrams of any length come whole, in order, with whom they are from`, async (t) => {
    const one = opened(t);
    const other = opened(t);
    const connected = opened(t, { connectTo: one.place });
    const sent = Array.from({ length: 300 }, (_, length) => randomBytes((length * 7) % 1473));
    for (const bytes of sent) other.socket.send(bytes, one.place);
    await eventually(2000, 'all have come', () => one.receiver.got.length === sent.length);
    for (const [index, { bytes, from }] of one.receiver.got.entries()) {
      assert.deepEqual(bytes, sent[index]);
      assert.deepEqual(from, other.place);
    }
    // In a row from one peer: one object.
    assert.equal(new Set(one.receiver.got.map(({ from }) => from)).size, 1);
    connected.socket.send(Buffer.from('hello'));
    await eventually(2000, 'the other peer was heard', () => one.receiver.got.length === sent.length + 1);
    assert.deepEqual(one.receiver.got.at(-1)!.from, connected.place);
    one.socket.send(Buffer.from('answer'), connected.place);
    await eventually(2000, 'it was answered', () => connected.receiver.got.length === 1);
    assert.equal(connected.receiver.got[0]!.bytes.toString(), 'answer');
  });

  test(`${kind}: what was given to send may be overwritten at once`, async (t) => {
    const { socket, receiver, place } = opened(t);
    const bytes = Buffer.from('a');
    for (const letter of ['a', 'b', 'c']) {
      bytes.write(letter);
      socket.send(bytes, place);
    }
    await eventually(2000, 'all have come', () => receiver.got.length === 3);
    assert.deepEqual(
      receiver.got.map((one) => one.bytes.toString()),
      ['a', 'b', 'c'],
    );
  });

  test(`${kind}: a connected socket is told that nobody listens, and goes on`, async (t) => {
    const gone = opened(t);
    gone.socket.close();
    const { socket, receiver } = opened(t, { connectTo: gone.place });
    socket.send(Buffer.from('anybody?'));
    await eventually(2000, 'it was refused', () => receiver.errors.includes('ECONNREFUSED'));
    const back = createSocket('udp4').bind(gone.place.port, LOCAL);
    t.after(() => back.close());
    await once(back, 'listening');
    const heard = once(back, 'message');
    // The first one may be taken by an error that is still to be told.
    socket.send(Buffer.from('somebody?'));
    setImmediate(() => socket.send(Buffer.from('somebody?')));
    const [bytes] = (await heard) as [Buffer];
    assert.equal(bytes.toString(), 'somebody?');
  });

  test(`${kind}: an address that is not of this machine is refused when it is opened`, () => {
    const open = opener();
    const wanted = { localAddress: '192.0.2.1', receiveBufferBytes: BUFFER };
    assert.throws(() => open(wanted, new Keeper()), { code: 'EADDRNOTAVAIL' });
  });

  test(`${kind}: what was sent before close leaves; after it nothing comes and nothing is open`, async (t) => {
    const before = readdirSync('/proc/self/fd').length;
    const { socket, receiver, place } = opened(t);
    const sender = opened(t);
    sender.socket.send(Buffer.from('last words'), place);
    sender.socket.close();
    sender.socket.close();
    sender.socket.send(Buffer.from('too late'), place);
    await eventually(2000, 'they have come', () => receiver.got.length > 0);
    assert.deepEqual(
      receiver.got.map(({ bytes }) => bytes.toString()),
      ['last words'],
    );
    socket.close();
    // The batcher keeps one descriptor, of what watches its sockets.
    await eventually(2000, 'all are closed', () => readdirSync('/proc/self/fd').length <= before + 2);
  });
}

/** A batched socket, and one of Node's that sends to it. */
function strangerTo(t: TestContext) {
  const keeper = new Keeper();
  const socket = batched().open({ localAddress: LOCAL, receiveBufferBytes: BUFFER }, keeper);
  const sender = createSocket('udp4');
  t.after(() => {
    socket.close();
    sender.close();
  });
  return { socket, keeper, sender };
}

test('batch: a burst to many sockets, and an echo of a part of it: nothing is lost, doubled or changed', async (t) => {
  const batcher = batched();
  const hash = (buffers: readonly Uint8Array[]): string =>
    buffers.map((bytes) => createHash('sha1').update(bytes).digest('hex')).join();
  // As many as a receive buffer holds that nobody may enlarge.
  const isEchoed = ({ length }: Uint8Array): boolean => length % 10 === 0;
  const hub = new Keeper();
  const options = { localAddress: LOCAL, receiveBufferBytes: BUFFER };
  const center = batcher.open(options, hub);
  const sockets = Array.from({ length: 8 }, () => {
    const keeper = new Keeper();
    const socket: DatagramSocket = batcher.open(
      { ...options, connectTo: { address: LOCAL, port: center.port } },
      {
        onDatagram(bytes, from, at) {
          keeper.onDatagram(bytes, from, at);
          if (isEchoed(bytes)) socket.send(bytes);
        },
        onError: (error) => keeper.onError(error),
      },
    );
    return { socket, keeper, place: { address: LOCAL, port: socket.port } };
  });
  t.after(() => {
    center.close();
    for (const { socket } of sockets) socket.close();
  });
  // More in a burst than there are rows to send and to receive.
  const burst = Array.from({ length: 80 }, (_, index) => randomBytes(1000 + index));
  for (const bytes of burst) for (const { place } of sockets) center.send(bytes, place);
  const echoed = burst.filter(isEchoed);
  await eventually(5000, 'all echoes are back', () => hub.got.length === sockets.length * echoed.length);
  for (const { keeper, place } of sockets) {
    assert.equal(hash(keeper.got.map(({ bytes }) => bytes)), hash(burst));
    const echoes = hub.got.filter(({ from }) => from.port === place.port);
    assert.equal(hash(echoes.map(({ bytes }) => bytes)), hash(echoed));
    assert.deepEqual(keeper.errors, []);
  }
});

test('batch: datagrams of one length in a row are datagrams still, for whoever gets them', async (t) => {
  const lengths = [
    44,
    44,
    44,
    0,
    0,
    7,
    1316,
    1316,
    1315,
    44,
    ...new Array<number>(150).fill(1316),
    1,
    44,
    44,
    3,
  ];
  const sent = lengths.map((length) => randomBytes(length));
  const got: Buffer[] = [];
  const peer = createSocket('udp4').bind(0, LOCAL);
  await once(peer, 'listening');
  peer.setRecvBufferSize(BUFFER);
  peer.on('message', (bytes) => got.push(bytes));
  const connectTo = { address: LOCAL, port: peer.address().port };
  const socket = batched().open({ connectTo, receiveBufferBytes: BUFFER }, new Keeper());
  t.after(() => {
    socket.close();
    peer.close();
  });
  // As much at a time as a receive buffer holds that nobody may enlarge.
  for (let first = 0; first < sent.length; first += 60) {
    const part = sent.slice(first, first + 60);
    for (const bytes of part) socket.send(bytes);
    await eventually(2000, 'this part has come', () => got.length === first + part.length);
  }
  assert.deepEqual(got, sent);
});

test('batch: a datagram is as old as it is, however late it is looked at', async (t) => {
  const { socket, keeper, sender } = strangerTo(t);
  const sentFrom = performance.now();
  await new Promise((sent) => sender.send('x', socket.port, LOCAL, sent));
  const sentBy = performance.now();
  while (performance.now() < sentBy + 60);
  await eventually(2000, 'it was read', () => keeper.got.length === 1);
  const { at } = keeper.got[0]!;
  // Read before the loop was held up, or after it: it came when it was sent. The two clocks are read one after the other.
  assert.ok(at >= sentFrom - 1 && at <= sentBy + 1, `sent ${sentFrom} to ${sentBy}, came ${at}`);
});

test('batch: a datagram that is too long is lost, and not those around it', async (t) => {
  const { socket, keeper, sender } = strangerTo(t);
  for (const length of [10, 2049, 60_000, 2048]) sender.send(Buffer.alloc(length), socket.port, LOCAL);
  await eventually(2000, 'the last one has come', () => keeper.got.length === 2);
  assert.deepEqual(
    keeper.got.map(({ bytes }) => bytes.length),
    [10, 2048],
  );
  assert.throws(() => socket.send(Buffer.alloc(2049), { address: LOCAL, port: 1 }), RangeError);
});

test('batch: a receiver may close its own socket, others, and open new ones, while it is told', async (t) => {
  const batcher = batched();
  const options = { localAddress: LOCAL, receiveBufferBytes: BUFFER };
  const sender = createSocket('udp4');
  const late = new Keeper();
  const told: string[] = [];
  let replacement: DatagramSocket | undefined;
  const make = (name: string): DatagramSocket =>
    batcher.open(options, {
      onDatagram() {
        told.push(name);
        for (const socket of sockets) socket.close();
        replacement ??= batcher.open(options, late);
      },
      onError: (error) => assert.fail(error),
    });
  const sockets = [make('a'), make('b')];
  t.after(() => {
    sender.close();
    replacement?.close();
  });
  const sent = sockets.flatMap(({ port }) =>
    ['1', '2', '3'].map((text) => new Promise((done) => sender.send(text, port, LOCAL, done))),
  );
  await Promise.all(sent);
  await eventually(2000, 'one was told', () => told.length > 0);
  sender.send('late', replacement!.port, LOCAL);
  await eventually(2000, 'the new one hears', () => late.got.length === 1);
  assert.equal(told.length, 1);
  assert.equal(late.got[0]!.bytes.toString(), 'late');
});

test('IPv6 is left to Node', async (t) => {
  const keeper = new Keeper();
  const socket = openDatagramSocket({ localAddress: '::1', receiveBufferBytes: BUFFER }, keeper);
  const peer = new Keeper();
  const connectTo = { address: '::1', port: socket.port };
  const other = openDatagramSocket({ connectTo, receiveBufferBytes: BUFFER }, peer);
  t.after(() => {
    socket.close();
    other.close();
  });
  other.send(Buffer.from('six'));
  await eventually(2000, 'it has come', () => keeper.got.length === 1);
  socket.send(Buffer.from('seis'), keeper.got[0]!.from);
  await eventually(2000, 'it was answered', () => peer.got.length === 1);
  assert.equal(peer.got[0]!.bytes.toString(), 'seis');
});
