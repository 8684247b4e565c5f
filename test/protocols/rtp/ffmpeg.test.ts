import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Checksum } from '../../../protocols/h264/checksum.ts';
import { isSlice, NalType, nalType } from '../../../protocols/h264/nal.ts';
import { H264Depacketizer } from '../../../protocols/rtp/h264-depacketizer.ts';
import { H264Packetizer } from '../../../protocols/rtp/h264-packetizer.ts';
import { RtpPacket } from '../../../protocols/rtp/packet.ts';
import { encodeRtcp, ntpOf } from '../../../protocols/rtp/rtcp.ts';
import { Arrival, SequenceTracker } from '../../../protocols/rtp/sequence.ts';
import { eventually, within } from '../../drivers/support/observe.ts';
import { freeUdpPort } from '../../support/ports.ts';
import { type UdpSocketState, udpSocketAt } from '../../support/udp-socket.ts';
import { KeepingSink, sourceFrames } from './support.ts';

const FRAMES = 100;
const HOST = '127.0.0.1';

async function boundSocket(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  socket.bind(0, HOST);
  await once(socket, 'listening');
  return socket;
}

/** An even port whose successor is free, too: RTP and RTCP. */
async function portPair(): Promise<number> {
  for (;;) {
    const port = await freeUdpPort();
    if (port % 2 === 0 && (await freeUdpPort()) === port + 1) return port;
  }
}

/** Rejects when ffmpeg ends before it is so. */
async function untilSocket(
  child: ChildProcess,
  port: number,
  what: string,
  is: (socket: UdpSocketState | undefined) => boolean,
): Promise<void> {
  await eventually(5000, what, () => {
    assert.equal(child.exitCode, null, `ffmpeg ended before ${what}`);
    return is(udpSocketAt(port));
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

const sliceSums = (units: readonly (readonly Uint8Array[])[]): number[] =>
  units.map((nals) => {
    const sum = new Checksum();
    for (const nal of nals) if (isSlice(nalType(nal[0]!))) sum.update(nal, 0, nal.length);
    return sum.digest();
  });

describe('ffmpeg', { concurrency: true }, () => {
  it('reads our packets: every frame, none in error', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'liveproof-rtp-'));
    const port = await portPair();
    const file = join(folder, 'x.sdp');
    const frames = sourceFrames(FRAMES);
    const sets = frames[0]!.nals.filter((nal) => [NalType.sps, NalType.pps].includes(nalType(nal[0]!) as 7));
    const sprop = sets.map((nal) => Buffer.from(nal).toString('base64')).join(',');
    const lines = [
      ...['v=0', `o=- 1 1 IN IP4 ${HOST}`, 's=-', `c=IN IP4 ${HOST}`, 't=0 0', `m=video ${port} RTP/AVP 96`],
      ...['a=rtpmap:96 H264/90000', `a=fmtp:96 packetization-mode=1;sprop-parameter-sets=${sprop}`],
    ];
    await writeFile(file, `${lines.join('\r\n')}\r\n`);
    const input = ['-protocol_whitelist', 'file,udp,rtp', '-i', file];
    const child = spawn(
      'ffmpeg',
      [
        '-nostdin',
        '-v',
        'error',
        '-err_detect',
        'explode',
        ...input,
        '-vsync',
        'passthrough',
        '-f',
        'framemd5',
        '-',
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    t.after(async () => {
      child.kill('SIGKILL');
      await ended(child);
      await rm(folder, { recursive: true, force: true });
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (data: Buffer) => {
      output += data;
    });
    child.stderr.on('data', (data: Buffer) => {
      errors += data;
    });
    await untilSocket(child, port, 'ffmpeg listens', (bound) => bound !== undefined);
    const socket = await boundSocket();
    t.after(() => socket.close());
    const packetizer = new H264Packetizer({ ssrc: 5, payloadType: 96, sequence: 65_530 });
    for (const { nals, timestamp } of frames) {
      for (const packet of packetizer.packetize(nals, timestamp * 90)) socket.send(packet, port, HOST);
      await new Promise((resolve) => setTimeout(resolve, 8));
    }
    // It reads RTCP before RTP (libavformat/rtpproto.c): a goodbye would end it before what still waits.
    await untilSocket(child, port, 'ffmpeg has read every packet', (bound) => bound?.waiting === 0);
    assert.equal(udpSocketAt(port)?.dropped, 0);
    const sender = { ssrc: 5, rtpTimestamp: 0, packets: 0, octets: 0, reports: [] };
    const bye = encodeRtcp([
      { type: 'sender-report', ...ntpOf(Date.now()), ...sender },
      { type: 'source-description', chunks: [{ ssrc: 5, cname: 'x' }] },
      { type: 'goodbye', ssrcs: [5] },
    ]);
    socket.send(bye, port + 1, HOST);
    await within(6000, `the end of ffmpeg; ${errors}`, ended(child));
    assert.equal(errors, '');
    const decoded = output.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    assert.equal(decoded.length, FRAMES);
  });

  it('packets are read by us: every NAL unit of every frame', async (t) => {
    const socket = await boundSocket();
    t.after(() => socket.close());
    const sink = new KeepingSink();
    const depacketizer = new H264Depacketizer(sink);
    const tracker = new SequenceTracker(90_000);
    const packet = new RtpPacket();
    const all = new Promise<void>((resolve) => {
      socket.on('message', (bytes) => {
        packet.read(bytes);
        assert.equal(tracker.push(packet.sequence, packet.timestamp, performance.now()), Arrival.next);
        depacketizer.push(packet, performance.now());
        if (depacketizer.units === FRAMES) resolve();
      });
    });
    const input = ['-readrate', '5', '-i', 'fixtures/media/av-480k.flv'];
    const output = ['-an', '-c:v', 'copy', '-frames:v', String(FRAMES), '-f', 'rtp'];
    const child = spawn(
      'ffmpeg',
      [
        '-nostdin',
        '-v',
        'error',
        ...input,
        ...output,
        `rtp://${HOST}:${socket.address().port}?pkt_size=1000`,
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    t.after(async () => {
      child.kill('SIGKILL');
      await ended(child);
    });
    await within(8000, `${FRAMES} frames`, all);
    assert.deepEqual([depacketizer.damaged, tracker.lost], [0, 0]);
    assert.deepEqual(
      sliceSums(sink.units.map((_, index) => sink.nals(index))),
      sliceSums(sourceFrames(FRAMES).map(({ nals }) => nals)),
    );
  });
});
