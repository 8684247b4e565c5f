import assert from 'node:assert/strict';
import { after, describe, it, type TestContext } from 'node:test';
import { ClientState } from '../../../drivers/client.ts';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import type { OpenTransport } from '../../../drivers/webrtc/contract.ts';
import { openDatachannel } from '../../../drivers/webrtc/datachannel/transport.ts';
import { WhepPlayer } from '../../../drivers/webrtc/player.ts';
import { WhipPublisher } from '../../../drivers/webrtc/publisher.ts';
import type { Direction } from '../../../lab/cluster.ts';
import { UdpTap } from '../../../lab/taps/udp-tap.ts';
import { isRtcp } from '../../../protocols/rtp/packet.ts';
import { RtcWitness } from '../../drivers/webrtc/support.ts';
import { framesOf, publish, type RtcNode, source, startRtcNode, TestPlayer } from './rtc-support.ts';
import { eventually, stopAll } from './support.ts';

const INTACT = { corrupt: 0, unstamped: 0, missing: 0 };

/** The way to the node goes through a tap that loses every 17th RTP packet, those sent again as well. */
async function lossy(t: TestContext, node: RtcNode, direction: Direction) {
  const { host, rtcPort = 0 } = node.config;
  const target = { host, port: rtcPort };
  const tap = new UdpTap({ from: 'client', to: 'node', listen: { host, port: 0 }, target });
  await tap.listen();
  t.after(() => tap.close());
  const isRtp = (datagram: Uint8Array): boolean => datagram[0]! >> 6 === 2 && !isRtcp(datagram);
  tap.setFaults(direction, { lossEvery: 17, only: isRtp });
  const open: OpenTransport = (setup, observer) => {
    const transport = openDatachannel(setup, observer);
    const setAnswer = transport.setAnswer.bind(transport);
    transport.setAnswer = (sdp) =>
      setAnswer(sdp.replaceAll(`${host} ${rtcPort} typ`, `${host} ${tap.address.port} typ`));
    return transport;
  };
  return { open, lost: () => tap.counts(direction).lost };
}

async function played(t: TestContext, node: RtcNode) {
  publish(t, node.url('rtmp'));
  const meter = new FrameMeter(new MeterHistograms());
  const loss = await lossy(t, node, 'downstream');
  const player = new WhepPlayer(node.url('whep'), meter, { timeoutMs: 5000 }, new RtcWitness(), loss.open);
  meter.attach(player.timing);
  t.after(() => player.close());
  player.open();
  await eventually('losses', () => loss.lost() > 8, 8000);
  return { meter, player, loss };
}

async function published(t: TestContext, node: RtcNode) {
  const flv = new TestPlayer(t, node.url('flv'));
  const loss = await lossy(t, node, 'upstream');
  const witness = new RtcWitness();
  const publisher = new WhipPublisher(node.url('whip'), { timeoutMs: 5000 }, witness, loss.open);
  t.after(() => publisher.close());
  publisher.open();
  await witness.reached(ClientState.streaming, 5000);
  for (const { type, body } of source.headers) publisher.send(type, 0, body);
  let frame = 0;
  for (const { type, timestamp, template, body } of source.items) {
    if (frame === 60) break;
    publisher.send(type, timestamp, template?.write(7, frame++, Date.now()) ?? body);
    if (template !== undefined) await new Promise((resolve) => setTimeout(resolve, 15));
  }
  return { flv, publisher, loss };
}

describe('WHEP and WHIP under loss', { concurrency: true }, () => {
  after(stopAll);

  it('what a player has lost comes again', async (t) => {
    const { meter, player } = await played(t, await startRtcNode(t));
    const { corrupt, unstamped, continuity } = meter;
    assert.deepEqual([corrupt, unstamped, continuity.missing], [0, 0, 0]);
    assert.ok(player.rtp.recovered >= 7);
  });

  it('rtc-nack-ignored: it does not', async (t) => {
    const { player } = await played(t, await startRtcNode(t, { mutants: ['rtc-nack-ignored'] }));
    await eventually('losses that stay', () => player.rtp.lost > 0);
    assert.equal(player.rtp.recovered, 0);
  });

  it('what a publisher’s link has lost is asked for again, and every frame is whole', async (t) => {
    const { flv, publisher, loss } = await published(t, await startRtcNode(t));
    // What is lost behind the last packet that came nobody can know of.
    await framesOf(flv, 58);
    assert.ok(loss.lost() > 5);
    assert.deepEqual(flv.counts, INTACT);
    assert.ok(publisher.rtp.retransmitted >= 5);
  });

  it('whip-no-nack: it is not', async (t) => {
    const node = await startRtcNode(t, { mutants: ['whip-no-nack'] });
    const { flv, publisher, loss } = await published(t, node);
    await eventually('losses that stay', () => loss.lost() > 5 && flv.counts.missing > 0);
    assert.deepEqual([publisher.rtp.naks, publisher.rtp.retransmitted], [0, 0]);
  });
});
