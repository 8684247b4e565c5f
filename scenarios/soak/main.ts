/** `npm run soak`: a long load on a cluster of the lab, and whether its processes stay as they were. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runPublish } from '../../drivers/swarm/load.ts';
import { Swarm, type SwarmFigures } from '../../drivers/swarm/swarm.ts';
import type { Cluster } from '../../lab/cluster.ts';
import { LabError } from '../../lab/errors.ts';
import { readProcess } from '../../lab/runners/proc.ts';
import { startCluster } from '../../lab/runners/process.ts';
import { edgeCluster } from '../../lab/topologies/edge-cluster.ts';
import { type Verdict, worstVerdict } from '../../reports/results.ts';
import { interruptSignal } from '../interruption.ts';
import { judgeSoak, type SoakOutcome, type SoakSample } from './judge.ts';
import { LEAKS, type Leak, plant } from './plant.ts';

const USAGE = `soak: a long load on a cluster of the lab. Memory and descriptors stay flat, every frame is counted once.
  --clients N      players, half of them RTMP, half HTTP-FLV   (1000)
  --duration TIME  after the ramp: 300s, 5m, 1h                (1h)
  --leak WHAT      plant a leak into the workers, which has to be found: ${Object.keys(LEAKS).join(', ')}
  --out DIR        where soak.json and the logs of the nodes go (out/soak)
  --help

Exit codes: 0 all as it was; 1 something grew, or was lost; 2 wrong use; 3 inconclusive; 4 the cluster did not come up.
Ctrl-C ends it early, and inconclusive.

Examples:
  npm run soak
  npm run soak -- --clients 1000 --duration 5m
  npm run soak -- --clients 100 --duration 90s --leak memory      must fail`;

const MEDIA = fileURLToPath(new URL('../../fixtures/media/av-480k.flv', import.meta.url));
/** As many players in a second as any cluster of the lab takes. */
const JOINS_PER_SECOND = 100;
const SETTLE_MS = 5000;
/** After the ramp, for those that are late on a busy machine. */
const JOIN_WITHIN_MS = 60_000;
/** Looks at the processes: often enough for a short run, and no more than this in a long one. */
const LOOKS = 240;
const LEAST_LOOK_MS = 1000;
const EXIT_CODE_OF: Readonly<Record<Verdict, number>> = {
  pass: 0,
  fail: 1,
  error: 1,
  inconclusive: 3,
  unsupported: 3,
};

const NOT_UP = 4;

interface Request {
  readonly clients: number;
  readonly durationMs: number;
  readonly leak: Leak | undefined;
  readonly out: string;
}

function wrongUse(message: string): never {
  console.error(`${message}\n\n${USAGE}`);
  process.exit(2);
}

function requestOf(args: readonly string[]): Request {
  const options = {
    clients: { type: 'string', default: '1000' },
    duration: { type: 'string', default: '1h' },
    leak: { type: 'string' },
    out: { type: 'string', default: join('out', 'soak') },
    help: { type: 'boolean' },
  } as const;
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
  try {
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    wrongUse((error as Error).message);
  }
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const { clients, leak, out } = values;
  const time = /^(\d+)(s|m|h)$/.exec(values.duration);
  if (!/^[1-9]\d{0,4}$/.test(clients)) wrongUse(`--clients is a number, got ${JSON.stringify(clients)}`);
  if (time === null) wrongUse(`--duration is 300s, 5m or 1h, got ${JSON.stringify(values.duration)}`);
  if (leak !== undefined && !(leak in LEAKS)) wrongUse(`--leak is ${Object.keys(LEAKS).join(' or ')}`);
  const unit = { s: 1000, m: 60_000, h: 3_600_000 }[time[2] as 's' | 'm' | 'h'];
  const durationMs = Number(time[1]) * unit;
  return { clients: Number(clients), durationMs, leak: leak as Leak | undefined, out: resolve(out) };
}

function descriptorsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

function look(second: number, swarm: Swarm, cluster: Cluster): SoakSample[] {
  const pids: [string, number][] = [
    ['coordinator', process.pid],
    ...swarm.pids.map((pid, index): [string, number] => [`worker ${index + 1}`, pid]),
    ...[...cluster.nodes].map(([name, node]): [string, number] => [name, node.pid]),
  ];
  return pids.flatMap(([name, pid]) => {
    const facts = readProcess(pid);
    if (facts === undefined) return [];
    return { second, process: name, rssMb: facts.rssMb, descriptors: descriptorsOf(pid) };
  });
}

/** Runs until its time is over or `signal`. */
async function soak(
  { clients, durationMs, leak, out }: Request,
  signal: AbortSignal,
): Promise<{ samples: SoakSample[]; outcome: SoakOutcome }> {
  const cluster = await startCluster({
    topology: edgeCluster,
    engine: 'builtin',
    runDir: join(out, 'cluster'),
    signal,
  });
  const samples: SoakSample[] = [];
  const ended = new AbortController();
  let published = 0;
  const publishing = runPublish({
    url: cluster.entry('publish', 'rtmp').url('live', 'soak'),
    streams: 1,
    file: MEDIA,
    signal: ended.signal,
    onFigures: ({ frames }) => {
      published = frames;
    },
  });
  const pause = (ms: number) => sleep(ms, undefined, { signal }).catch(() => {});
  let swarm: Swarm | undefined;
  try {
    await pause(SETTLE_MS);
    if (leak !== undefined) plant(leak);
    const urls = (['rtmp', 'flv'] as const).map((protocol) =>
      cluster.entry('play', protocol).url('live', 'soak'),
    );
    const rampMs = (clients / JOINS_PER_SECOND) * 1000;
    swarm = new Swarm({ urls, clients, rampMs }, ({ second, joined, failed, dropped, generator }) => {
      if (Math.round(second) % 10 !== 0) return;
      const health = generator.healthy ? 'generator ok' : `generator: ${generator.reasons.join('; ')}`;
      console.error(
        `${Math.round(second)} s: ${joined} joined, ${failed} failed, ${dropped} dropped; ${health}`,
      );
    });
    await swarm.start();
    await pause(rampMs);
    await Promise.race([swarm.settled, pause(JOIN_WITHIN_MS)]);
    await pause(SETTLE_MS);
    const publishedBefore = published;
    const began = performance.now();
    const everyMs = Math.max(LEAST_LOOK_MS, durationMs / LOOKS);
    while (performance.now() - began < durationMs && !signal.aborted) {
      samples.push(...look((performance.now() - began) / 1000, swarm, cluster));
      await pause(everyMs);
    }
    const since = published - publishedBefore;
    const figures = await swarm.stop();
    ended.abort();
    const { frames: all } = await publishing;
    return { samples, outcome: outcomeOf(figures, { all, since }, signal.aborted) };
  } finally {
    ended.abort();
    await swarm?.stop();
    await publishing.catch(() => {});
    await cluster.down();
  }
}

function outcomeOf(
  figures: SwarmFigures,
  published: SoakOutcome['published'],
  interrupted: boolean,
): SoakOutcome {
  const { clients, frames, framesOfWorst, steady, join: joining, generator } = figures;
  return {
    clients,
    frames,
    framesOfWorst,
    latencySamples: steady.count + joining.count,
    published,
    generator,
    interrupted,
  };
}

const request = requestOf(process.argv.slice(2));
mkdirSync(request.out, { recursive: true });
const signal = interruptSignal();
const { samples, outcome } = await soak(request, signal).catch((error: unknown) => {
  if (!(error instanceof LabError)) throw error;
  const isOurs = signal.aborted;
  console.error(isOurs ? 'inconclusive: interrupted before the cluster was up' : error.message);
  process.exit(isOurs ? EXIT_CODE_OF.inconclusive : NOT_UP);
});
const findings = judgeSoak(samples, outcome);
const verdict = worstVerdict(findings.map((finding) => finding.verdict));
writeFileSync(
  join(request.out, 'soak.json'),
  `${JSON.stringify({ request, verdict, findings, outcome, samples })}\n`,
);
for (const { name, verdict: of, says } of findings) console.log(`${of.padEnd(12)}  ${name}: ${says}`);
console.log(`${verdict}: soak of ${request.clients} clients; ${join(request.out, 'soak.json')}`);
process.exitCode = EXIT_CODE_OF[verdict];
