/**
 * The measured process of the WHEP benchmark: players that join one by one, in a burst, and then play with every frame
 * measured.
 */
import { ClientState } from '../../drivers/client.ts';
import { FrameMeter, MeterHistograms } from '../../drivers/measure/meter.ts';
import { clientSource } from '../../drivers/swarm/addresses.ts';
import { HealthMonitor } from '../../drivers/swarm/health.ts';
import type { OpenTransport } from '../../drivers/webrtc/contract.ts';
import { openDatachannel } from '../../drivers/webrtc/datachannel/transport.ts';
import { webRtcSnapshot } from '../../drivers/webrtc/figures.ts';
import { liteTransport } from '../../drivers/webrtc/lite/transport.ts';
import { WhepPlayer } from '../../drivers/webrtc/player.ts';
import type { TransportName } from './webrtc-cost.ts';

const TRANSPORTS: Record<TransportName, () => OpenTransport> = {
  lite: () => liteTransport(),
  full: () => liteTransport({ sample: 1 }),
  datachannel: () => openDatachannel,
};

export interface WebRtcTask {
  readonly url: string;
  readonly transport: TransportName;
  readonly players: number;
  /** Over which they join. */
  readonly rampMs: number;
  readonly settleMs: number;
  readonly windowMs: number;
}

export interface WebRtcCost {
  readonly connected: number;
  readonly failures: Record<string, number>;
  /** From the beginning of the first join to the end of the last one, in s. */
  readonly lastConnectedS: number;
  /** CPU of a join, in ms, after the compiler has seen the code: what the ramp took, less what those that were there already took to play. */
  readonly msPerJoin: number;
  readonly cores: number;
  /** In the window, per player and second. */
  readonly each: { packets: number; bits: number; frames: number; verified: number };
  /** All in all. */
  readonly missing: number;
  readonly corrupt: number;
  readonly lostPackets: number;
  readonly recovered: number;
  readonly loopLagP99Ms: number;
  readonly rssMb: number;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
const cpuMs = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1000;
/** Begin and end of the ramp, begin and end of the window: who started us looks at the server then. */
function tellPhase(): void {
  process.send?.({ phase: true });
}

/**
 * They join and play before all others, and leave: the certificate is made, and the compiler has seen the code. Its work
 * is the same for three hundred joins and for thirty thousand, and here it would be most of what a join seems to cost.
 */
const WARM = 60;
const WARM_MS = 3000;

class Players {
  readonly #task: WebRtcTask;
  readonly #open: OpenTransport;
  readonly #histograms = new MeterHistograms();
  readonly meters: FrameMeter[] = [];
  readonly players: WhepPlayer[] = [];
  connected = 0;
  lastConnected = Number.NaN;
  readonly failures: Record<string, number> = {};

  constructor(task: WebRtcTask) {
    this.#task = task;
    this.#open = TRANSPORTS[task.transport]();
  }

  /** Resolves when the player is connected, or has failed. */
  join(): Promise<void> {
    return new Promise((resolve) => {
      const meter = new FrameMeter(this.#histograms);
      const { url } = this.#task;
      const localAddress = clientSource(url, this.players.length);
      const player = new WhepPlayer(
        url,
        meter,
        localAddress === undefined ? {} : { localAddress },
        {
          onState: (_client, state) => {
            if (state !== ClientState.streaming) return;
            this.connected++;
            this.lastConnected = performance.now();
            resolve();
          },
          onClosed: (_client, { code }) => {
            this.failures[code] = (this.failures[code] ?? 0) + 1;
            resolve();
          },
        },
        this.#open,
      );
      meter.attach(player.timing);
      this.meters.push(meter);
      this.players.push(player);
      player.open();
    });
  }

  async leave(): Promise<void> {
    for (const player of this.players) player.close();
    await Promise.all(this.players.map(({ leaving }) => leaving));
  }

  totals() {
    const { meters } = this;
    return {
      frames: meters.reduce((sum, meter) => sum + meter.received, 0),
      verified: meters.reduce((sum, meter) => sum + meter.verified, 0),
      corrupt: meters.reduce((sum, meter) => sum + meter.corrupt, 0),
      missing: meters.reduce((sum, meter) => sum + meter.continuity.missing, 0),
      ...webRtcSnapshot(this.players).rtp,
    };
  }
}

async function warmUp(task: WebRtcTask): Promise<void> {
  const crowd = new Players(task);
  for (let i = 0; i < WARM; i++) {
    void crowd.join();
    await sleep(task.rampMs / task.players);
  }
  await sleep(WARM_MS);
  await crowd.leave();
}

async function measureWebRtc(task: WebRtcTask): Promise<WebRtcCost> {
  await warmUp(task);
  const crowd = new Players(task);
  tellPhase();
  const joinsBefore = process.cpuUsage();
  const began = performance.now();
  const joins: Promise<void>[] = [];
  for (let i = 0; i < task.players; i++) {
    await sleep(began + (i * task.rampMs) / task.players - performance.now());
    joins.push(crowd.join());
  }
  await Promise.all(joins);
  const joinCpu = cpuMs(process.cpuUsage(joinsBefore));
  const joinWall = performance.now() - began;
  tellPhase();
  await sleep(task.settleMs);

  tellPhase();
  const before = crowd.totals();
  const health = new HealthMonitor();
  const windowBefore = process.cpuUsage();
  const windowBegan = performance.now();
  await sleep(task.windowMs);
  const cpu = cpuMs(process.cpuUsage(windowBefore));
  const seconds = (performance.now() - windowBegan) / 1000;
  tellPhase();
  const { loopLagP99Ms } = health.read();
  health.stop();
  const after = crowd.totals();
  const cores = cpu / 1000 / seconds;
  const per = (name: keyof ReturnType<Players['totals']>): number =>
    (after[name] - before[name]) / seconds / task.players;
  // While players join, those that are there play: on average half of them, over the ramp.
  const playing = cores * 1000 * (joinWall / 1000) * 0.5;
  await crowd.leave();
  return {
    connected: crowd.connected,
    failures: crowd.failures,
    lastConnectedS: (crowd.lastConnected - began) / 1000,
    msPerJoin: Math.max(0, joinCpu - playing) / task.players,
    cores,
    each: {
      packets: per('packets'),
      bits: per('bytes') * 8,
      frames: per('frames'),
      verified: per('verified'),
    },
    missing: after.missing,
    corrupt: after.corrupt,
    lostPackets: after.lost + after.audioLost,
    recovered: after.recovered,
    loopLagP99Ms,
    rssMb: process.memoryUsage.rss() / 2 ** 20,
  };
}

process.on('message', (task: WebRtcTask) => {
  void measureWebRtc(task).then((result) =>
    process.send?.({ result }, undefined, undefined, () => process.exit()),
  );
});
process.on('disconnect', () => process.exit());
process.send?.({ ready: true });
