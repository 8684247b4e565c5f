/** A lab that stays up after the command that started it: up, down, status. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { forkEntry } from '../runtime/entry.ts';
import { HttpNodeApi } from './api.ts';
import type { NodeState } from './cluster.ts';
import { type LabState, livingProcesses, StateFile } from './daemon-state.ts';
import { LabError, LabErrorCode } from './errors.ts';
import { balancerSessions, statsPortOf } from './runners/balancer.ts';
import { lastLines } from './runners/last-lines.ts';
import { nginxConnections } from './runners/launch-nginx.ts';
import { liveOrigins } from './runners/launch-stream-manager.ts';
import { type ProcessIdentity, readIdentified } from './runners/proc.ts';
import type { StartProgress } from './runners/process.ts';
import { redisInfo } from './runners/redis.ts';
import type { EngineName } from './topology.ts';

export type { LabState } from './daemon-state.ts';

export interface DaemonRequest {
  /** Holds the state, the configurations and the logs. One lab per directory. */
  readonly directory: string;
  readonly topology: string;
  readonly engine: EngineName;
  readonly srsPath?: string;
  /** Takes the place of the builtin proxy. */
  readonly proxyPath?: string;
  readonly openUdp?: boolean;
  /** Without it the balancer has SRS's own ports where they are free. */
  readonly basePort?: number;
}

/** What the daemon tells its starter. */
export type DaemonMessage =
  | { type: 'progress'; progress: StartProgress }
  | { type: 'up'; state: LabState }
  | { type: 'failed'; code: LabErrorCode; message: string; node?: string; log: readonly string[] };

export interface UpOptions extends DaemonRequest {
  readonly onProgress?: (progress: StartProgress) => void;
  /** Aborting takes down what was started, and rejects with `lab.aborted` when it is gone. */
  readonly signal?: AbortSignal;
}

/** A daemon needs some 50 ms to end; one that does not react in this time is killed. */
const DOWN_WITHIN_MS = 5000;
const LOOK_EVERY_MS = 10;

/** Resolves when the lab is up; it stays so until `labDown`. Rejects with a LabError; nothing is left running then. */
export async function labUp(options: UpOptions): Promise<LabState> {
  const { onProgress, signal, ...request } = options;
  const file = new StateFile(request.directory);
  mkdirSync(file.directory, { recursive: true });
  file.refuseWhileAlive();
  const logFile = path.join(file.directory, 'daemon.log');
  const daemon = forkDaemon({ ...request, directory: file.directory }, logFile);
  const interrupt = (): boolean => daemon.kill('SIGTERM');
  const exited = once(daemon, 'exit');
  signal?.addEventListener('abort', interrupt, { once: true });
  try {
    const state = await outcome(daemon, logFile, onProgress);
    daemon.disconnect();
    daemon.unref();
    return state;
  } catch (error) {
    await exited;
    throw error;
  } finally {
    signal?.removeEventListener('abort', interrupt);
  }
}

function forkDaemon(request: DaemonRequest, logFile: string): ChildProcess {
  const log = openSync(logFile, 'w');
  try {
    return forkEntry('lab/daemon-main.ts', [JSON.stringify(request)], {
      // A session of its own: neither the terminal's interrupt nor its end reaches it.
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
    });
  } finally {
    closeSync(log);
  }
}

function outcome(
  daemon: ChildProcess,
  logFile: string,
  onProgress?: (progress: StartProgress) => void,
): Promise<LabState> {
  return new Promise((resolve, reject) => {
    daemon.on('message', (message: DaemonMessage) => {
      switch (message.type) {
        case 'progress':
          onProgress?.(message.progress);
          break;
        case 'up':
          resolve(message.state);
          break;
        case 'failed':
          reject(new LabError(message.code, message.message, message));
          break;
      }
    });
    daemon.on('error', reject);
    daemon.on('exit', (code, signal) =>
      reject(
        new LabError(LabErrorCode.Exited, `the lab's daemon exited (${signal ?? `code ${code}`})`, {
          log: lastLines(logFile),
        }),
      ),
    );
  });
}

/** Resolves when no process of the lab is left: true, or false when there was none. Also after a crash of the daemon. */
export async function labDown(directory: string): Promise<boolean> {
  const file = new StateFile(directory);
  const state = file.read();
  if (state === undefined) return false;
  const wasUp = livingProcesses(state).length > 0;
  if (readIdentified(state.daemon) !== undefined) {
    process.kill(state.daemon.pid, 'SIGTERM');
    await gone([state.daemon], DOWN_WITHIN_MS);
  }
  // The daemon may have started more since.
  const left = livingProcesses(file.read() ?? state);
  for (const { pid } of left) process.kill(pid, 'SIGKILL');
  await gone(left, DOWN_WITHIN_MS);
  file.remove();
  return wasUp;
}

/** Resolves when they are gone, or time is up: the kernel tells nobody but a parent. */
async function gone(identities: readonly ProcessIdentity[], withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (identities.some((identity) => readIdentified(identity) !== undefined)) {
    if (performance.now() > deadline) return;
    await delay(LOOK_EVERY_MS);
  }
}

export interface NodeStatus {
  readonly name: string;
  readonly role: string;
  readonly engine: string;
  readonly pid: number;
  readonly state: NodeState;
  readonly rssMb: number;
  readonly cpuSeconds: number;
  /** As the node itself tells; undefined when it does not answer. */
  readonly clients: number | undefined;
}

export interface LabStatus {
  readonly state: LabState;
  /** Whether the daemon lives: without it no link has a tap. */
  readonly daemon: boolean;
  readonly nodes: readonly NodeStatus[];
}

/** undefined when no process of a lab is there. */
export async function labStatus(directory: string): Promise<LabStatus | undefined> {
  const state = new StateFile(directory).read();
  if (state === undefined || livingProcesses(state).length === 0) return undefined;
  const nodes = await Promise.all(state.nodes.map((node) => nodeStatus(state, node)));
  return { state, daemon: readIdentified(state.daemon) !== undefined, nodes };
}

async function nodeStatus(state: LabState, node: LabState['nodes'][number]): Promise<NodeStatus> {
  const { name, role, engine } = node;
  const identity = state.processes.find((candidate) => candidate.node === name);
  const facts = identity === undefined ? undefined : readIdentified(identity);
  return {
    name,
    role,
    engine,
    pid: identity?.pid ?? 0,
    state: stateOf(facts?.state),
    rssMb: facts?.rssMb ?? 0,
    cpuSeconds: facts?.cpuSeconds ?? 0,
    clients: facts === undefined ? undefined : await clientsOf(node).catch(() => undefined),
  };
}

function stateOf(kernelState: string | undefined): NodeState {
  if (kernelState === undefined) return 'exited';
  return kernelState === 'T' ? 'frozen' : 'ready';
}

async function clientsOf({
  name,
  role,
  engine,
  host,
  ports,
}: LabState['nodes'][number]): Promise<number | undefined> {
  if (role === 'stream-manager') return liveOrigins(host, ports.api);
  if (role === 'balancer') return balancerSessions(host, statsPortOf(ports));
  if (role === 'redis') return (await redisInfo(host, ports.redis ?? 0)).clients;
  if (role === 'web' || engine === 'nginx-rtmp') return nginxConnections(host, ports.api);
  return (await new HttpNodeApi(name, host, ports.api).clients()).length;
}
