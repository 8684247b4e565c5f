/** A session description (RFC 8866) as WHIP and WHEP use it, and its limits. */

export interface SdpLimits {
  /** Longest description, in characters. */
  readonly maxLength: number;
  readonly maxMedia: number;
  readonly maxLines: number;
}

/** A browser's offer of everything it has is about 10 KiB. */
export const SDP_LIMITS: SdpLimits = { maxLength: 64 * 1024, maxMedia: 32, maxLines: 2000 };

/** `a=name` or `a=name:value`. */
export interface SdpAttribute {
  readonly name: string;
  readonly value?: string;
}

export const Direction = {
  sendrecv: 'sendrecv',
  sendonly: 'sendonly',
  recvonly: 'recvonly',
  inactive: 'inactive',
} as const;
export type Direction = (typeof Direction)[keyof typeof Direction];

/** RFC 8839 section 5.1. */
export interface SdpCandidate {
  readonly foundation: string;
  readonly component: number;
  /** In lower case. */
  readonly transport: string;
  readonly priority: number;
  readonly address: string;
  readonly port: number;
  /** host, srflx, prflx or relay. */
  readonly type: string;
  /** What follows, such as `generation 0` or `tcptype passive`. */
  readonly extensions: readonly { readonly name: string; readonly value: string }[];
}

export interface SdpFingerprint {
  /** In lower case. */
  readonly algorithm: string;
  /** In upper case, with colons. */
  readonly value: string;
}

/** What may stand for the session or for one media description (RFC 8839, RFC 8122, RFC 8842). */
export interface SdpTransport {
  readonly iceUfrag?: string;
  readonly icePwd?: string;
  readonly fingerprints: readonly SdpFingerprint[];
  /** active, passive, actpass or holdconn. */
  readonly setup?: string;
  readonly direction?: Direction;
}

/** A payload type with its rtpmap, fmtp and rtcp-fb. */
export interface SdpCodec {
  readonly payloadType: number;
  /** As written; names are compared without regard to case. */
  readonly name: string;
  readonly clockRate: number;
  readonly channels?: number;
  /** The text after the payload type. */
  readonly fmtp?: string;
  /** `nack`, `nack pli`, `transport-cc`, … those for `*` included. */
  readonly feedback: readonly string[];
}

export interface SdpMedia extends SdpTransport {
  /** audio, video or application. */
  readonly kind: string;
  readonly port: number;
  readonly protocol: string;
  readonly formats: readonly string[];
  /** The value of its c= line. */
  readonly connection?: string;
  readonly mid?: string;
  readonly rtcpMux: boolean;
  readonly rtcpRsize: boolean;
  readonly candidates: readonly SdpCandidate[];
  readonly codecs: readonly SdpCodec[];
  readonly extmap: readonly { readonly id: number; readonly uri: string }[];
  /** In the order of their first line. */
  readonly ssrcs: readonly { readonly ssrc: number; readonly cname?: string }[];
  readonly msid?: string;
  /** All other attributes. */
  readonly attributes: readonly SdpAttribute[];
}

export interface SessionDescription extends SdpTransport {
  /** The value of o=. */
  readonly origin: string;
  /** The value of s=. */
  readonly name: string;
  readonly connection?: string;
  /** mids of each a=group:BUNDLE. */
  readonly bundles: readonly (readonly string[])[];
  readonly iceLite: boolean;
  /** Of a=ice-options. */
  readonly iceOptions: readonly string[];
  readonly media: readonly SdpMedia[];
  readonly attributes: readonly SdpAttribute[];
}

/** That of the media description, or else of the session (RFC 8866 section 5.13, RFC 8839 section 5.4). */
export function transportOf(
  session: SessionDescription,
  media: SdpMedia,
): SdpTransport & { direction: Direction } {
  const iceUfrag = media.iceUfrag ?? session.iceUfrag;
  const icePwd = media.icePwd ?? session.icePwd;
  const setup = media.setup ?? session.setup;
  return {
    ...(iceUfrag !== undefined && { iceUfrag }),
    ...(icePwd !== undefined && { icePwd }),
    ...(setup !== undefined && { setup }),
    fingerprints: media.fingerprints.length > 0 ? media.fingerprints : session.fingerprints,
    direction: media.direction ?? session.direction ?? Direction.sendrecv,
  };
}

/** The parameters of an fmtp in the form `name=value;name=value`; names in lower case. */
export function fmtpParameters(fmtp: string | undefined): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const part of (fmtp ?? '').split(';')) {
    const [name = '', ...value] = part.trim().split('=');
    if (name !== '') parameters.set(name.toLowerCase(), value.join('='));
  }
  return parameters;
}

/** Whether two codecs are the same one to an answer (RFC 3264 section 6.1; RFC 6184 section 8.2.2 for H.264). */
export function sameCodec(a: SdpCodec, b: SdpCodec): boolean {
  if (a.name.toLowerCase() !== b.name.toLowerCase() || a.clockRate !== b.clockRate) return false;
  if ((a.channels ?? 1) !== (b.channels ?? 1)) return false;
  if (a.name.toLowerCase() !== 'h264') return true;
  const mode = (codec: SdpCodec): string => fmtpParameters(codec.fmtp).get('packetization-mode') ?? '0';
  const profile = (codec: SdpCodec): string =>
    (fmtpParameters(codec.fmtp).get('profile-level-id') ?? '42000a').toLowerCase().slice(0, 2);
  return mode(a) === mode(b) && profile(a) === profile(b);
}
