import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import {
  type OpenTransport,
  type TransportObserver,
  type TransportSetup,
  TransportState,
} from '../../../drivers/webrtc/contract.ts';
import { WhepPlayer } from '../../../drivers/webrtc/player.ts';
import { eventually } from '../support/observe.ts';
import { RtcServer, RtcWitness } from './support.ts';

const ANSWER = readFileSync('fixtures/captures/srs-7.0.18/whep-answer.sdp');

/** A transport that does what the test says. */
class Puppet {
  setup: TransportSetup | undefined;
  observer: TransportObserver | undefined;
  answer = '';
  closed = 0;
  readonly rtcp: Uint8Array[] = [];
  takes: (sdp: string) => void = () => {};

  readonly open: OpenTransport = (setup, observer) => {
    this.setup = setup;
    this.observer = observer;
    return {
      state: TransportState.connecting,
      offer: async () => 'v=0\r\n',
      setAnswer: (sdp) => {
        this.takes(sdp);
        this.answer = sdp;
      },
      sendRtp: () => true,
      sendRtcp: (packet) => this.rtcp.push(packet) > 0,
      close: () => this.closed++,
    };
  };
}

async function session(t: TestContext, puppet = new Puppet()) {
  const server = await RtcServer.start(t);
  server.respond = (_, response) =>
    response.writeHead(201, { 'Content-Type': 'application/sdp', Location: '/session/9' }).end(ANSWER);
  const witness = new RtcWitness();
  const meter = new FrameMeter(new MeterHistograms());
  const player = new WhepPlayer(`whep://127.0.0.1:${server.port}/x`, meter, {}, witness, puppet.open);
  t.after(() => player.close());
  player.open();
  return { server, witness, player, puppet, meter };
}

describe('a session over any transport', { concurrency: true }, () => {
  it('asks for a socket on loopback when the endpoint is there', async (t) => {
    const { puppet, witness } = await session(t);
    await witness.reached('requesting');
    const { direction, media, localAddress } = puppet.setup!;
    assert.deepEqual([direction, localAddress], ['recvonly', '127.0.0.1']);
    assert.deepEqual(media, [{ kind: 'video' }, { kind: 'audio' }]);
    assert.equal(puppet.answer, ANSWER.toString());
  });

  it('a peer that says goodbye is not sent a DELETE', async (t) => {
    const { puppet, witness, server } = await session(t);
    await witness.reached('requesting');
    puppet.observer!.onConnected();
    puppet.observer!.onGone('webrtc.closed', 'close_notify');
    const closed = await witness.closed();
    assert.deepEqual([closed.reason, closed.code], ['remote', 'webrtc.closed.streaming']);
    assert.deepEqual([puppet.closed, server.deleted], [1, []]);
  });

  it('a peer that is lost is told by DELETE, then the transport is closed', async (t) => {
    const { puppet, witness, server } = await session(t);
    await witness.reached('requesting');
    puppet.observer!.onGone('webrtc.failed', 'no answer to ICE');
    const closed = await witness.closed();
    assert.deepEqual([closed.reason, closed.code], ['reset', 'webrtc.failed.requesting']);
    await eventually(2000, 'the transport is closed', () => puppet.closed === 1);
    assert.deepEqual(server.deleted, ['/session/9']);
  });

  it('an answer that the transport does not take is told', async (t) => {
    const puppet = new Puppet();
    puppet.takes = () => {
      throw new Error('no fingerprint');
    };
    const { witness } = await session(t, puppet);
    const closed = await witness.closed();
    assert.deepEqual([closed.reason, closed.code], ['protocol', 'webrtc.answer']);
    assert.match(closed.detail, /no fingerprint/);
  });

  it('a socket that the system refuses is our own trouble, and not the answer', async (t) => {
    const puppet = new Puppet();
    puppet.takes = () => {
      throw Object.assign(new Error('socket EMFILE'), { code: 'EMFILE', syscall: 'socket' });
    };
    const { witness, server } = await session(t, puppet);
    const closed = await witness.closed();
    assert.deepEqual([closed.reason, closed.code], ['refused', 'udp.emfile']);
    assert.match(closed.detail, /EMFILE/);
    await eventually(2000, 'DELETE', () => server.deleted.length === 1);
  });

  it('what is no RTP or RTCP is counted and harms nobody', async (t) => {
    const { puppet, witness, player, meter } = await session(t);
    await witness.reached('requesting');
    puppet.observer!.onConnected();
    for (const bytes of [[], [0x80], [0x80, 102, 0, 1], new Array(40).fill(0xff)]) {
      const packet = Uint8Array.from(bytes);
      puppet.observer!.onRtp(packet, 0, packet.length, 0);
      puppet.observer!.onRtcp(packet, 0, packet.length, 0);
    }
    assert.deepEqual([player.rtp.malformed, player.rtp.packets, meter.received], [8, 0, 0]);
    assert.equal(player.state, 'streaming');
  });
});
