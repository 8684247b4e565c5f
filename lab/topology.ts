/** The model of a cluster: nodes, roles, links, entries. Data only; a runner gives it addresses and life. */

export type Role = 'origin' | 'edge' | 'balancer';
export type EntryProtocol = 'rtmp' | 'flv' | 'api';

export interface NodeSpec {
  readonly name: string;
  readonly role: Role;
  /** Names of the nodes that this one fetches from (edge) or sends to (balancer). */
  readonly upstreams: readonly string[];
}

/** Where clients come in. */
export interface EntrySpec {
  readonly node: string;
  readonly protocol: EntryProtocol;
  readonly use: 'publish' | 'play' | 'observe';
}

export interface Topology {
  /** Stable slug, as in `--topology edge-cluster`. */
  readonly name: string;
  readonly title: string;
  /** The document that it comes from. */
  readonly source: string;
  readonly nodes: readonly NodeSpec[];
  readonly entries: readonly EntrySpec[];
}

/** Settings of the media nodes that every engine understands; defaults are SRS's where it has one. */
export interface MediaSettings {
  /** Merged write: players are written to this often, in ms. SRS default 350 (facts/srs.md 7.3). */
  readonly mergedWriteMs: number;
  /** Queue per player, in seconds, before the drop rule applies. SRS default 30. */
  readonly queueSeconds: number;
  readonly gopCache: boolean;
  readonly maxConnections: number;
}

export type EngineName = 'builtin' | 'srs';
