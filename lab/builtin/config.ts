/** What a runner hands to a builtin node: one JSON document, as the last argument of `lab/builtin/main.ts`. */
import type { MediaSettings } from '../topology.ts';
import type { Timeouts } from './constants.ts';

export interface BuiltinConfig {
  readonly role: 'origin' | 'edge' | 'master' | 'slave';
  readonly name: string;
  /** Loopback address that every listener binds to. */
  readonly host: string;
  readonly rtmpPort: number;
  readonly httpPort: number;
  readonly apiPort: number;
  /** UDP. Takes SRT callers, by `settings.srt`; none when left out. */
  readonly srtPort?: number;
  /** UDP. Carries the media of WHIP and WHEP, whose HTTP is on the API port; none when left out. */
  readonly rtcPort?: number;
  /** Edge only: where it fetches from, in order. `api` is only read by a mutant. */
  readonly origins: readonly { readonly host: string; readonly port: number; readonly api?: string }[];
  /** Master only: where it forwards every stream that is published to it. */
  readonly forwards?: readonly { readonly host: string; readonly port: number }[];
  /**
   * Origin only: `host:port` of the HTTP API of each whom it asks, in order, where a stream is that is not published
   * here: other origins, or a stream manager (facts/srs.md 2). Its players of such a stream get a 302. Default none.
   */
  readonly coworkers?: readonly string[];
  /** Origin only: the proxy that its heartbeat goes to (seeds/001). Default none. */
  readonly register?: RegisterConfig;
  /** Origin only: URLs that are told of publishers that come and go, as SRS's http_hooks. Default none. */
  readonly hooks?: HooksConfig;
  /** Segments every stream that it has, by `settings.hls`, into this folder, which exists. */
  readonly hls?: { readonly directory: string };
  readonly settings: MediaSettings;
  /** Ids from lab/builtin/mutants.ts. */
  readonly mutants: readonly string[];
  /** In ms; SRS's own when left out (lab/builtin/constants.ts). A check of a stalled handshake shortens them. */
  readonly timeouts?: Partial<Timeouts>;
}

export interface RegisterConfig {
  /** `http://host:port/api/v1/srs/register`. */
  readonly url: string;
  /** Where the proxy is to connect to: SRS takes it from SRS_DEVICE_IP. */
  readonly ip: string;
  /** What tells apart origins of one machine: `device_id`. */
  readonly deviceId: string;
  /** SRS 9 s in conf/origin1-for-proxy.conf. */
  readonly intervalMs: number;
  /** Ports at `ip`; those of what the node does not have are left out. */
  readonly endpoints: {
    readonly rtmp: number;
    readonly http: number;
    readonly api: number;
    readonly srt?: number;
    readonly rtc?: number;
  };
}

export interface HooksConfig {
  /** Asked before a publisher is let in; its refusal refuses the publisher. */
  readonly onPublish: string;
  readonly onUnpublish: string;
}
