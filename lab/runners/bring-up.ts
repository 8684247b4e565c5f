/** The order in which the nodes of a cluster start, and when it is up. */
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { LabError, LabErrorCode } from '../errors.ts';
import type { TcpTap } from '../taps/tcp-tap.ts';
import { isProxyFront, type NodeSpec, type Topology } from '../topology.ts';
import type { ProcessNode } from './process-node.ts';

export interface StartProgress {
  readonly node: string;
  readonly state: 'starting' | 'ready';
  readonly pid: number;
  /** Since the start of the cluster. */
  readonly elapsedMs: number;
}

export interface BringUpOptions {
  readonly topology: Topology;
  /** Defects that nodes are started with. */
  readonly mutants?: readonly unknown[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StartProgress) => void;
}

/**
 * Starts every node; the taps listen already. Resolves when each answers and every origin that registers has done so;
 * rejects with the first failure, or with `lab.aborted`. What was started then is the caller's to end.
 */
export async function bringUp(
  nodes: ReadonlyMap<string, ProcessNode>,
  taps: readonly TcpTap[],
  options: BringUpOptions,
): Promise<void> {
  const began = performance.now();
  for (const wave of wavesOf(options.topology)) {
    const started = wave.map(({ name }) => nodes.get(name)!);
    await startAll(started, options, began);
  }
  await registered(taps, options);
}

/**
 * Those that others look at while they start come first: state, then who is registered with and reported to. A balancer
 * is ready when it sees its servers.
 */
function wavesOf(topology: Topology): NodeSpec[][] {
  const waveOf = (spec: NodeSpec): number => {
    if (spec.role === 'redis') return 0;
    if (spec.role === 'proxy' || spec.role === 'stream-manager') return 1;
    if (isProxyFront(spec, topology)) return 2;
    return spec.role === 'balancer' ? 4 : 3;
  };
  return [0, 1, 2, 3, 4].map((wave) => topology.nodes.filter((spec) => waveOf(spec) === wave));
}

/**
 * All at once, but of builtin nodes, each of which keeps a core busy while it starts, one per core. The first failure
 * ends the others, and is the one that is told.
 */
async function startAll(
  nodes: readonly ProcessNode[],
  options: BringUpOptions,
  began: number,
): Promise<void> {
  const failed = new AbortController();
  const signal =
    options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  let first: unknown;
  const start = async (node: ProcessNode): Promise<void> => {
    if (failed.signal.aborted) return;
    const tell = (state: StartProgress['state']): void =>
      options.onProgress?.({
        node: node.spec.name,
        state,
        pid: node.pid,
        elapsedMs: performance.now() - began,
      });
    try {
      await node.start(signal, () => tell('starting'));
      tell('ready');
    } catch (error) {
      first ??= error;
      failed.abort();
    }
  };
  const builtin = nodes.filter(({ engine }) => engine === 'builtin').values();
  const inTurn = async (): Promise<void> => {
    for (const node of builtin) await start(node);
  };
  await Promise.all([
    ...nodes.filter(({ engine }) => engine !== 'builtin').map(start),
    ...Array.from({ length: availableParallelism() }, inTurn),
  ]);
  if (first !== undefined) throw first;
}

const REGISTERED_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 15;

/** Resolves when every heartbeat has been answered once. */
async function registered(taps: readonly TcpTap[], { signal, mutants = [] }: BringUpOptions): Promise<void> {
  // A mutant's very defect may be that it does not register.
  const withinMs = mutants.length === 0 ? REGISTERED_WITHIN_MS : REGISTERED_WITHIN_MS / 5;
  const deadline = performance.now() + withinMs;
  for (const tap of taps.filter(({ carries }) => carries === 'system')) {
    while (tap.bytesDown === 0) {
      if (signal?.aborted) throw new LabError(LabErrorCode.Aborted, 'the start was interrupted');
      if (performance.now() > deadline && mutants.length > 0) return;
      if (performance.now() > deadline) {
        const message = `${tap.from} did not register with ${tap.to} in ${withinMs} ms`;
        throw new LabError(LabErrorCode.Timeout, message, { node: tap.from });
      }
      await delay(LOOK_EVERY_MS);
    }
  }
}
