/** What offers and answers of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) must be like. Pure; for checks. */
import {
  Direction,
  type SdpMedia,
  type SdpTransport,
  type SessionDescription,
  sameCodec,
  transportOf,
} from './description.ts';

export interface SdpViolation {
  /** Stable slug. */
  readonly rule: string;
  readonly level: 'must' | 'should';
  /** The mid of the media description, or its place from 0 on; undefined for the session. */
  readonly media: string | undefined;
  /** What is there and what ought to be. */
  readonly says: string;
  /** Document and section. */
  readonly section: string;
}

/** Who offers: a WHIP client publishes, a WHEP client plays. */
export type SdpRole = 'whip' | 'whep';

class Findings {
  readonly list: SdpViolation[] = [];

  add(
    ok: boolean,
    rule: string,
    section: string,
    says: string,
    media?: string,
    level: SdpViolation['level'] = 'must',
  ): void {
    if (!ok) this.list.push({ rule, level, media, says, section });
  }
}

const isRtp = (media: SdpMedia): boolean => media.kind === 'audio' || media.kind === 'video';
const rejected = (media: SdpMedia): boolean => media.port === 0;

/** RFC 8839 section 5.4, RFC 8842 section 5.1, RFC 8122 section 5, RFC 8834 section 4.2, RFC 5761. */
function common(session: SessionDescription, findings: Findings): void {
  findings.add(session.media.length > 0, 'media', 'RFC 9725 4.4', 'no media description');
  const bundled = new Set(session.bundles.flat());
  for (const [index, media] of session.media.entries()) {
    const name = media.mid ?? String(index);
    // Of what is rejected nothing more need be said (RFC 9429 section 5.3.1).
    if (rejected(media)) continue;
    findings.add(media.mid !== undefined, 'mid', 'RFC 9143 7.1', 'no a=mid', name);
    if (!isRtp(media)) continue;
    const one = bundled.has(media.mid ?? '');
    findings.add(one, 'bundle', 'RFC 9725 4.4.1', `${name} is not in a=group:BUNDLE`, name);
    const transport = bundledTransportOf(session, media);
    findings.add(transport.rtcpMux, 'rtcp-mux', 'RFC 9725 4.4.1', 'no a=rtcp-mux', name);
    findings.add(
      media.protocol === 'UDP/TLS/RTP/SAVPF',
      'protocol',
      'RFC 8829 5.1.2',
      `${media.protocol}, not UDP/TLS/RTP/SAVPF`,
      name,
    );
    const mapped = new Set(media.codecs.map(({ payloadType }) => String(payloadType)));
    const bare = media.formats.filter((format) => !mapped.has(format));
    findings.add(bare.length === 0, 'rtpmap', 'RFC 8866 6.6', `no a=rtpmap for ${bare.join(', ')}`, name);
    security(transport, name, findings);
  }
  for (const [index, media] of session.media.entries()) lite(session, media, index, findings);
}

/**
 * RFC 9143 section 7.1.3: in an answer, what is of the transport stands in the first media description of a group, and holds
 * for all of it. Most say it in every one.
 */
function bundledTransportOf(
  session: SessionDescription,
  media: SdpMedia,
): ReturnType<typeof transportOf> & { readonly rtcpMux: boolean } {
  const own = transportOf(session, media);
  const { mid } = media;
  const tag = mid === undefined ? undefined : session.bundles.find((group) => group.includes(mid))?.[0];
  const tagged = tag === undefined ? undefined : session.media.find((one) => one.mid === tag);
  if (tagged === undefined || tagged === media) return { ...own, rtcpMux: media.rtcpMux };
  const shared = transportOf(session, tagged);
  const fingerprints = own.fingerprints.length > 0 ? own.fingerprints : shared.fingerprints;
  return { ...shared, ...own, fingerprints, rtcpMux: media.rtcpMux || tagged.rtcpMux };
}

/** RFC 8839 section 5.3 on a=ice-lite, RFC 8445 section 5.2 on candidates. */
function lite({ iceLite }: SessionDescription, media: SdpMedia, index: number, findings: Findings): void {
  const name = media.mid ?? String(index);
  const inside = media.attributes.some((attribute) => attribute.name === 'ice-lite');
  findings.add(!inside, 'ice-lite-level', 'RFC 8839 5.3', 'a=ice-lite below m=, not of the session', name);
  if (!iceLite || rejected(media)) return;
  const others = media.candidates.filter(({ type }) => type !== 'host').map(({ type }) => type);
  const says = `candidates of an ICE-lite agent that are no host candidates: ${others.join(', ')}`;
  findings.add(others.length === 0, 'ice-lite-host', 'RFC 8445 5.2', says, name);
}

function security(
  { iceUfrag = '', icePwd = '', fingerprints }: SdpTransport,
  name: string,
  findings: Findings,
): void {
  findings.add(
    /^[A-Za-z0-9+/]{4,256}$/.test(iceUfrag),
    'ice-ufrag',
    'RFC 8839 5.4',
    JSON.stringify(iceUfrag),
    name,
  );
  findings.add(
    /^[A-Za-z0-9+/]{22,256}$/.test(icePwd),
    'ice-pwd',
    'RFC 8839 5.4',
    `${icePwd.length} characters`,
    name,
  );
  findings.add(fingerprints.length > 0, 'fingerprint', 'RFC 8122 5', 'no a=fingerprint', name);
  const lengths = { 'sha-256': 32, 'sha-384': 48, 'sha-512': 64 } as Readonly<Record<string, number>>;
  const known = fingerprints.filter(({ algorithm, value }) => value.split(':').length === lengths[algorithm]);
  findings.add(
    known.length > 0,
    'fingerprint-hash',
    'RFC 8122 5',
    'no fingerprint of SHA-256 or better',
    name,
  );
}

/** @param role of the client that makes the offer. */
export function lintOffer(offer: SessionDescription, role: SdpRole): SdpViolation[] {
  const findings = new Findings();
  common(offer, findings);
  for (const [index, media] of offer.media.entries()) {
    if (!isRtp(media)) continue;
    const name = media.mid ?? String(index);
    const { setup, direction } = transportOf(offer, media);
    findings.add(setup === 'actpass', 'setup', 'RFC 8842 5.2', `setup ${setup}, not actpass`, name);
    const [wanted, section] =
      role === 'whip'
        ? [Direction.sendonly, 'RFC 9725 4.2']
        : [Direction.recvonly, 'draft-ietf-wish-whep 4.2'];
    const allowed = direction === wanted || direction === Direction.sendrecv;
    findings.add(allowed, 'direction', section, `${direction}, not ${wanted}`, name);
    findings.add(
      direction === wanted,
      'direction-exact',
      section,
      `${direction}, not ${wanted}`,
      name,
      'should',
    );
  }
  return findings.list;
}

/** @param offer what it answers. */
export function lintAnswer(offer: SessionDescription, answer: SessionDescription): SdpViolation[] {
  const findings = new Findings();
  common(answer, findings);
  const counts = `${answer.media.length} media descriptions, ${offer.media.length} offered`;
  findings.add(answer.media.length === offer.media.length, 'media-count', 'RFC 3264 6', counts);
  const offered = new Set(offer.bundles.flat());
  const extra = answer.bundles.flat().filter((mid) => !offered.has(mid));
  findings.add(
    extra.length === 0,
    'bundle-offered',
    'RFC 9143 7.3',
    `${extra.join(', ')} was not in the offer's group`,
  );
  for (const [index, media] of answer.media.entries()) {
    const asked = offer.media[index];
    if (asked !== undefined) answered(offer, asked, answer, media, media.mid ?? String(index), findings);
  }
  const open = answer.media.filter((media) => !rejected(media));
  const candidates = open.some((media) => media.candidates.length > 0);
  findings.add(
    candidates || open.length === 0,
    'candidate',
    'RFC 9725 4.4.2',
    'no candidate: the answer of a server that does not trickle carries all of them',
    undefined,
    'should',
  );
  findings.add(
    candidates || open.length === 0 || !answer.iceLite,
    'ice-lite-candidate',
    'RFC 8445 5.2',
    'no candidate of an ICE-lite agent, which sends no checks: it is not to be found',
  );
  return findings.list;
}

/** `lite` or `full`, and its candidates: what an ICE agent says of itself (RFC 8839 section 5.3). */
export function iceAgent({ iceLite, media }: SessionDescription): string {
  const candidates = media.filter((one) => !rejected(one)).flatMap((one) => one.candidates);
  const types = [...new Set(candidates.map(({ type }) => type))].sort();
  const told =
    candidates.length === 0 ? 'no candidate' : `${candidates.length} candidates (${types.join(', ')})`;
  return `${iceLite ? 'lite' : 'full'}, ${told}`;
}

function answered(
  offer: SessionDescription,
  asked: SdpMedia,
  answer: SessionDescription,
  media: SdpMedia,
  name: string,
  findings: Findings,
): void {
  findings.add(
    media.kind === asked.kind,
    'media-kind',
    'RFC 3264 6',
    `${media.kind}, offered ${asked.kind}`,
    name,
  );
  findings.add(
    media.mid === asked.mid || (rejected(media) && media.mid === undefined),
    'mid-echo',
    'RFC 9143 7.3',
    `mid ${media.mid}, offered ${asked.mid}`,
    name,
  );
  if (rejected(media) || !isRtp(media)) return;
  const [from, to] = [bundledTransportOf(offer, asked), bundledTransportOf(answer, media)];
  findings.add(
    to.setup === 'active' || to.setup === 'passive',
    'setup',
    'RFC 8842 5.3',
    `setup ${to.setup}, neither active nor passive`,
    name,
  );
  const clash = from.setup !== 'actpass' && from.setup === to.setup;
  findings.add(!clash, 'setup-role', 'RFC 8842 5.3', `setup ${to.setup} to an offer of ${from.setup}`, name);
  const sends = to.direction === Direction.sendonly || to.direction === Direction.sendrecv;
  const receives = to.direction === Direction.recvonly || to.direction === Direction.sendrecv;
  const wantsToReceive = from.direction === Direction.recvonly || from.direction === Direction.sendrecv;
  const wantsToSend = from.direction === Direction.sendonly || from.direction === Direction.sendrecv;
  findings.add(
    (!sends || wantsToReceive) && (!receives || wantsToSend),
    'direction',
    'RFC 3264 6.1',
    `${to.direction} to an offer of ${from.direction}`,
    name,
  );
  findings.add(
    !to.rtcpMux || from.rtcpMux,
    'rtcp-mux-offered',
    'RFC 5761 5.1.1',
    'rtcp-mux was not offered',
    name,
  );
  for (const codec of media.codecs) {
    const same = asked.codecs.find(({ payloadType }) => payloadType === codec.payloadType);
    const says = `payload type ${codec.payloadType} is ${codec.name}, in the offer ${same?.name ?? 'nothing'}`;
    findings.add(same !== undefined && sameCodec(same, codec), 'payload-type', 'RFC 3264 6.1', says, name);
    const unasked = codec.feedback.filter((kind) => same !== undefined && !same.feedback.includes(kind));
    findings.add(
      unasked.length === 0,
      'rtcp-fb',
      'RFC 4585 4.2',
      `${unasked.join(', ')} was not offered`,
      name,
    );
  }
  const ids = new Map(asked.extmap.map(({ id, uri }) => [id, uri]));
  const wrong = media.extmap.filter(({ id, uri }) => ids.get(id) !== uri);
  const says = `${wrong.map(({ id, uri }) => `${id} ${uri}`).join(', ')} was not offered`;
  findings.add(wrong.length === 0, 'extmap', 'RFC 8285 6', says, name);
}
