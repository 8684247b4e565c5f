/** The model of a cluster: nodes, roles, links, entries. Data only; a runner gives it addresses and life. */

/**
 * `master`: an origin that forwards what is published to it; `slave`: an origin that is forwarded to. These, `origin` and
 * `edge` are media roles, played by the engine. `balancer` is HAProxy, `web` Nginx, `redis` Redis; `proxy` stands in
 * front of origins that register with it, `stream-manager` knows which origin has a stream: both are ours, or a program
 * that the user names.
 */
export type MediaRole = 'origin' | 'edge' | 'master' | 'slave';
export type Role = MediaRole | 'balancer' | 'web' | 'proxy' | 'redis' | 'stream-manager';

export const MEDIA_ROLES: readonly Role[] = ['origin', 'edge', 'master', 'slave'] satisfies MediaRole[];

export function isMediaRole(role: Role): role is MediaRole {
  return MEDIA_ROLES.includes(role);
}

/** `webrtc`: WHIP and WHEP; `stat`: the statistics page of nginx-rtmp; `vod`: files. */
export type EntryProtocol = 'rtmp' | 'flv' | 'api' | 'hls' | 'dash' | 'srt' | 'webrtc' | 'stat' | 'vod';

/**
 * What an Nginx is for: `files` serves a folder that a media node writes; `cache` fetches from its upstreams and keeps
 * what may be kept; `balancer` spreads requests over its upstreams; `stream` spreads TCP connections (RTMP) over them.
 */
export type WebKind = 'files' | 'cache' | 'balancer' | 'stream';

export interface NodeSpec {
  readonly name: string;
  readonly role: Role;
  /** Names of the nodes that this one fetches from (edge, web), sends to (balancer, master), or may pick (proxy). */
  readonly upstreams: readonly string[];
  /** Role `web` only. `files` serves the HLS folder of its only upstream. */
  readonly web?: WebKind;
  /** Media roles: segments what passes through it into HLS (MediaSettings.hls). Default false. */
  readonly hls?: boolean;
  /**
   * Media roles: takes and gives MPEG-TS over SRT (MediaSettings.srt); `open` without the passphrase, where the settings
   * have one: a server has one listener, and it is for callers of either kind. Default false.
   */
  readonly srt?: boolean | 'open';
  /** Media roles: WHIP and WHEP. Default false. */
  readonly rtc?: boolean;
  /**
   * Role `origin`: whom it asks over HTTP where a stream is that it does not have: other origins, or a stream manager.
   * It sends players there with a 302 (facts/srs.md 2). Default none.
   */
  readonly coworkers?: readonly string[];
  /** Role `origin`: the proxy, or the balancer in front of several, that its heartbeat goes to. Default none. */
  readonly registersWith?: string;
  /** Role `origin`: the stream manager that it tells of publishers that come and go. Default none. */
  readonly reportsTo?: string;
  /** Roles `proxy` and `stream-manager`: the Redis that keeps their state. Default: their own memory. */
  readonly redis?: string;
}

/** Where clients come in. */
export interface EntrySpec {
  readonly node: string;
  readonly protocol: EntryProtocol;
  readonly use: 'publish' | 'play' | 'observe';
  /** Path of the URL, with `{app}` and `{stream}`; the protocol's usual one when left out. */
  readonly path?: string;
}

export interface Topology {
  /** Stable slug, as in `--topology edge-cluster`. */
  readonly name: string;
  readonly title: string;
  /** The document that it comes from. */
  readonly source: string;
  readonly nodes: readonly NodeSpec[];
  readonly entries: readonly EntrySpec[];
  /** Engines that can play its media roles; the first is the usual one. Default builtin and srs. */
  readonly engines?: readonly EngineName[];
}

/** Settings of the media nodes that every engine understands; defaults are SRS's where it has one. */
export interface MediaSettings {
  /** Merged write: players are written to this often, in ms. SRS default 350 (facts/srs.md 7.3). */
  readonly mergedWriteMs: number;
  /** Queue per player, in seconds, before the drop rule applies. SRS default 30. */
  readonly queueSeconds: number;
  readonly gopCache: boolean;
  readonly maxConnections: number;
  /** Of nodes whose `hls` is on. */
  readonly hls: HlsSettings;
  /** Of nodes whose `srt` is on. */
  readonly srt?: SrtSettings;
  /** Of nodes whose `rtc` is on. */
  readonly rtc?: RtcSettings;
  /** Of origins that register with a proxy or report to a stream manager, and of these. */
  readonly registration?: RegistrationSettings;
}

export interface RegistrationSettings {
  /** An origin tells that it lives this often, in ms; SRS counts in whole seconds. SRS's conf/origin1-for-proxy.conf: 9000. */
  readonly heartbeatMs?: number;
  /** An origin that has not told so for this long is dead, in ms. SRS's own proxy: 300 000 (facts/srs.md 4.3). */
  readonly aliveMs?: number;
}

/** In the words of SRS (facts/srs.md 9). */
export interface RtcSettings {
  /** A client that has vanished is forgotten after this long, in whole seconds (stun_timeout). SRS default 30. */
  readonly stunTimeoutSeconds?: number;
  /** A publisher that sends no keyframe for this long is asked for one (pli_for_rtmp). SRS default 6. */
  readonly pliSeconds?: number;
}

/** In the words of SRS (facts/srs.md 8). */
export interface SrtSettings {
  /** Least latency of what publishers send, in ms; one that asks for more gets it (recvlatency). SRS default 120. */
  readonly latencyMs?: number;
  /** The same of what players are sent (peerlatency). SRS default 0: a player gets what it asks for. */
  readonly peerLatencyMs?: number;
  /** A caller of whom nothing has come for so long is gone, in ms (peer_idle_timeout). SRS default 10 000. */
  readonly peerIdleMs?: number;
  /** 10 to 79 bytes: who has another, or none, is rejected. Default none. */
  readonly passphrase?: string;
  /** Length of the keys, in bytes. SRS default 16. */
  readonly pbkeylen?: 16 | 24 | 32;
}

/** In the words of SRS (facts/srs.md 6.1, 6.2). */
export interface HlsSettings {
  /** A segment is closed at the first keyframe at which it is this long. SRS default 10. */
  readonly fragmentSeconds: number;
  /** The playlist keeps the shortest tail that is longer than this. SRS default 60. */
  readonly windowSeconds: number;
  /** A session for every player (hls_ctx, hls_ts_ctx). SRS default on; caches need it off. */
  readonly sessions: boolean;
  /** The files of a stream that has ended are removed after this long. SRS default (hls_dispose) 120. */
  readonly disposeSeconds?: number;
}

export type EngineName = 'builtin' | 'srs' | 'nginx-rtmp';

const USUAL_ENGINES: readonly EngineName[] = ['builtin', 'srs'];

/** Engines that can play its media roles, the usual one first. */
export function enginesOf(topology: Topology): readonly EngineName[] {
  return topology.engines ?? USUAL_ENGINES;
}

/** The same cluster without SRT and WebRTC. */
export function withoutUdp(topology: Topology): Topology {
  return {
    ...topology,
    nodes: topology.nodes.map(({ srt: _srt, rtc: _rtc, ...node }) => node),
    entries: topology.entries.filter(({ protocol }) => protocol !== 'srt' && protocol !== 'webrtc'),
  };
}

/** Whether it is a balancer in front of proxies: its API and registration ports are theirs. */
export function isProxyFront(spec: NodeSpec, topology: Topology): boolean {
  return isFrontOf('proxy', spec, topology);
}

/** A balancer in front of masters: for publishers, over RTMP alone. */
export function isMasterFront(spec: NodeSpec, topology: Topology): boolean {
  return isFrontOf('master', spec, topology);
}

function isFrontOf(behind: Role, { role, upstreams }: NodeSpec, { nodes }: Topology): boolean {
  const servers = nodes.filter(({ name }) => upstreams.includes(name));
  return role === 'balancer' && servers.length > 0 && servers.every((node) => node.role === behind);
}
