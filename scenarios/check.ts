/** A check is data plus two functions: one drives the cluster and records, the other reads what was recorded. */

import type { MutantId } from '../lab/builtin/mutants.ts';
import type { Capability, Cluster, ClusterNode } from '../lab/cluster.ts';
import type { Evidence } from '../reports/results.ts';
import type { History } from './history.ts';
import type { Crowd, CrowdRequest, PublishRequest, RecordedPlayer, RecordedPublisher } from './stage.ts';

/** The area of a check is the part of its id before the slash. */
export interface Check {
  /** `area/slug`; stable, never positional. */
  readonly id: string;
  readonly title: string;
  readonly level: 'must' | 'should';
  readonly spec: {
    /** A document: a specification, a seed, a guide. */
    readonly source: string;
    /** Section or chapter. */
    readonly where: string;
    /** The requirement, in our own words. */
    readonly says: string;
  };
  readonly topologies: readonly string[];
  readonly needs: readonly Capability[];
  /** Each must turn the check red. */
  readonly mutants: readonly MutantId[];
  run(t: CheckContext): Promise<void>;
  /** Pure. One judgement per requirement; the worst is the check's. */
  judge(history: History): Judgement[];
}

export interface Judgement {
  readonly verdict: 'pass' | 'fail' | 'inconclusive';
  readonly expected: string;
  readonly actual: string;
  readonly evidence?: readonly Evidence[];
}

/** What a check may do. Everything it starts is taken down by the gate when `run` ends, however it ends. */
export interface CheckContext {
  readonly cluster: Cluster;
  readonly history: History;
  /** Aborts when the check's time is up or the user interrupts. */
  readonly signal: AbortSignal;
  /** A stream name that no other check uses. */
  stream(label?: string): string;
  /** Publishes a stamped stream; resolves at Publish.Start. */
  publish(request: PublishRequest): Promise<RecordedPublisher>;
  /** A player whose every item goes into the history; resolves when the connection attempt was begun. */
  play(url: string, label?: string): RecordedPlayer;
  /** Many players of which only the figures go into the history. */
  crowd(request: CrowdRequest): Promise<Crowd>;
  /** Resolves when an event matches, also one of the past; rejects when `withinMs` is over. Never polls. */
  until(what: string, withinMs: number, matches: (history: History) => boolean): Promise<void>;
  /** Lets real time pass because the check observes an absence; says why in the history. */
  observe(ms: number, why: string): Promise<void>;
  /** Reads the API of a node for one stream and records it. */
  readApi(node: string, stream: string): Promise<void>;
  /** Polls the API at 50 ms until `matches`, and records the last reading; rejects after `withinMs`. */
  untilApi(
    node: string,
    stream: string,
    withinMs: number,
    matches: (reading: ApiReading) => boolean,
  ): Promise<void>;
  step(step: string, data?: Record<string, string | number | boolean | null>): void;
  /** Controls a node and records it. */
  control(node: ClusterNode, action: 'kill' | 'freeze' | 'thaw' | 'restart'): Promise<void>;
}

export interface ApiReading {
  readonly clients: number;
  readonly upstreams: number;
  readonly publishers: number;
}

export function check(definition: Check): Check {
  return definition;
}
