/** What an origin is told of whom it asks, whom it registers with and whom it reports to: the taps on these links. */
import { LabError, LabErrorCode } from '../errors.ts';
import type { MediaSettings, NodeSpec } from '../topology.ts';
import { addressOf, type ClusterPlan, linkTo } from './launch.ts';

/** seeds/001, Register. */
export const REGISTER_PATH = '/api/v1/srs/register';
/** Of SRS's conf/origin1-for-proxy.conf. */
const HEARTBEAT_MS = 9000;

export function heartbeatMs({ registration }: MediaSettings): number {
  return registration?.heartbeatMs ?? HEARTBEAT_MS;
}

/** `host:port` of each coworker's API, in the order of the spec. */
export function coworkersOf({ name, coworkers = [] }: NodeSpec, plan: ClusterPlan): string[] {
  return coworkers.map((coworker) => linkTo(name, coworker, 'api', plan));
}

export interface Registration {
  readonly url: string;
  /** The host that it registers: taps stand there at its own ports' numbers. */
  readonly alias: string;
}

/** Undefined when it does not register. */
export function registrationOf(
  { name, registersWith }: NodeSpec,
  plan: ClusterPlan,
): Registration | undefined {
  if (registersWith === undefined) return undefined;
  const alias = plan.addresses.aliases.get(name);
  if (alias === undefined) throw new LabError(LabErrorCode.Unknown, `${name} has no address to register`);
  return { url: `http://${linkTo(name, registersWith, 'system', plan)}${REGISTER_PATH}`, alias };
}

export interface Hooks {
  readonly onPublish: string;
  readonly onUnpublish: string;
}

/**
 * The hooks of an origin that reports to a stream manager; undefined when it does not. Their query tells where players
 * are sent to, and where the manager asks whether the origin lives: SRS's hooks tell neither.
 */
export function hooksOf({ name, reportsTo }: NodeSpec, plan: ClusterPlan): Hooks | undefined {
  if (reportsTo === undefined) return undefined;
  const { host, ports } = addressOf(plan, name);
  const query = `rtmp=${host}:${ports.rtmp}&api=${linkTo(reportsTo, name, 'api', plan)}`;
  const url = (hook: string): string =>
    `http://${linkTo(name, reportsTo, 'api', plan)}/api/v1/hooks/${hook}?${query}`;
  return { onPublish: url('on_publish'), onUnpublish: url('on_unpublish') };
}
