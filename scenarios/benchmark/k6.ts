/**
 * `npm run bench:k6`: starts clusters and stamped publishers, runs the scripts of scenarios/k6 with k6, and the same crowd
 * of HLS viewers with our swarm, whose cost stands beside k6's.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Publishing } from '../../drivers/measure/publishing.ts';
import { MediaSource } from '../../drivers/measure/source.ts';
import type { Cluster } from '../../lab/cluster.ts';
import { LabError } from '../../lab/errors.ts';
import { startCluster } from '../../lab/runners/process.ts';
import { edgeCluster } from '../../lab/topologies/edge-cluster.ts';
import { proxyCluster } from '../../lab/topologies/proxy-cluster.ts';
import type { Topology } from '../../lab/topology.ts';
import { collectEnvironment } from '../../reports/environment.ts';
import { type Finding, Results, type Verdict, worstVerdict } from '../../reports/results.ts';
import type { K6, K6Script, ViewerCost } from '../../reports/results-k6.ts';
import { writeRun } from '../../reports/write.ts';
import { startArgs } from '../../runtime/entry.ts';
import { interruptSignal } from '../interruption.ts';
import { MEDIA } from './children.ts';
import { findK6, K6_INSTALL, K6_VERSION, runK6, versionOfK6 } from './k6-program.ts';
import { optionsOf } from './options.ts';
import { UsageWindow } from './tree-usage.ts';

const USAGE = `bench:k6: the scripts of scenarios/k6, run by k6 against clusters of the lab
  --viewers N         HLS viewers, of k6 and of our swarm          (20)
  --ramp SECONDS      over which they join                         (5)
  --duration SECONDS  after the ramp                               (20)
  --rate N            requests and joins per second of the others  (10)
  --inspect N         k6: one viewer in N looks into its frames    (10)
  --only viewers      without the other scripts
  --out DIR           directory for the report                     (out/k6-<time>)
  --help

k6 is taken from K6_BIN, PATH, GOBIN or GOPATH/bin. It is not on npm: ${K6_INSTALL}
Exit codes: 0 pass; 1 fail; 2 wrong use, or there is no k6; 3 inconclusive; 4 a cluster did not come up

Examples:
  npm run bench:k6
  npm run bench:k6 -- --viewers 10 --inspect 1`;

const STREAM = 'livestream';
/** Segments of 2 s, as in docs/measuring.md. Three target durations of them are there before anybody joins. */
const HLS = { fragmentSeconds: 2, windowSeconds: 12, sessions: false };
const LISTED_MS = 14_000;
/** From the end of the ramp to the window in which cost is measured: everybody has begun by then. */
const SETTLE_SECONDS = 4;
const SCRIPTS = resolve(import.meta.dirname, '../k6');
const EXIT_CODE_OF: Readonly<Record<Verdict, number>> = {
  pass: 0,
  unsupported: 3,
  inconclusive: 3,
  fail: 1,
  error: 1,
};

const NOT_UP = 4;

function usage(message?: string): never {
  console.error(message ?? USAGE);
  process.exit(2);
}

const values = optionsOf(
  {
    viewers: { type: 'string', default: '20' },
    ramp: { type: 'string', default: '5' },
    duration: { type: 'string', default: '20' },
    rate: { type: 'string', default: '10' },
    inspect: { type: 'string', default: '10' },
    only: { type: 'string' },
    out: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
  USAGE,
);
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const viewers = Number(values.viewers);
const ramp = Number(values.ramp);
const duration = Number(values.duration);
const counts = [viewers, ramp, duration, Number(values.rate), Number(values.inspect)];
if (!counts.every((value) => Number.isInteger(value) && value > 0)) usage();
if (values.only !== undefined && values.only !== 'viewers') usage();
const all = values.only === undefined;
if (duration <= SETTLE_SECONDS + 1) usage(`--duration is above ${SETTLE_SECONDS + 1}`);
const k6 = findK6();
if (k6 === undefined) {
  usage(
    `There is no k6${process.env.K6_BIN ? ` at ${process.env.K6_BIN} (K6_BIN)` : ' on PATH, in GOBIN or in GOPATH/bin'}.\n` +
      `It comes with: ${K6_INSTALL}`,
  );
}
const version = versionOfK6(k6) ?? 'unknown';
if (version !== K6_VERSION) console.error(`k6 ${version}; the scripts are written for ${K6_VERSION}`);

const startedAt = new Date();
const stamp = startedAt.toISOString().slice(0, 19).replaceAll(':', '').replace('T', '-');
const out = resolve(values.out ?? join('out', `k6-${stamp}`));
mkdirSync(out, { recursive: true });
const environment = collectEnvironment({ k6: version });
const signal = interruptSignal();

const findings: Finding[] = [];
const scripts: K6Script[] = [];
let cost: K6['cost'];
let load: Results['load'];
let isNotUp = false;

/** Of the run itself: what its scripts and our swarm say has findings of its own. */
function found(
  check: string,
  title: string,
  said: Pick<Finding, 'verdict' | 'expected' | 'actual'>,
  began: number,
  topology = 'external',
  engine = 'unknown',
): void {
  const durationMs = performance.now() - began;
  findings.push({ check, title, topology, engine, ...said, evidence: [], durationMs });
}

/** Runs a script and takes in what it leaves. */
async function script(
  name: string,
  env: Readonly<Record<string, string>>,
  onStart?: (pid: number) => void,
): Promise<K6Script | undefined> {
  if (signal.aborted) return undefined;
  console.log(`\n${name}`);
  const file = join(out, `${name}.json`);
  rmSync(file, { force: true });
  const began = performance.now();
  const problem = await runK6({
    path: k6!,
    script: join(SCRIPTS, `${name}.ts`),
    env: { ...env, RESULTS: file, LIVEPROOF_ENVIRONMENT: JSON.stringify(environment) },
    signal,
    ...(onStart && { onStart }),
  });
  const { results, missing } = resultsIn(file);
  if (problem !== undefined || (results === undefined && !signal.aborted)) {
    const said = {
      verdict: 'error',
      expected: 'k6 ends with 0 or 99, and leaves results',
      actual: problem ?? `${name} left no results: ${missing}`,
    } as const;
    found(`k6/${name}-ran`, 'The script runs to its end', said, began);
  }
  findings.push(...(results?.findings ?? []));
  const ran = results?.k6?.scripts[0];
  if (ran !== undefined) scripts.push(ran);
  return ran;
}

function resultsIn(file: string): { readonly results?: Results; readonly missing?: string } {
  try {
    return { results: Results.parse(JSON.parse(readFileSync(file, 'utf8'))) };
  } catch (error) {
    return { missing: (error as Error).message };
  }
}

/** A cluster with a stamped stream that has segments; it is down when `use` is done. */
async function withStream(topology: Topology, use: (cluster: Cluster) => Promise<void>): Promise<void> {
  if (signal.aborted) return;
  const runDir = mkdtempSync(join(tmpdir(), 'liveproof-k6-'));
  const options = { topology, engine: 'builtin', runDir, signal, settings: { hls: HLS } } as const;
  const began = performance.now();
  // What was measured on another cluster is kept.
  const cluster = await startCluster(options).catch((error: unknown) => {
    if (!(error instanceof LabError)) throw error;
    rmSync(runDir, { recursive: true, force: true });
    if (signal.aborted) return undefined;
    console.error(`${topology.name}: ${error.message}`);
    isNotUp = true;
    const said = { verdict: 'error', expected: 'the cluster comes up', actual: error.message } as const;
    found('lab/up', 'The cluster comes up', said, began, topology.name, options.engine);
    return undefined;
  });
  if (cluster === undefined) return;
  const publishing = new Publishing(MediaSource.load(MEDIA));
  try {
    publishing.add(cluster.entry('publish', 'rtmp').url('live', STREAM));
    await sleep(LISTED_MS, undefined, { signal }).catch(() => {});
    await use(cluster);
  } finally {
    publishing.stop();
    await cluster.down();
    rmSync(runDir, { recursive: true, force: true });
  }
}

const WINDOW = [ramp + SETTLE_SECONDS, ramp + duration - 1] as const;

function windowOf(pid: number): UsageWindow {
  return new UsageWindow(pid, WINDOW[0] * 1000, WINDOW[1] * 1000);
}

/** The same crowd with our swarm, in a process of its own as any load. */
async function swarm(url: string): Promise<{ results: Results | undefined; usage: UsageWindow }> {
  const directory = join(out, 'swarm');
  const file = join(directory, 'results.json');
  // Of another run in the same folder.
  rmSync(file, { force: true });
  const began = performance.now();
  const child = spawn(
    process.execPath,
    [
      ...startArgs('cli/main.ts'),
      ...['load', url, '--clients', String(viewers)],
      ...['--ramp', `${ramp}s`, '--duration', `${duration}s`, '--out', directory],
    ],
    { stdio: ['ignore', 'ignore', 'ignore'] },
  );
  const stop = (): boolean => child.kill('SIGINT');
  signal.addEventListener('abort', stop, { once: true });
  const usage = windowOf(child.pid!);
  await once(child, 'exit');
  usage.close();
  signal.removeEventListener('abort', stop);
  const { results, missing = '' } = resultsIn(file);
  if (results === undefined && !signal.aborted) {
    const said = { verdict: 'error', expected: 'the swarm leaves results', actual: missing } as const;
    found('k6/swarm-ran', 'The same crowd plays with our swarm', said, began);
  }
  return { results, usage };
}

async function viewersSideBySide(url: string): Promise<void> {
  let usage: UsageWindow | undefined;
  const ran = await script(
    'hls-viewers',
    {
      URLS: url,
      CLIENTS: String(viewers),
      RAMP: String(ramp),
      DURATION: String(duration),
      INSPECT: values.inspect,
    },
    (pid) => {
      usage = windowOf(pid);
    },
  );
  usage?.close();
  if (signal.aborted) return;
  console.log('\nthe same crowd with our swarm');
  const ours = await swarm(url);
  load = ours.results?.load;
  findings.push(...(ours.results?.findings ?? []));
  const k6Usage = usage?.read();
  const swarmUsage = ours.usage.read();
  if (ran === undefined || load === undefined || k6Usage === undefined || swarmUsage === undefined) return;
  const latency = ran.metrics.hls_latency?.values;
  cost = {
    viewers,
    windowSeconds: WINDOW[1] - WINDOW[0],
    k6: {
      ...k6Usage,
      loadedMb: (ran.metrics.hls_bytes?.values.count ?? 0) / 1e6,
      frames: ran.metrics.hls_frames?.values.count ?? 0,
      latencyP50: latency?.['p(50)'] ?? null,
      latencyP99: latency?.['p(99)'] ?? null,
    },
    swarm: {
      ...swarmUsage,
      loadedMb: load.bytes / 1e6,
      frames: load.frames.received,
      latencyP50: load.latency.steady.p50,
      latencyP99: load.latency.steady.p99,
    },
  };
}

await withStream(edgeCluster, async (cluster) => {
  const flv = cluster.entry('play', 'flv').url('live', STREAM);
  if (all) await script('flv-first-byte', { URLS: flv, RATE: values.rate });
  await viewersSideBySide(cluster.entry('play', 'hls').url('live', STREAM));
});
if (all) {
  await withStream(proxyCluster, async (cluster) => {
    const proxy = cluster.nodes.get('proxy')!;
    const http = (port: number): string => `http://${proxy.host}:${port}`;
    await script('http-apis', { API: http(proxy.ports.api!), STREAM, RATE: values.rate });
    // Last: the proxy sends new streams to the origins that it is told of here.
    await script('registration', { SYSTEM: http(proxy.ports.system!), RATE: values.rate });
  });
}

if (signal.aborted) {
  const said = {
    verdict: 'inconclusive',
    expected: 'a run to its end',
    actual: 'interrupted: only what was measured until then is here',
  } as const;
  found('k6/complete', 'The run lasts as long as asked', said, performance.now());
}
const results: Results = {
  schema: 'liveproof/results@1',
  kind: 'k6',
  verdict: worstVerdict(findings.map(({ verdict }) => verdict)),
  startedAt: startedAt.toISOString(),
  durationMs: Date.now() - startedAt.getTime(),
  interrupted: signal.aborted,
  ...(load && {
    notes: ['Figures and latency are those of our swarm; what k6 measured stands in parts of its own.'],
  }),
  command: ['npm', 'run', 'bench:k6', '--', ...process.argv.slice(2)],
  environment,
  findings,
  k6: { scripts, ...(cost && { cost }) },
  ...(load && { load }),
};
await writeRun(out, results);
if (cost !== undefined) printCost(cost);
for (const { check, verdict, actual } of findings) {
  if (verdict !== 'pass') console.log(`${verdict}  ${check}: ${actual}`);
}
console.log(`${results.verdict}\nreport: ${join(out, 'report.html')}`);
process.exitCode = isNotUp ? NOT_UP : EXIT_CODE_OF[results.verdict];

function printCost({ viewers, windowSeconds, k6, swarm }: NonNullable<K6['cost']>): void {
  console.log(`\n${viewers} HLS viewers, cost over ${windowSeconds} s`);
  console.log(
    '            cores    cores/1000         MB  KB/viewer  loaded MB     frames  latency p50, p99',
  );
  const row = (name: string, { cpuCores, memoryMb, loadedMb, frames, latencyP50, latencyP99 }: ViewerCost) =>
    console.log(
      [
        name.padEnd(8),
        cpuCores.toFixed(3).padStart(9),
        ((cpuCores / viewers) * 1000).toFixed(2).padStart(13),
        memoryMb.toFixed(0).padStart(11),
        ((memoryMb * 1024) / viewers).toFixed(0).padStart(11),
        loadedMb.toFixed(0).padStart(11),
        String(frames).padStart(11),
        `  ${latencyP50?.toFixed(0) ?? '-'}, ${latencyP99?.toFixed(0) ?? '-'} ms`,
      ].join(''),
    );
  row('k6', k6);
  row('swarm', swarm);
}
