/** Nodes with WebRTC, publishers of stamped frames, and players that count them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import type { ClientOptions } from '../../../drivers/client.ts';
import { createPlayer } from '../../../drivers/create.ts';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import { type Publication, Publishing } from '../../../drivers/measure/publishing.ts';
import { MediaSource } from '../../../drivers/measure/source.ts';
import type { WhepPlayer } from '../../../drivers/webrtc/player.ts';
import { RtcWitness } from '../../drivers/webrtc/support.ts';
import { freeUdpPort } from '../../support/ports.ts';
import { eventually, type NodeOptions, ROOT, startNode, type TestNode } from './support.ts';

export const source = MediaSource.load('fixtures/media/av-480k.flv');

export interface RtcNode extends TestNode {
  /** Scheme and authority of its API port. */
  readonly apiUrl: string;
  url(protocol: 'rtmp' | 'flv' | 'whip' | 'whep', stream?: string): string;
}

/** In a process of its own: libdatachannel keeps one alive that does not end by itself. */
export async function startRtcNode(t: TestContext, options: NodeOptions = {}): Promise<RtcNode> {
  const host = options.host ?? '127.0.0.1';
  const node = await startNode({ rtcPort: await freeUdpPort(host), ...options });
  t.after(() => node.kill());
  const { apiPort } = node.config;
  return Object.assign(node, {
    apiUrl: `http://${host}:${apiPort}`,
    url: (protocol: 'rtmp' | 'flv' | 'whip' | 'whep', stream = 'x') => {
      if (protocol === 'rtmp' || protocol === 'flv') return node[protocol](stream);
      return `${protocol}://${host}:${apiPort}/rtc/v1/${protocol}/?app=live&stream=${stream}`;
    },
  });
}

export interface TestPublisher {
  readonly publishing: Publishing;
  readonly publication: Publication;
}

/** 25 frames/s, a keyframe each second, until the test ends. */
export function publish(t: TestContext, url: string, options?: ClientOptions): TestPublisher {
  const publishing = new Publishing(source);
  const publication = publishing.add(url, options);
  t.after(() => publishing.stop());
  return { publishing, publication };
}

export class TestPlayer {
  readonly meter = new FrameMeter(new MeterHistograms());
  readonly witness = new RtcWitness();
  readonly client;

  constructor(t: TestContext, url: string, options?: ClientOptions) {
    this.client = createPlayer(url, this.meter, { timeoutMs: 5000, ...options }, this.witness);
    this.meter.attach(this.client.timing);
    t.after(() => this.client.close());
    this.client.open();
  }

  get srtp(): WhepPlayer['srtp'] {
    return (this.client as WhepPlayer).srtp;
  }

  get rtp(): WhepPlayer['rtp'] {
    return (this.client as WhepPlayer).rtp;
  }

  get counts() {
    const { corrupt, unstamped, continuity } = this.meter;
    return { corrupt, unstamped, missing: continuity.missing };
  }
}

export async function framesOf(player: TestPlayer, count: number): Promise<void> {
  await eventually(`${count} frames`, () => player.meter.received >= count, 6000);
}

const VICTIM = `
import { createPlayer } from './drivers/create.ts';
const sink = { begin() {}, data() {}, end() {} };
const player = createPlayer(process.argv[1], sink, { webrtc: { transport: 'lite' } });
player.open();
setInterval(() => { if (player.rtp.packets > 0) console.log('plays'); }, 20);
`;

/** A WHEP player in a process of its own, which gets media and can be killed. */
export async function victim(t: TestContext, node: RtcNode): Promise<{ kill(): void }> {
  const args = ['--import', 'tsx', '--input-type=module', '-e', VICTIM, node.url('whep')];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return { kill: () => child.kill('SIGKILL') };
}
