/** One measurement of WHEP players: starts the processes, and says what is within its limits. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { MEDIA, mustLive, startChild } from './children.ts';
import { MIN_FPS } from './srt-cost.ts';
import type { FromWebRtcFeeder } from './webrtc-feeder.ts';
import type { WebRtcCost, WebRtcTask } from './webrtc-players.ts';

/** `full` is `lite` with every access unit decrypted and its checksum compared. */
export const TRANSPORT_NAMES = ['lite', 'full', 'datachannel'] as const;
export type TransportName = (typeof TRANSPORT_NAMES)[number];

export interface Finding {
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  readonly ok: boolean;
}

export interface WhepOptions {
  readonly players: number;
  readonly rampMs: number;
  readonly windowMs: number;
  readonly transport: TransportName;
  /** Crowds that join and leave before, at least one. Default 3. */
  readonly warmCrowds?: number;
  /** Of a server that is there; default the feeder of the bench. */
  readonly url?: string;
  readonly serverPid?: number;
}

export interface WhepResult {
  readonly cost: WebRtcCost;
  readonly findings: readonly Finding[];
  /** While the players joined, and in the window; NaN of a server that is not known. */
  readonly serverCores: { readonly ramp: number; readonly window: number };
}

/** Required: cores of 1000 players of 480 kbit/s, and CPU of one join. */
const MAX_CORES_PER_1000 = 1.0;
const MAX_MS_PER_JOIN = 3;
/** After the last join begins, all are connected. */
const CONNECT_GRACE_MS = 1000;
/** The compiler has seen the code by then, as in any load of a minute. */
const SETTLE_MS = 6000;
const WARM_CROWDS = 3;
/** Of /proc/<pid>/stat (proc(5)); 100 per second on every Linux that Node runs on. */
const TICK_MS = 10;

/** All are connected, and get what the bench's own server sends (`isOwn`): who gets less costs less. */
export function isServed(
  { connected, each }: Pick<WebRtcCost, 'connected' | 'each'>,
  players: number,
  isOwn: boolean,
): boolean {
  return connected === players && (!isOwn || each.frames > MIN_FPS);
}

/** utime and stime are the 14th and 15th field; the second one may hold spaces, within parentheses. */
function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

export async function whepCost(options: WhepOptions): Promise<WhepResult> {
  const { players, rampMs, windowMs, transport, warmCrowds = WARM_CROWDS } = options;
  const feeder =
    options.url === undefined ? startChild('scenarios/benchmark/webrtc-feeder.ts', [MEDIA]) : undefined;
  const dismiss = feeder === undefined ? undefined : mustLive(feeder);
  const port = feeder === undefined ? 0 : ((await once(feeder, 'message')) as [FromWebRtcFeeder])[0].port;
  const url = options.url ?? `whep://127.0.0.1:${port}/whep`;
  const pid = feeder?.pid ?? options.serverPid;
  const child = startChild('scenarios/benchmark/webrtc-players.ts');
  const serverCpu = (): number => (pid === undefined ? Number.NaN : cpuMsOf(pid));
  const marks: { at: number; cpu: number }[] = [];
  const mark = (): void => void marks.push({ at: performance.now(), cpu: serverCpu() });
  const task: WebRtcTask = { url, transport, players, rampMs, settleMs: SETTLE_MS, windowMs, warmCrowds };
  const cost = await new Promise<WebRtcCost>((resolve, reject) => {
    child.on('message', (message: { result?: WebRtcCost; ready?: boolean; phase?: boolean }) => {
      if (message.ready) child.send(task);
      else if (message.phase) mark();
      else if (message.result !== undefined) resolve(message.result);
    });
    child.once('exit', (code) => reject(new Error(`the players exited with ${code}`)));
  });
  dismiss?.();
  const between = (from: number): number => {
    const [a, b] = [marks[from], marks[from + 1]];
    return a === undefined || b === undefined ? Number.NaN : (b.cpu - a.cpu) / (b.at - a.at);
  };
  const limits = [
    {
      what: `cores per 1000 WHEP players (${players} measured)`,
      value: (cost.cores / players) * 1000,
      limit: MAX_CORES_PER_1000,
    },
    { what: 'CPU per WHEP join, ms', value: cost.msPerJoin, limit: MAX_MS_PER_JOIN },
    {
      what: `all of ${players} WHEP players connected after, s`,
      value: cost.lastConnectedS,
      limit: (rampMs + CONNECT_GRACE_MS) / 1000,
    },
  ];
  return {
    cost,
    findings: limits.map((limit) => ({ ...limit, ok: limit.value <= limit.limit })),
    serverCores: { ramp: between(0), window: between(2) },
  };
}
