/** `gate --target`: which cluster a target file means, and whether it may be gated. */
import path from 'node:path';
import { isLoopback } from '../drivers/loopback.ts';
import { LabError, LabErrorCode } from '../lab/errors.ts';
import { attachExternal } from '../lab/runners/external.ts';
import { hostsOf, readTarget, type Target } from '../lab/runners/target.ts';
import { topologyByName } from '../lab/topologies/index.ts';
import type { Attach } from '../scenarios/run.ts';
import { printable, UsageError } from './output.ts';

export interface TargetOptions {
  /** The file. */
  readonly target: string;
  readonly allowDisruption?: boolean;
  readonly allowRemote?: boolean;
  readonly allowHosts?: readonly string[];
}

/** Throws UsageError for a file that is wrong, and for hosts off loopback that nobody asked for. */
export function targetOf({ target: file, allowRemote = false }: TargetOptions): Target {
  const target = readOrRefuse(file);
  const remote = allowRemote ? [] : hostsOf(target).filter((host) => !isLoopback(host));
  if (remote.length === 0) return target;
  throw new UsageError(
    `${printable(remote.join(', '))}: not on loopback. Checks publish to the cluster and play from it: add --allow-remote if it is yours to test.`,
  );
}

function readOrRefuse(file: string): Target {
  try {
    return readTarget(file);
  } catch (error) {
    if (!(error instanceof LabError) || error.code !== LabErrorCode.Target) throw error;
    throw new UsageError(printableLines(error.message.slice(`${error.code}: `.length)));
  }
}

function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

export function attachTarget(target: Target, options: TargetOptions): Attach {
  return ({ settings, signal }) =>
    attachExternal({
      target,
      directory: path.dirname(options.target),
      allowDisruption: options.allowDisruption === true,
      allowRemote: options.allowRemote === true,
      allowHosts: options.allowHosts ?? [],
      expected: settings,
      signal,
    });
}

/** What the report says of it. */
export function noteOfTarget(target: Target, { allowDisruption, target: file }: TargetOptions): string {
  const manner = allowDisruption ? 'it may be disrupted' : 'it is used as clients use it, and not disrupted';
  return `target ${target.name} (${path.basename(file)}), judged as ${topologyByName(target.topology).name}: ${manner}`;
}
