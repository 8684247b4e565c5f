/** A running cluster, as scenarios see it. Runners make it; nothing here starts a process. */
import type { UdpTap } from './taps/udp-tap.ts';
import type { EngineName, EntryProtocol, NodeSpec, Topology } from './topology.ts';

export interface NodePorts {
  readonly rtmp?: number;
  /** HTTP-FLV. */
  readonly http?: number;
  /** HTTP API. */
  readonly api?: number;
  /** SRT, over UDP. */
  readonly srt?: number;
  /** Media of WebRTC, over UDP. */
  readonly rtc?: number;
  /** Of a proxy: where origins register. */
  readonly system?: number;
  readonly redis?: number;
  /** Of a balancer whose `api` is that of the proxies behind it: its own statistics. */
  readonly stats?: number;
}

/** What passes on a link; it leads to that port of the node. */
export type TcpLinkProtocol = 'rtmp' | 'http' | 'api' | 'system';
export type UdpLinkProtocol = 'srt' | 'rtc';
export type LinkProtocol = TcpLinkProtocol | UdpLinkProtocol;

export type NodeState = 'starting' | 'ready' | 'frozen' | 'exited';

/** One operating-system process. Every control resolves when its effect can be observed. */
export interface ClusterNode {
  readonly spec: NodeSpec;
  /** `builtin`, `srs`, `nginx-rtmp`, `haproxy`, `nginx`, `redis`, or `proxy` for one that the user brought. */
  readonly engine: string;
  /** Loopback address of its own. Connections that it opens through a tap come from this address. */
  readonly host: string;
  /** Where its connections to other nodes come from, where that is not `host`; empty when nobody knows. */
  readonly addresses?: readonly string[];
  readonly ports: NodePorts;
  readonly pid: number;
  readonly state: NodeState;
  readonly logFile: string;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGSTOP. */
  freeze(): void | Promise<void>;
  /** SIGCONT. */
  thaw(): void | Promise<void>;
  /** Starts it again on the same ports after `kill`, or kills it first; resolves when it is ready. */
  restart(): Promise<void>;
  /** Resolves when the process has ended, with true, and with false when it has not within `withinMs`. */
  ended(withinMs: number): Promise<boolean>;
  /** Resident set and CPU time so far, from /proc. */
  usage(): { rssMb: number; cpuSeconds: number };
}

/** Faults in Toxiproxy's vocabulary; see lab/taps. Times in ms, rates in bytes/s. */
export type Toxic =
  | { type: 'latency'; latency: number; jitter?: number }
  | { type: 'bandwidth'; rate: number }
  | { type: 'slow_close'; delay: number }
  /** Data stops; the connection is closed after `timeout`, or never for 0. */
  | { type: 'timeout'; timeout: number }
  | { type: 'reset_peer'; timeout: number }
  | { type: 'slicer'; averageSize: number; sizeVariation: number; delay: number }
  | { type: 'limit_data'; bytes: number };

export type Direction = 'upstream' | 'downstream';

/** What a tap tells as it happens. `connection` counts from 1 per tap. */
export interface TapEvent {
  /** Its name. Taps in front of an origin that registers differ in what they carry only. */
  readonly tap: string;
  readonly carries: TcpLinkProtocol;
  readonly type: 'open' | 'close' | 'refused' | 'request';
  readonly connection: number;
  /** `request` only, of taps on HTTP links: method and path as sent. */
  readonly request?: { readonly method: string; readonly path: string };
  /** Epoch ms. */
  readonly at: number;
  /** Open connections after this event. */
  readonly open: number;
}

/** A proxy of ours on the link from one node to another. */
export interface Tap {
  /**
   * `edge-1>origin`. An origin that registers with `proxy` tells an address at which taps listen, one for each port of
   * its own: all are `proxy>origin-1`. Its heartbeat goes through `origin-1>proxy`, which carries `system`.
   */
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly carries: TcpLinkProtocol;
  readonly open: number;
  readonly total: number;
  /** Bytes from the edge to the origin, and back. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Returns the function that ends the subscription. */
  subscribe(listener: (event: TapEvent) => void): () => void;
  /** Returns the function that takes it away. */
  addToxic(direction: Direction, toxic: Toxic): () => void;
  /** Resets what is open and refuses what comes, until `restore`. */
  cut(): void;
  restore(): void;
}

/** A client as a node's HTTP API tells it (facts/srs.md 3.3). */
export interface ApiClient {
  readonly id: string;
  readonly ip: string;
  readonly url: string;
  readonly name: string;
  readonly type: string;
  readonly publish: boolean;
}

/** A stream as a node's HTTP API tells it (facts/srs.md 3.2). */
export interface ApiStream {
  readonly id: string;
  readonly name: string;
  readonly app: string;
  readonly url: string;
  readonly clients: number;
  readonly publish: { active: boolean; cid?: string };
}

export interface ApiVersions {
  readonly server: string;
  readonly service: string;
  readonly pid: string;
  readonly version: string;
}

/** Reads a node's HTTP API. Rejects when the node does not answer: unknown is never zero. */
export interface NodeApi {
  versions(): Promise<ApiVersions>;
  /** All pages. */
  clients(): Promise<ApiClient[]>;
  streams(): Promise<ApiStream[]>;
  kick(clientId: string): Promise<number>;
}

export interface Entry {
  readonly node: string;
  readonly protocol: EntryProtocol;
  readonly use: 'publish' | 'play' | 'observe';
  readonly host: string;
  readonly port: number;
  /**
   * The URL of a stream here: `rtmp://h:p/app/stream`, `http://h:p/app/stream.flv`, `http://h:p/app/stream.m3u8`,
   * `http://h:p/api/v1/versions`,
   * `srt://h:p?streamid=#!::r=app/stream,m=publish` (or `m=request`), or what the `path` of its EntrySpec says.
   */
  url(app: string, stream: string): string;
}

/** What can be asked of a cluster; a check names what it needs. */
export type Capability =
  | 'publish.rtmp'
  | 'publish.srt'
  | 'publish.webrtc'
  | 'play.rtmp'
  | 'play.flv'
  /** HTTP-TS, beside HTTP-FLV: SRS has one of them per vhost (http_remux). */
  | 'play.ts'
  | 'play.hls'
  | 'play.srt'
  | 'play.webrtc'
  | 'play.dash'
  | 'play.vod'
  /** A master forwards to slaves. */
  | 'forward'
  /** Origins register with a proxy that stands in front of them. */
  | 'proxy'
  /** State is in a Redis. */
  | 'redis'
  /** Origins ask others where a stream is, and send players there. */
  | 'coworkers'
  /** Origins ask a stream manager. */
  | 'stream-manager'
  /** An Nginx cache stands before HLS. */
  | 'cache'
  /** Requests on HTTP links can be counted (taps). */
  | 'observe.requests'
  /** The statistics page of nginx-rtmp. */
  | 'observe.stat'
  /** Upstream connections can be counted (taps). */
  | 'observe.upstream'
  /** What edges have open upstream can be told now: by the API of the origin, with taps or without. */
  | 'observe.pulls'
  /** Nodes answer the HTTP API. */
  | 'observe.api'
  | 'control.process'
  /** Nodes reach what a check listens to on loopback: they are on the same host, and not in containers. */
  | 'reaches.checks'
  | 'balancer';

/** How long a media node waits for a peer that has stopped in the middle of what it was sending. ms. */
export interface Patience {
  /** From TCP to the play or publish command. */
  readonly rtmpHandshake: number;
  /** From TCP to a complete HTTP request head. */
  readonly httpRequest: number;
  /** An origin that asks a coworker where a stream is, for its answer. */
  readonly coworker: number;
  /** From Publish.Start until it is first looked whether a publisher sends; then every 5 s. Default SRS's 20 s. */
  readonly publishFirst?: number;
}

/** SRS's own, which its configuration cannot change (facts/srs.md 10.2). */
export const SRS_PATIENCE: Patience = { rtmpHandshake: 30_000, httpRequest: 15_000, coworker: 30_000 };

/**
 * What who connects to a node meets that was killed: `refuses`, a host that answers for a process that died; `silent`, no
 * answer, because the address went with the node, as that of a container or of a host does.
 */
export type KilledNode = 'refuses' | 'silent';

export interface Cluster {
  readonly topology: Topology;
  readonly engine: EngineName;
  /** SRS_PATIENCE when left out. */
  readonly patience?: Patience;
  /** `refuses` when left out. */
  readonly killed?: KilledNode;
  readonly capabilities: ReadonlySet<Capability>;
  /** Why it does not have a capability, where there is more to say than that it does not. */
  readonly lacks?: ReadonlyMap<Capability, string>;
  /** Why it may only be used as any client may use it; checks that do more are unsupported then. */
  readonly protectedBy?: string;
  /** Its WebRTC answers may lead off loopback: the user allowed it. */
  readonly leadsAway?: boolean;
  /** Hosts that it may lead clients to, beside that of the entry. Default none. */
  readonly leadsTo?: readonly string[];
  readonly entries: readonly Entry[];
  readonly nodes: ReadonlyMap<string, ClusterNode>;
  readonly taps: readonly Tap[];
  /** On links that carry SRT and the media of WebRTC: from proxies to origins that register with them. */
  readonly udpTaps: readonly UdpTap[];
  /** Of a media node, a proxy or a stream manager. */
  api(node: string): NodeApi;
  /** Entries of one use and protocol; `node` narrows it. Throws when there is none. */
  entry(use: Entry['use'], protocol: EntryProtocol, node?: string): Entry;
  /** Versions of its programs, where the programs of this machine do not tell. */
  versions?(): Promise<Readonly<Record<string, string>>>;
  /** Takes everything down, in order; idempotent; resolves when no process is left. */
  down(): Promise<void>;
}
