/** What it takes to start a node: what is known of it and its cluster goes in, a command line comes out. */
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { MutantId } from '../builtin/mutants.ts';
import type { Patience, TcpLinkProtocol } from '../cluster.ts';
import { LabError, LabErrorCode } from '../errors.ts';
import { fits } from '../mutant-fit.ts';
import type { AddressPlan, NodeAddress, TapAddress } from '../ports.ts';
import type { EngineName, MediaSettings, NodeSpec, Topology } from '../topology.ts';
import type { Launch } from './process-node.ts';

/** A cluster that is about to be started, with its addresses. */
export interface ClusterPlan {
  readonly topology: Topology;
  readonly engine: EngineName;
  readonly srsPath?: string;
  /** Takes the place of the builtin proxy. */
  readonly proxyPath?: string;
  /** Absolute; exists. */
  readonly runDir: string;
  readonly settings: MediaSettings;
  readonly patience: Patience;
  readonly mutants: readonly MutantId[];
  readonly addresses: AddressPlan;
}

/** Programs that the user brought. */
export interface UserPrograms {
  readonly srsPath?: string;
  readonly proxyPath?: string;
}

/** How nodes of one kind are started: one file each, `launch-*.ts`. */
export interface Launcher {
  /** As in ClusterNode. */
  readonly engine: string;
  /** Throws `lab.program` when a program is missing. Called before anything is started. */
  check(options: UserPrograms): void;
  /** Writes the configuration, and says how to start the node and how to tell that it is ready. */
  launch(spec: NodeSpec, plan: ClusterPlan): Pick<Launch, 'program' | 'args' | 'env' | 'answers'>;
}

export function addressOf({ addresses }: ClusterPlan, node: string): NodeAddress {
  const address = addresses.nodes.get(node);
  if (address === undefined) throw new LabError(LabErrorCode.Unknown, `there is no node '${node}'`);
  return address;
}

/**
 * `host:port` of every tap that stands between a node and those whom it connects to for this, in the order in which its
 * spec names them.
 */
export function linksOf(spec: NodeSpec, carries: TcpLinkProtocol, plan: ClusterPlan): string[] {
  return tapsOf(spec, carries, plan).map(({ host, port }) => `${host}:${port}`);
}

export function tapsOf(spec: NodeSpec, carries: TcpLinkProtocol, { addresses }: ClusterPlan): TapAddress[] {
  return addresses.taps.filter((tap) => tap.from === spec.name && tap.carries === carries);
}

/** `host:port` of the tap on one link. */
export function linkTo(from: string, to: string, carries: TcpLinkProtocol, plan: ClusterPlan): string {
  const tap = plan.addresses.taps.find(
    (one) => one.from === from && one.to === to && one.carries === carries,
  );
  if (tap === undefined) throw new LabError(LabErrorCode.Unknown, `there is no link ${from}>${to}`);
  return `${tap.host}:${tap.port}`;
}

/** For a program that is configured by such variables: nothing of that comes from the environment of this process. */
export function withoutInherited(prefix: string): Record<string, undefined> {
  const inherited = Object.keys(process.env).filter((name) => name.startsWith(prefix));
  return Object.fromEntries(inherited.map((name) => [name, undefined]));
}

/** The cluster's settings, as this node has them. */
export function settingsOf({ srt }: NodeSpec, { settings }: Pick<ClusterPlan, 'settings'>): MediaSettings {
  if (srt !== 'open' || settings.srt === undefined) return settings;
  const { passphrase: _passphrase, ...open } = settings.srt;
  return { ...settings, srt: open };
}

/** Those mutants of the cluster that this node is to have. */
export function mutantsOf(spec: NodeSpec, { mutants, engine }: ClusterPlan): MutantId[] {
  return mutants.filter((id) => fits(id, spec, engine));
}

export function logFileOf(node: string, { runDir }: { readonly runDir: string }): string {
  return path.join(runDir, `${node}.log`);
}

/** Where a media node puts what it writes for others to serve (HLS, DASH, recordings); made when missing. */
export function folderOf(node: string, { runDir }: { readonly runDir: string }): string {
  const folder = path.join(runDir, 'www', node);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** What a node needs beside its connections: logs, listeners, upstreams, libraries. */
export const SPARE_FILES = 500;
/** Enough for every load that two cores carry; SRS's own default of 1000 is not. */
export const WANTED_CONNECTIONS = 15_000;

/** Of a process that this process starts: Node raises its own limit to the hard one, and hands it on. */
export function openFilesLimit(): number {
  const limit = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
  return limit === undefined || limit === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(limit);
}

/** Fewer connections than these are too few for the clients of a check. */
export const LEAST_CONNECTIONS = 250;

/**
 * Of a program that holds `sockets` per connection and may refuse to start when it could run out. Throws LabError with the
 * limit that is needed. `limit` is that of a process that this one starts.
 */
export function connectionsFor(sockets: number, limit = openFilesLimit()): number {
  const connections = Math.min(WANTED_CONNECTIONS, Math.floor((limit - SPARE_FILES) / sockets));
  if (connections >= LEAST_CONNECTIONS) return connections;
  const needed = SPARE_FILES + LEAST_CONNECTIONS * sockets;
  throw new LabError(
    LabErrorCode.OpenFiles,
    `a node needs ${needed} open files, and this machine gives ${limit}: raise the limit (ulimit -n ${needed})`,
  );
}
