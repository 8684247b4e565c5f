import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import type { OpenTransport } from '../../../drivers/webrtc/contract.ts';
import { openDatachannel } from '../../../drivers/webrtc/datachannel/transport.ts';
import { openLite } from '../../../drivers/webrtc/lite/transport.ts';
import { WhepPlayer } from '../../../drivers/webrtc/player.ts';
import { WhipPublisher } from '../../../drivers/webrtc/publisher.ts';
import { WireTape } from '../../../scenarios/wire-tape.ts';
import { source } from '../../protocols/rtp/support.ts';
import { eventually } from '../support/observe.ts';
import { RtcServer, RtcWitness } from './support.ts';

async function played(t: TestContext, transport: OpenTransport): Promise<string> {
  const server = await RtcServer.start(t);
  const url = `whep://127.0.0.1:${server.port}/whep/?stream=x&token=hidden`;
  const tape = new WireTape(url);
  const witness = new RtcWitness();
  const options = { tape, timeoutMs: 5000, webrtc: { token: 'bearer.hidden' } };
  const player = new WhepPlayer(url, new FrameMeter(new MeterHistograms()), options, witness, transport);
  t.after(() => player.close());
  player.open();
  await witness.reached('streaming', 5000);
  const peer = server.peers[0]!;
  await peer.heard();
  await peer.sendFrames(10);
  player.close();
  await player.leaving;
  const text = tape.describe();
  assert.doesNotMatch(text, /hidden|cannot be read/);
  return text;
}

const SIGNALLING = [
  /^-- requests: 2; .*\n-- request 1, 0\.0 ms: \d+ bytes\n {3}POST \/whep\/\?stream=x&token=\*\*\* HTTP\/1\.1\n/,
  / {3}Authorization: Bearer \*\*\*\n[\s\S]*\n {3}v=0\n[\s\S]*\n {3}a=setup:actpass\n/,
  /-- answer 1, \d+\.\d ms: \d+ bytes\n {3}HTTP\/1\.1 201 Created\n[\s\S]*\n {3}Location: \/session\/1\?token=\*\*\*\n[\s\S]*\n {3}m=video /,
  /-- request 2, \d+\.\d ms: \d+ bytes\n {3}DELETE \/session\/1\?token=\*\*\* HTTP\/1\.1\n/,
  /-- answer 2, \d+\.\d ms: \d+ bytes\n {3}HTTP\/1\.1 200 OK\n/,
];

describe('a tape', { concurrency: true }, () => {
  it('of lite has the signalling and every kind of datagram, with its meaning', async (t) => {
    const text = await played(t, openLite);
    for (const line of [
      ...SIGNALLING,
      / sent, \d+ bytes: STUN binding request, username "[^"]+", priority \d+, (use-candidate, )?controlling\n/,
      / received, \d+ bytes: STUN binding success, mapped address 127\.0\.0\.1:\d+\n/,
      /: DTLS handshake client hello \(epoch 0, record 0, \d+ bytes\)\n/,
      /: DTLS .*handshake server hello \(epoch 0, /,
      /: DTLS .*change cipher spec .*, handshake \(epoch 1, record 0, \d+ bytes encrypted\)\n/,
      / received, \d+ bytes: SRTP payload type 102, sequence \d+, timestamp \d+, marker, SSRC 0x10000001, \d+ bytes of payload and tag\n/,
      / received, \d+ bytes: SRTP payload type 111, sequence \d+, .*SSRC 0x10000002, /,
      / sent, \d+ bytes: SRTCP receiver report, SSRC 0x\w+, the rest is encrypted\n/,
    ])
      assert.match(text, line);
  });

  it('of libdatachannel has the signalling, and RTP and RTCP without SRTP', async (t) => {
    const text = await played(t, openDatachannel);
    for (const line of [
      ...SIGNALLING,
      /-- packets: .*\n {3}RTP and RTCP as they are without SRTP: the library shows no datagrams\n/,
      / received, \d+ bytes: RTP payload type 102, sequence \d+, timestamp \d+, marker, SSRC 0x10000001, \d+ bytes of payload\n/,
      / sent, \d+ bytes: RTCP receiver report of 0x\w+.*; source description of 0x\w+; PLI for 0x10000001\n/,
    ])
      assert.match(text, line);
  });

  it('of a publisher has what it sends', async (t) => {
    const server = await RtcServer.start(t);
    const url = `whip://127.0.0.1:${server.port}/whip`;
    const tape = new WireTape(url);
    const witness = new RtcWitness();
    const publisher = new WhipPublisher(url, { tape, timeoutMs: 5000 }, witness);
    t.after(() => publisher.close());
    publisher.open();
    await witness.reached('streaming', 5000);
    await eventually(3000, 'the server is ready', () => server.peers[0]!.open);
    for (const { type, body } of source.headers) publisher.send(type, 0, body);
    for (const { type, timestamp, body } of source.items.slice(0, 10)) publisher.send(type, timestamp, body);
    await eventually(2000, 'packets', () => server.peers[0]!.rtp.length > 10);
    const text = tape.describe();
    assert.match(text, / {3}POST \/whip HTTP\/1\.1\n/);
    assert.match(text, / sent, \d+ bytes: RTP payload type 102, sequence \d+, .*\n00000000 {2}80 /);
    assert.match(text, / sent, \d+ bytes: RTP payload type 111, /);
    assert.match(
      text,
      / sent, \d+ bytes: RTCP sender report of 0x\w+: timestamp \d+, \d+ packets, \d+ bytes; /,
    );
  });
});
