/** A check is data plus two functions: one drives the cluster and records, the other reads what was recorded. */

import type { MutantId } from '../lab/builtin/mutants.ts';
import type { Capability, Cluster, ClusterNode } from '../lab/cluster.ts';
import type { Evidence, FailoverTimeline } from '../reports/results.ts';
import type { ApiReading, EventOf, ExchangeSeen, History, StepData } from './history.ts';
import type {
  Crowd,
  CrowdRequest,
  EncodeRequest,
  PlayOptions,
  PublishRequest,
  RecordedEncoder,
  RecordedPlayer,
  RecordedPublisher,
  RecordedViewer,
  WatchRequest,
} from './stage.ts';

export type { ApiReading } from './history.ts';

/** The area of a check is the part of its id before the slash. */
export interface Check {
  /** `area/slug`; stable, never positional. */
  readonly id: string;
  readonly title: string;
  /**
   * `must`: the source demands it. `should`: it recommends it, says so of another protocol, or leaves it to be concluded. It
   * has no part in the verdict.
   */
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
  /**
   * It keeps the machine busy, by its load or by what it makes of a server: no check of another cluster runs beside it.
   * Default false.
   */
  readonly alone?: boolean;
  /** How long `run` may take. Default DEADLINE_MS of scenarios/gate.ts. */
  readonly deadlineMs?: number;
  /**
   * What it does to a cluster beyond what clients do, as in "the check …": sends floods, or what breaks servers. It is not
   * run on a cluster that somebody else uses, unless that is asked for. Needing a control says as much by itself. When
   * it does not pass, the nodes are started anew before the next check: who lives through it need not be whole.
   */
  readonly disrupts?: string;
  run(t: CheckContext): Promise<void>;
  /**
   * Pure. One judgement per requirement; the worst is the check's. It is also asked about a history that ends early,
   * at a `not-observed`: it must say `fail` when what is missing is the requirement itself, and must not take what
   * was never looked at for a pass.
   */
  judge(history: History): Judgement[];
  /** Pure. Checks of a fault: what it did to whom; undefined when there was none. It goes into the finding. */
  timeline?(history: History): FailoverTimeline | undefined;
}

/**
 * `unsupported` is of a part of a check that this engine documents as absent: the finding names it, and its verdict is
 * that of the other parts.
 */
export interface Judgement {
  readonly verdict: 'pass' | 'unsupported' | 'fail' | 'inconclusive';
  readonly expected: string;
  readonly actual: string;
  readonly evidence?: readonly Evidence[];
  /** Inconclusive for a delay of our own: the gate asks the check again. */
  readonly ours?: true;
}

/**
 * What was waited for did not happen. It is in the history before it is thrown; the gate takes it as the end of `run`
 * and goes on to the judge, who can say what it means.
 */
export class NotObservedError extends Error {
  override readonly name = 'NotObservedError';
  readonly what: string;
  readonly withinMs: number;

  constructor(what: string, withinMs: number) {
    super(`not observed within ${withinMs} ms: ${what}`);
    this.what = what;
    this.withinMs = withinMs;
  }
}

/** What is waited for cannot come any more (its connection is closed, say); the message says why. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
}

/** `webrtc` is WHEP. */
export type PlayProtocol = 'rtmp' | 'flv' | 'hls' | 'srt' | 'webrtc';

export interface HttpRequest {
  /** The name of the client in the history; many requests may share it. */
  readonly label: string;
  /** Default GET. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default none. */
  readonly body?: string;
  /** Default what the system chooses. */
  readonly localAddress?: string;
}

/** What a check may do. Everything it starts is taken down by the gate when `run` ends, however it ends. */
export interface CheckContext {
  /** Its id. */
  readonly check: string;
  readonly cluster: Cluster;
  readonly history: History;
  /** Aborts when the check's time is up or the user interrupts. */
  readonly signal: AbortSignal;
  /** A stream name that no other check uses. It has no dot: SRS takes what follows one for an extension. */
  stream(label?: string): string;
  /**
   * Publish URL of a stream, at the topology's own entry or at the node named. That of SRT has the passphrase of the
   * gate's clusters. Default RTMP.
   */
  publishUrl(stream: string, node?: string, protocol?: 'rtmp' | 'srt' | 'webrtc'): string;
  /** Play URL of a stream, at the node named (directly), else at the topology's own entry. */
  playUrl(protocol: PlayProtocol, stream: string, node?: string): string;
  /** Nodes of a role, in the order of the topology. */
  nodes(role: ClusterNode['spec']['role']): ClusterNode[];
  /** Publishes a stamped stream; resolves at Publish.Start; not observed when that does not come. */
  publish(request: PublishRequest): Promise<RecordedPublisher>;
  /** The same for an encoder that comes back by itself. */
  encode(request: EncodeRequest): Promise<RecordedEncoder>;
  /** A player that comes back by itself. */
  watch(request: WatchRequest): RecordedViewer;
  /** A player whose every item goes into the history; returns when the connection attempt was begun. */
  play(url: string, label?: string, options?: PlayOptions): RecordedPlayer;
  /**
   * One HTTP request on a connection of its own; into the history as `http.exchange` and, when it is a playlist, as
   * `hls.playlist`. Redirects are not followed. It rejects only when the check is over: an answer that is an error, or
   * none within 5 s, is an exchange, too.
   */
  http(url: string, request: HttpRequest): Promise<ExchangeSeen & { readonly body: Uint8Array }>;
  /** Many players of which only the figures go into the history. */
  crowd(request: CrowdRequest): Promise<Crowd>;
  /**
   * Takes down what a check opened by itself (a raw socket, say) when `run` ends. Runs once, last one first; at once
   * when `run` has already ended.
   */
  cleanUp(action: () => void | Promise<void>): void;
  /**
   * Resolves when `matches` holds; it is asked now and after events, never by a timer. When `withinMs` is over it
   * records a `not-observed` and rejects with NotObservedError.
   */
  until(what: string, withinMs: number, matches: (history: History) => boolean): Promise<void>;
  /**
   * The same for a promise: not observed when it is not settled in time, or rejects with UnreachableError. Any other
   * rejection passes through.
   */
  within<T>(what: string, withinMs: number, promise: Promise<T>): Promise<T>;
  /** Lets real time pass because the check observes an absence; says why in the history. */
  observe(ms: number, why: string): Promise<void>;
  /** Reads the API of a node for one stream and records it. */
  readApi(node: string, stream: string): Promise<ApiReading>;
  /** Reads the API every 50 ms until `matches`; records the last reading; not observed after `withinMs`. */
  untilApi(
    node: string,
    stream: string,
    withinMs: number,
    matches: (reading: ApiReading) => boolean,
  ): Promise<ApiReading>;
  /** Returns its time. */
  step(step: string, data?: StepData): number;
  /** Controls a node and records it. */
  control(node: ClusterNode, action: 'kill' | 'freeze' | 'thaw' | 'restart'): Promise<void>;
  /**
   * Faults on every tap between two nodes, recorded. `cut` resets what is open and refuses what comes, until `restore`;
   * `silence` lets connections be and passes nothing, until `lift`. Throws when there is no tap.
   */
  link(from: string, to: string, action: EventOf<'link.control'>['action']): void;
}

export function check(definition: Check): Check {
  return definition;
}
