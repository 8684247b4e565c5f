/** The process of a lab that stays up: `daemon-main.ts '<DaemonRequest as JSON>'`, started by lab/daemon.ts. */
import type { Cluster } from './cluster.ts';
import type { DaemonMessage, DaemonRequest } from './daemon.ts';
import { type LabState, StateFile } from './daemon-state.ts';
import { LabError, LabErrorCode } from './errors.ts';
import { identify } from './runners/proc.ts';
import { startCluster } from './runners/process.ts';
import { topologyByName } from './topologies/index.ts';
import type { HlsSettings } from './topology.ts';

const request = JSON.parse(process.argv.at(-1) ?? '') as DaemonRequest;
const file = new StateFile(request.directory);
const stopped = new AbortController();
let isUp = false;

process.on('SIGTERM', () => stopped.abort());
process.on('SIGINT', () => stopped.abort());
// Until the lab is up, it is of use to nobody but its starter.
process.on('disconnect', () => {
  if (!isUp) stopped.abort();
});

let state: LabState = {
  schema: 'liveproof/lab@1',
  phase: 'starting',
  startedAt: Date.now(),
  topology: request.topology,
  engine: request.engine,
  daemon: identify(process.pid)!,
  processes: [],
  nodes: [],
  entries: [],
};

function tell(message: DaemonMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send!(message, () => resolve());
    else resolve();
  });
}

/** Shorter than SRS's 10 s and 60 s, so that a lab shows something soon; without sessions, so that its cache works. */
const HLS: HlsSettings = { fragmentSeconds: 2, windowSeconds: 12, sessions: false };

function start(): Promise<Cluster> {
  return startCluster({
    topology: topologyByName(request.topology),
    engine: request.engine,
    runDir: file.directory,
    ports: request.basePort ?? 'friendly',
    settings: { hls: HLS },
    signal: stopped.signal,
    ...(request.srsPath === undefined ? {} : { srsPath: request.srsPath }),
    ...(request.proxyPath === undefined ? {} : { proxyPath: request.proxyPath }),
    openUdp: request.openUdp === true,
    onProgress(progress) {
      const process = progress.state === 'starting' ? identify(progress.pid) : undefined;
      if (process !== undefined) {
        state = { ...state, processes: [...state.processes, { node: progress.node, ...process }] };
        file.write(state);
      }
      void tell({ type: 'progress', progress });
    },
  });
}

function describe(cluster: Cluster): LabState {
  return {
    ...state,
    phase: 'up',
    nodes: [...cluster.nodes.values()].map(({ spec, engine, host, ports, logFile }) => ({
      name: spec.name,
      role: spec.role,
      engine,
      host,
      ports: { ...ports, rtmp: ports.rtmp ?? 0, http: ports.http ?? 0, api: ports.api ?? 0 },
      logFile,
    })),
    entries: cluster.entries.map(({ node, protocol, use, url }) => ({
      node,
      protocol,
      use,
      url: url('live', 'livestream'),
    })),
  };
}

async function untilStopped(): Promise<void> {
  if (stopped.signal.aborted) return;
  await new Promise((resolve) => stopped.signal.addEventListener('abort', resolve, { once: true }));
}

async function run(): Promise<void> {
  file.claim(state);
  try {
    const cluster = await start();
    try {
      state = describe(cluster);
      file.write(state);
      isUp = true;
      await tell({ type: 'up', state });
      await untilStopped();
    } finally {
      await cluster.down();
    }
  } finally {
    file.remove();
  }
}

try {
  await run();
} catch (error) {
  const failure =
    error instanceof LabError ? error : new LabError(LabErrorCode.Exited, String(error), { cause: error });
  await tell({
    type: 'failed',
    code: failure.code,
    message: failure.message.slice(`${failure.code}: `.length),
    log: failure.log,
    ...(failure.node === undefined ? {} : { node: failure.node }),
  });
  process.exitCode = 1;
}
if (process.connected) process.disconnect();
