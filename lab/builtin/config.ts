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
  /** Segments every stream that it has, by `settings.hls`, into this folder, which exists. */
  readonly hls?: { readonly directory: string };
  readonly settings: MediaSettings;
  /** Ids from lab/builtin/mutants.ts. */
  readonly mutants: readonly string[];
  /** In ms; SRS's own when left out (lab/builtin/constants.ts). A check of a stalled handshake shortens them. */
  readonly timeouts?: Partial<Timeouts>;
}
