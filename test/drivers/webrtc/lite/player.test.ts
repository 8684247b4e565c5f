/** The lite transport against libdatachannel, and beside it on the same stream. */
import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, it, type TestContext } from 'node:test';
import type { WebRtcOptions } from '../../../../drivers/client.ts';
import { FrameMeter, MeterHistograms } from '../../../../drivers/measure/meter.ts';
import type { OpenTransport } from '../../../../drivers/webrtc/contract.ts';
import { openDatachannel } from '../../../../drivers/webrtc/datachannel/transport.ts';
import {
  type LiteOptions,
  type LiteTransport,
  liteTransport,
  openLite,
} from '../../../../drivers/webrtc/lite/transport.ts';
import { WhepPlayer } from '../../../../drivers/webrtc/player.ts';
import { threadsOf, threadWaitMs } from '../../../../lab/runners/proc-cpu.ts';
import { SrtpProfile } from '../../../../protocols/dtls/constants.ts';
import { eventually } from '../../support/observe.ts';
import { RtcServer, RtcWitness } from '../support.ts';

const FRAMES = 75;

async function joined(
  t: TestContext,
  open: OpenTransport = openLite,
  given?: RtcServer,
  webrtc: WebRtcOptions = {},
) {
  const server = given ?? (await RtcServer.start(t));
  const before = server.peers.length;
  const witness = new RtcWitness();
  const meter = new FrameMeter(new MeterHistograms());
  let transport: LiteTransport | undefined;
  const player = new WhepPlayer(
    `whep://127.0.0.1:${server.port}/whep`,
    meter,
    { timeoutMs: 5000, webrtc },
    witness,
    (setup, observer) => {
      const made = open(setup, observer);
      transport = made as LiteTransport;
      return made;
    },
  );
  meter.attach(player.timing);
  t.after(() => player.close());
  player.open();
  await witness.reached('streaming', 5000);
  const peer = server.peers[before]!;
  await eventually(3000, 'the server can send', () => peer.open);
  return { server, witness, meter, player, peer, transport: transport! };
}

const lite = (options: LiteOptions): OpenTransport => liteTransport(options);

function figuresOf({ meter, player }: { meter: FrameMeter; player: WhepPlayer }) {
  const { received, corrupt, unstamped, continuity } = meter;
  const { bytes, packets, videoPackets, audioPackets, lost, damaged, malformed, unknown } = player.rtp;
  return {
    ...{ received, corrupt, unstamped, missing: continuity.missing, last: continuity.last },
    ...{ bytes, packets, videoPackets, audioPackets, lost, damaged, malformed, unknown },
  };
}

describe('beside libdatachannel', () => {
  it('takes the first ClientHello, which comes right after a check: the next one is a second later', async (t) => {
    const took: number[] = [];
    for (let i = 0; i < 3; i++) {
      const { handshake, connect } = (await joined(t)).player.timing;
      took.push(connect - handshake);
    }
    // Any of them may be held up by this machine.
    assert.ok(Math.min(...took) < 900, `${took} ms from the answer to the keys`);
  });

  it('has the same figures as libdatachannel has, with and without all packets decrypted', async (t) => {
    const native = await joined(t, openDatachannel);
    const full = await joined(t, lite({ sample: 1 }));
    const partial = await joined(t, lite({ sample: 50 }));
    await Promise.all([native, full, partial].map(({ peer }) => peer.sendFrames(FRAMES)));
    const expected = figuresOf(native);
    assert.deepEqual([expected.received, expected.corrupt, expected.missing], [FRAMES, 0, 0]);
    assert.deepEqual(figuresOf(full), expected);
    assert.deepEqual(figuresOf(partial), expected);
    assert.deepEqual([native.meter.verified, full.meter.verified], [FRAMES, FRAMES]);
    assert.ok(partial.meter.verified < FRAMES / 4);
    const { opened, peeked, forged, malformed } = partial.transport.figures;
    assert.deepEqual([opened + peeked, forged, malformed], [expected.packets, 0, 0]);
    assert.ok(peeked > opened, 'most packets are left encrypted');
    assert.deepEqual(full.transport.figures.peeked, 0);
  });

  it('what is not retransmitted is missing, and the frames it belongs to are damaged', async (t) => {
    const native = await joined(t, openDatachannel, undefined, { nack: false });
    const partial = await joined(t, openLite, undefined, { nack: false });
    const drop = (packet: number): boolean => packet === 60;
    await Promise.all([native, partial].map(({ peer }) => peer.sendFrames(FRAMES, drop)));
    const { lost, damaged } = figuresOf(native);
    assert.deepEqual([lost, damaged], [1, 1]);
    assert.deepEqual(figuresOf(partial), figuresOf(native));
  });
});

/** Until a packet is asked for once more (drivers/webrtc/video-receiver.ts), with a tick of 20 ms to spare. */
const ASKED_AGAIN_NS = 80e6;
/** Frames of 40 ms are sent every 10 ms, so that both are at 20 to 30 ms; one clock is the system's, one is JavaScript's. */
const JITTER_APART_MS = 3;
/** Half of what they are at the least. */
const MOST_APART_MS = 10;
/** RFC 3550 A.8: each difference counts a sixteenth, and an arrival that is late is in two of them. */
const LATE_SHARE = 8;

/** Tells for how long a thread of this process was kept from the CPUs since, of all threads the longest. */
function waits(): () => number {
  const look = () => new Map(threadsOf(process.pid).map((id) => [id, threadWaitMs(process.pid, id) ?? 0]));
  const before = look();
  return () => Math.max(0, ...[...look()].map(([id, ms]) => ms - (before.get(id) ?? 0)));
}

describe('beside libdatachannel, on a link that loses', () => {
  it('what NACK repairs is told alike: asked for, recovered, late, keyframes asked for, jitter', async (t) => {
    const native = await joined(t, openDatachannel);
    const partial = await joined(t, openLite);
    const both = [native, partial];
    await Promise.all(both.map(({ peer }) => peer.heard()));
    const loop = monitorEventLoopDelay({ resolution: 5 });
    loop.enable();
    const waitedMs = waits();
    const drop = (packet: number): boolean => packet % 7 === 3 && packet < 120;
    const [dropped] = await Promise.all(both.map(({ peer }) => peer.sendFrames(FRAMES, drop)));
    loop.disable();
    const kept = waitedMs();
    assert.equal(dropped, 17);
    for (const { meter, player } of both) {
      const { received, corrupt, missing, lost, damaged } = figuresOf({ meter, player });
      assert.deepEqual([received, corrupt, missing, lost, damaged], [FRAMES, 0, 0, 0, 0]);
    }
    const repairs = ({ player }: typeof native) => {
      const { recovered, late, restarts, plis } = player.rtp;
      return { recovered, late, restarts, plis };
    };
    assert.deepEqual(repairs(partial), repairs(native));
    assert.deepEqual([native.player.rtp.recovered, native.player.rtp.late], [dropped, dropped]);
    assert.ok(native.player.rtp.plis > 0);
    const [asked, alike] = both.map(({ player }) => player.rtp.nacked);
    // Who is kept from running for long asks once more before it reads what has come.
    if (loop.max < ASKED_AGAIN_NS) assert.deepEqual([asked, alike], [dropped, dropped]);
    else assert.ok(Math.min(asked!, alike!) >= dropped!, `${asked}, ${alike}`);
    const [jitter, other] = both.map(({ player }) => player.jitterMs);
    const apart = Math.min(JITTER_APART_MS + kept / LATE_SHARE, MOST_APART_MS);
    assert.ok(jitter! > 0 && Math.abs(jitter! - other!) < apart, `${jitter} ms, ${other} ms`);
  });
});

describe('lite transport', { concurrency: 4 }, () => {
  it('lost packets are asked for and recovered', async (t) => {
    const { meter, player, peer } = await joined(t);
    const dropped = await peer.sendFrames(FRAMES, (packet) => packet % 9 === 4 && packet < 100);
    assert.ok(dropped > 5);
    const { received, corrupt, missing } = figuresOf({ meter, player });
    assert.deepEqual([received, corrupt, missing], [FRAMES, 0, 0]);
    assert.equal(player.rtp.recovered, dropped);
  });

  it('AEAD_AES_128_GCM', async (t) => {
    const gcm = await joined(t, lite({ srtpProfiles: [SrtpProfile.aeadAes128Gcm] }));
    await gcm.peer.sendFrames(FRAMES);
    assert.deepEqual([gcm.meter.received, gcm.meter.corrupt, gcm.meter.continuity.missing], [FRAMES, 0, 0]);
    assert.equal(gcm.transport.figures.forged, 0);
  });

  it('reports come to the server', async (t) => {
    const { peer } = await joined(t);
    await peer.sendFrames(FRAMES);
    await eventually(3000, 'a receiver report', () =>
      peer.rtcp.some((message) => message.type === 'receiver-report' && message.reports.length === 2),
    );
  });

  it('players of servers with a port per session share a socket', async (t) => {
    const server = await RtcServer.start(t);
    const first = await joined(t, openLite, server);
    const second = await joined(t, openLite, server);
    const port = ({ peer }: typeof first): number | undefined =>
      peer.connection.getSelectedCandidatePair()?.remote.port;
    assert.equal(port(first), port(second));
    await Promise.all([first, second].map(({ peer }) => peer.sendFrames(FRAMES)));
    assert.deepEqual([first.meter.received, second.meter.received], [FRAMES, FRAMES]);
    assert.deepEqual([first.meter.corrupt, second.meter.corrupt], [0, 0]);
    first.player.close();
    const before = second.meter.received;
    await second.peer.sendFrames(10);
    assert.equal(second.meter.received, before + 10);
  });

  it('close_notify of the peer closes, once; a closed transport sends nothing', async () => {
    const gone: string[] = [];
    const setup = {
      direction: 'recvonly',
      media: [{ kind: 'video' }],
      cname: 'c',
      localAddress: '127.0.0.1',
    } as const;
    const transport = openLite(setup, {
      onConnected() {},
      onRtp() {},
      onRtcp() {},
      onGone: (code, detail) => gone.push(`${code}: ${detail}`),
    }) as LiteTransport;
    assert.match(await transport.offer(), /a=candidate:1 1 udp \d+ 127\.0\.0\.1 \d+ typ host/);
    // libdatachannel itself closes without a word, so this is what the DTLS endpoint says when one comes.
    transport.ended(undefined);
    transport.ended(undefined);
    assert.deepEqual(gone, ['webrtc.closed: DTLS: close_notify']);
    assert.equal(transport.state, 'closed');
    assert.deepEqual(
      [transport.sendRtp(new Uint8Array(20)), transport.sendRtcp(new Uint8Array(8))],
      [false, false],
    );
    transport.close();
    assert.equal(gone.length, 1);
  });

  it('a certificate that is not the one of the answer ends it', async (t) => {
    const server = await RtcServer.start(t);
    server.rewrite = (answer) => answer.replace(/(a=fingerprint:sha-256 )(..)/, '$100');
    const witness = new RtcWitness();
    const meter = new FrameMeter(new MeterHistograms());
    const url = `whep://127.0.0.1:${server.port}/whep`;
    const player = new WhepPlayer(url, meter, { timeoutMs: 5000 }, witness, openLite);
    t.after(() => player.close());
    player.open();
    const { code, detail } = await witness.end(6000);
    assert.equal(code, 'webrtc.failed.requesting');
    assert.match(detail, /dtls\.certificate/);
  });

  it('answers that cannot be taken', async (t) => {
    const cuts: [RegExp, RegExp][] = [
      [/a=ice-ufrag:.*\r\n/g, /ice-ufrag/],
      [/a=fingerprint:.*\r\n/g, /fingerprint/],
      [/a=candidate:.*\r\n/g, /candidate/],
      [/a=setup:.*\r\n/g, /setup/],
    ];
    for (const [cut, says] of cuts) {
      const server = await RtcServer.start(t);
      server.rewrite = (answer) => answer.replace(cut, '');
      const witness = new RtcWitness();
      const url = `whep://127.0.0.1:${server.port}/whep`;
      const meter = new FrameMeter(new MeterHistograms());
      const player = new WhepPlayer(url, meter, { timeoutMs: 3000 }, witness, openLite);
      player.open();
      const { reason, detail } = await witness.end(4000);
      assert.equal(reason, 'protocol');
      assert.match(detail, says);
    }
  });

  it('a sample is a positive whole number', () => {
    for (const sample of [0, -1, 1.5, Number.NaN]) assert.throws(() => liteTransport({ sample }), RangeError);
  });
});
