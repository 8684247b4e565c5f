/** Offers of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) clients, judged, and the answers to them. Pure. */
import { ProtocolError } from '../../../protocols/errors.ts';
import {
  Direction,
  fmtpParameters,
  type SdpCodec,
  type SdpMedia,
  type SessionDescription,
  transportOf,
} from '../../../protocols/sdp/description.ts';
import { parseSdp } from '../../../protocols/sdp/parse.ts';
import { writeSdp } from '../../../protocols/sdp/write.ts';
import { SERVER_NAME } from '../constants.ts';
import type { Mutants } from '../mutants.ts';
import type { LocalTransport, RemoteTransport } from './transport.ts';

/** `play` is WHEP, `publish` is WHIP. */
export type RtcUse = 'play' | 'publish';

/** An m= line that is accepted, and as what. */
export interface AcceptedMedia {
  readonly media: SdpMedia;
  readonly codec: SdpCodec;
}

export interface Negotiation {
  readonly offer: SessionDescription;
  readonly use: RtcUse;
  readonly video: AcceptedMedia;
  readonly audio: AcceptedMedia | undefined;
  /** mids of the group that both are in. */
  readonly bundle: readonly string[];
  readonly remote: RemoteTransport;
}

/** Why there is no answer, with the HTTP status that says so. */
export class OfferError extends Error {
  override readonly name = 'OfferError';
  readonly status: number;

  /** @param status 400 for what is no session description, 422 for one that cannot be answered. */
  constructor(status: 400 | 422, message: string) {
    super(message);
    this.status = status;
  }
}

/** RFC 8839 section 5.4. */
const ICE_UFRAG = /^[A-Za-z0-9+/]{4,256}$/;
const ICE_PWD = /^[A-Za-z0-9+/]{22,256}$/;
/** Of a hash, in bytes (RFC 8122 section 5). */
const HASH_SIZES: Readonly<Record<string, number>> = { 'sha-256': 32, 'sha-384': 48, 'sha-512': 64 };
/** Constrained baseline: what SRS prefers among several, for every browser decodes it (facts/srs.md 9.2). */
const PREFERRED_PROFILE = '42e0';
/** What we know to do. */
const FEEDBACK: ReadonlySet<string> = new Set(['nack', 'nack pli']);

/** @throws OfferError */
export function readOffer(text: string, use: RtcUse): Negotiation {
  const offer = parse(text);
  if (offer.media.length === 0) throw refused('no media description');
  const bundled = new Set(offer.bundles.flat());
  const usable = (kind: string): SdpMedia[] =>
    offer.media.filter(
      (media) => media.kind === kind && isOffered(media) && media.mid !== undefined && bundled.has(media.mid),
    );
  const video = accepted(usable('video'), chooseH264);
  if (video === undefined) throw refused(whyNoVideo(offer));
  const group = offer.bundles.find((mids) => mids.includes(video.media.mid!))!;
  const inGroup = usable('audio').filter(({ mid }) => group.includes(mid!));
  const audio = accepted(inGroup, (codecs) => codecs.find(isOpus));
  for (const chosen of [video, audio]) if (chosen) check(offer, chosen.media, use, group);
  return { offer, use, video, audio, bundle: group, remote: remoteOf(offer, video.media, group) };
}

/** Mutant. */
export function ownPayloadTypes(negotiation: Negotiation): Negotiation {
  const other = (accepted: AcceptedMedia): AcceptedMedia => ({
    ...accepted,
    codec: { ...accepted.codec, payloadType: accepted.codec.payloadType ^ 1 },
  });
  const { video, audio } = negotiation;
  return { ...negotiation, video: other(video), audio: audio && other(audio) };
}

function parse(text: string): SessionDescription {
  try {
    return parseSdp(text);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new OfferError(400, error.message);
  }
}

function refused(message: string): OfferError {
  return new OfferError(422, message);
}

function accepted(
  lines: readonly SdpMedia[],
  choose: (codecs: readonly SdpCodec[]) => SdpCodec | undefined,
): AcceptedMedia | undefined {
  for (const media of lines) {
    const codec = choose(media.codecs);
    if (codec) return { media, codec };
  }
  return undefined;
}

/** Packetization mode 1: without FU-A no frame above the MTU could be sent (RFC 6184 section 5.4). */
function chooseH264(codecs: readonly SdpCodec[]): SdpCodec | undefined {
  const candidates = codecs.filter(
    ({ name, fmtp }) =>
      name.toLowerCase() === 'h264' && fmtpParameters(fmtp).get('packetization-mode') === '1',
  );
  const profileOf = ({ fmtp }: SdpCodec): string =>
    (fmtpParameters(fmtp).get('profile-level-id') ?? '').toLowerCase();
  return candidates.find((codec) => profileOf(codec).startsWith(PREFERRED_PROFILE)) ?? candidates[0];
}

function isOpus({ name, clockRate, channels }: SdpCodec): boolean {
  return name.toLowerCase() === 'opus' && clockRate === 48_000 && channels === 2;
}

function whyNoVideo({ media, bundles }: SessionDescription): string {
  const video = media.filter((one) => one.kind === 'video' && isOffered(one));
  if (video.length === 0) return 'no video';
  const bundled = new Set(bundles.flat());
  if (!video.some(({ mid }) => mid !== undefined && bundled.has(mid))) return 'no video in a=group:BUNDLE';
  const names = new Set(video.flatMap(({ codecs }) => codecs.map(({ name }) => name)));
  return `no H.264 with packetization-mode=1, only ${[...names].join(', ') || 'unknown formats'}`;
}

/** Port 0 is a refusal, but for who asks for the transport of a bundle, and no other (RFC 9143 section 6). */
function isOffered({ port, attributes }: SdpMedia): boolean {
  return port !== 0 || attributes.some(({ name }) => name === 'bundle-only');
}

/** The transport of a bundle is that of its first line (RFC 9143 section 7.2). */
function taggedOf(offer: SessionDescription, bundle: readonly string[]): SdpMedia | undefined {
  return offer.media.find(({ mid }) => mid === bundle[0]);
}

function check(offer: SessionDescription, media: SdpMedia, use: RtcUse, bundle: readonly string[]): void {
  const name = `${media.kind} ${media.mid}`;
  const { direction } = transportOf(offer, media);
  const wanted = use === 'play' ? Direction.recvonly : Direction.sendonly;
  if (direction !== wanted && direction !== Direction.sendrecv) {
    throw refused(`${name} is ${direction}, not ${wanted}`);
  }
  const isMuxed = media.rtcpMux || taggedOf(offer, bundle)?.rtcpMux === true;
  if (!isMuxed) throw refused(`${name} has no a=rtcp-mux`);
  if (!/^UDP\/TLS\/RTP\/SAVPF?$/.test(media.protocol)) {
    throw refused(`${name} is ${media.protocol}, not UDP/TLS/RTP/SAVPF`);
  }
}

function remoteOf(offer: SessionDescription, video: SdpMedia, bundle: readonly string[]): RemoteTransport {
  const tagged = taggedOf(offer, bundle) ?? video;
  const own = transportOf(offer, video);
  const shared = transportOf(offer, tagged);
  const iceUfrag = own.iceUfrag ?? shared.iceUfrag ?? '';
  const icePwd = own.icePwd ?? shared.icePwd ?? '';
  const setup = own.setup ?? shared.setup ?? 'actpass';
  const fingerprints = own.fingerprints.length > 0 ? own.fingerprints : shared.fingerprints;
  const fingerprint = fingerprints.find(
    ({ algorithm, value }) => value.split(':').length === HASH_SIZES[algorithm],
  );
  if (!ICE_UFRAG.test(iceUfrag)) throw refused('no a=ice-ufrag of 4 to 256 ice-chars');
  if (!ICE_PWD.test(icePwd)) throw refused('no a=ice-pwd of 22 to 256 ice-chars');
  if (fingerprint === undefined) throw refused('no a=fingerprint of SHA-256 or better');
  if (setup !== 'actpass' && setup !== 'active' && setup !== 'passive') throw refused(`a=setup:${setup}`);
  return { iceUfrag, icePwd, fingerprint, setup };
}

/** What this side sends: its sources. */
export interface LocalMedia {
  readonly host: string;
  /** 63 bit, decimal (RFC 8866 section 5.2). */
  readonly sessionId: string;
  readonly cname: string;
  readonly videoSsrc: number;
  readonly audioSsrc: number;
}

/** Payload types, mids and their order are those of the offer; what is not accepted has port 0 (RFC 3264 section 6). */
export function writeAnswer(
  negotiation: Negotiation,
  local: LocalTransport,
  own: LocalMedia,
  mutants: Mutants,
): string {
  const { offer, video, audio, bundle } = negotiation;
  const chosen = [video, ...(audio ? [audio] : [])];
  const mids = chosen.map(({ media }) => media.mid!);
  const named = mutants.has('rtc-lite-without-candidate') ? { ...local, candidates: [] } : local;
  return writeSdp({
    origin: `${SERVER_NAME} ${own.sessionId} 1 IN IP4 ${own.host}`,
    name: SERVER_NAME,
    bundles: mutants.has('sdp-no-bundle') ? [] : [bundle.filter((mid) => mids.includes(mid))],
    iceLite: mutants.has('rtc-lite-without-candidate'),
    iceOptions: [],
    fingerprints: [],
    attributes: [{ name: 'msid-semantic', value: ` WMS ${own.cname}` }],
    media: offer.media.map((media) => {
      const one = chosen.find((accepted) => accepted.media === media);
      return one ? answered(negotiation.use, one, named, own) : rejected(media);
    }),
  });
}

function answered(
  use: RtcUse,
  { media, codec }: AcceptedMedia,
  local: LocalTransport,
  { host, cname, videoSsrc, audioSsrc }: LocalMedia,
): SdpMedia {
  const sends = use === 'play';
  const ssrc = media.kind === 'video' ? videoSsrc : audioSsrc;
  return {
    kind: media.kind,
    port: 9,
    protocol: media.protocol,
    formats: [String(codec.payloadType)],
    connection: `IN IP4 ${host}`,
    ...(media.mid !== undefined && { mid: media.mid }),
    ...local,
    direction: sends ? Direction.sendonly : Direction.recvonly,
    rtcpMux: true,
    rtcpRsize: media.rtcpRsize,
    codecs: [{ ...codec, feedback: codec.feedback.filter((kind) => FEEDBACK.has(kind)) }],
    extmap: [],
    ssrcs: sends ? [{ ssrc, cname }] : [],
    ...(sends && { msid: `${cname} ${cname}-${media.kind}` }),
    attributes: [],
  };
}

function rejected(media: SdpMedia): SdpMedia {
  return {
    kind: media.kind,
    port: 0,
    protocol: media.protocol,
    formats: media.formats,
    connection: 'IN IP4 0.0.0.0',
    ...(media.mid !== undefined && { mid: media.mid }),
    fingerprints: [],
    direction: Direction.inactive,
    rtcpMux: false,
    rtcpRsize: false,
    candidates: [],
    codecs: media.codecs.map((codec) => ({ ...codec, feedback: [] })),
    extmap: [],
    ssrcs: [],
    attributes: [],
  };
}
