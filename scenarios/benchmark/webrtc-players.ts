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
  /**
   * So many crowds join and leave before the one that is measured: the certificate is made by then, and the compiler has done
   * more and more of its work. It goes on with that for thousands of joins.
   */
  readonly warmCrowds: number;
}

export interface WebRtcCost {
  readonly connected: number;
  readonly failures: Record<string, number>;
  /** From the beginning of the first join to the end of the last one, in s. */
  readonly lastConnectedS: number;
  /** CPU of a join, in ms, in a process in which the warming crowds have joined before. */
  readonly msPerJoin: number;
  /** And in a new process, in which the compiler has more to do. */
  readonly msPerFirstJoin: number;
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

/** What the players take, of one core, while they do nothing but play. */
async function playing(windowMs: number): Promise<{ cores: number; seconds: number }> {
  const before = process.cpuUsage();
  const began = performance.now();
  await sleep(windowMs);
  const cpu = cpuMs(process.cpuUsage(before));
  const seconds = (performance.now() - began) / 1000;
  return { cores: cpu / 1000 / seconds, seconds };
}

/** Begin and end of the ramp, begin and end of the window: who started us looks at the server then. */
function tellPhase(): void {
  process.send?.({ phase: true });
}

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

  /** All from this one on. */
  async leave(from = 0): Promise<void> {
    const leaving = this.players.slice(from);
    for (const player of leaving) player.close();
    await Promise.all(leaving.map((player) => player.leaving));
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

interface Ramp {
  /** On the clock of `performance.now()`. */
  readonly began: number;
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** All of the crowd join, one by one. */
async function ramp(task: WebRtcTask, crowd: Players): Promise<Ramp> {
  const before = process.cpuUsage();
  const began = performance.now();
  const joins: Promise<void>[] = [];
  for (let i = 0; i < task.players; i++) {
    await sleep(began + (i * task.rampMs) / task.players - performance.now());
    joins.push(crowd.join());
  }
  await Promise.all(joins);
  return { began, wallMs: performance.now() - began, cpuMs: cpuMs(process.cpuUsage(before)) };
}

/** The ramp of the first crowd of the process. */
async function warmUp(task: WebRtcTask): Promise<Ramp> {
  const ramps: Ramp[] = [];
  for (let i = 0; i < task.warmCrowds; i++) {
    const crowd = new Players(task);
    ramps.push(await ramp(task, crowd));
    await crowd.leave();
  }
  return ramps[0]!;
}

async function measureWebRtc(task: WebRtcTask): Promise<WebRtcCost> {
  const first = await warmUp(task);
  const crowd = new Players(task);
  tellPhase();
  const joined = await ramp(task, crowd);
  tellPhase();
  await sleep(task.settleMs);

  tellPhase();
  const before = crowd.totals();
  const health = new HealthMonitor();
  const { cores, seconds } = await playing(task.windowMs);
  tellPhase();
  const { loopLagP99Ms } = health.read();
  health.stop();
  const after = crowd.totals();
  const per = (name: keyof ReturnType<Players['totals']>): number =>
    (after[name] - before[name]) / seconds / task.players;
  const told = {
    connected: crowd.connected,
    lastConnected: crowd.lastConnected,
    failures: { ...crowd.failures },
  };
  await crowd.leave(Math.floor(task.players / 2));
  await sleep(task.settleMs / 2);
  const half = (await playing(task.windowMs / 2)).cores;
  await crowd.leave();
  // While players join, those that are there play: none to all of them over the ramp, by Simpson's rule, for a player
  // among few costs more than one among many.
  const meanwhile = (4 * half + cores) / 6;
  const perJoin = (of: Ramp): number => Math.max(0, of.cpuMs - meanwhile * of.wallMs) / task.players;
  return {
    connected: told.connected,
    failures: told.failures,
    lastConnectedS: (told.lastConnected - joined.began) / 1000,
    msPerJoin: perJoin(joined),
    msPerFirstJoin: perJoin(first),
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
